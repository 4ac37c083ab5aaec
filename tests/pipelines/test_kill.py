"""A training that is killed at any moment goes on as if it had not been."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nlp_speech.weights import read_arrays

UPDATES = 24


@pytest.fixture(scope="module")
def config(
    shared_values: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Everything random is on: dropout, sampled pieces, shuffling; and an average."""
    training = {**shared_values["training"], "updates": UPDATES, "evaluate_every": 4}
    training |= {"average_best": 1, "evaluation_limit": 1, "moving_average": 0.9}
    values = {**shared_values, "task": "translation", "training": training}
    path = tmp_path_factory.mktemp("kill") / "config.yaml"
    path.write_text(json.dumps(values))
    return path


def command(config: Path, output: Path, *options: str) -> list[str]:
    program = [sys.executable, "-m", "nlp_speech"]
    return [*program, "train", str(config), "--output", str(output), *options]


def final(directory: Path) -> dict[str, np.ndarray]:
    name = f"update-{UPDATES:08d}"
    return read_arrays(directory / "checkpoints" / name / "variables.npz")


@pytest.fixture(scope="module")
def undisturbed(config: Path) -> dict[str, np.ndarray]:
    directory = config.with_name("undisturbed")
    subprocess.run(command(config, directory), check=True, timeout=600)
    return final(directory)


def stop_somewhere(
    arguments: list[str], directory: Path, number: int, seed: int
) -> int:
    """Sends a signal at a moment that the seed decides; the status it ended with."""
    rng = random.Random(seed)
    after = rng.randrange(0, UPDATES, 4)
    process = subprocess.Popen(arguments)
    checkpoint = directory / f"checkpoints/update-{after:08d}"
    deadline = time.monotonic() + 500
    while after and not checkpoint.exists() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(rng.random() * (1.0 if after else 12.0))
    process.send_signal(number)
    return process.wait(timeout=600)


def go_on(config: Path, directory: Path) -> None:
    """Resumes, or begins again where nothing had been saved."""
    begun = (directory / "config.yaml").exists()
    options = ["--resume"] if begun else []
    subprocess.run(command(config, directory, *options), check=True, timeout=600)


@pytest.mark.parametrize(
    "seed", [1, *(pytest.param(n, marks=pytest.mark.slow) for n in range(2, 12))]
)
def test_killed_twice_and_resumed_is_bit_for_bit_the_same(
    config: Path, undisturbed: dict[str, np.ndarray], tmp_path: Path, seed: int
) -> None:
    run = tmp_path / "run"
    stop_somewhere(command(config, run), run, signal.SIGKILL, seed)
    begun = ["--resume"] if (run / "config.yaml").exists() else []
    stop_somewhere(command(config, run, *begun), run, signal.SIGKILL, seed + 100)
    go_on(config, run)
    found = final(run)
    assert found.keys() == undisturbed.keys()
    for name, value in undisturbed.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_sigterm_saves_and_leaves(
    config: Path, undisturbed: dict[str, np.ndarray], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    process = subprocess.Popen(command(config, run), stderr=subprocess.PIPE, text=True)
    while not (run / "checkpoints/update-00000004").exists():
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGTERM)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 1
    assert "and saved; go on with --resume" in err
    go_on(config, run)
    for name, value in undisturbed.items():
        np.testing.assert_array_equal(final(run)[name], value, err_msg=name)
