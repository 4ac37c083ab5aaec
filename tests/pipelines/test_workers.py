"""Several processes train one model, and outlive the loss of one of them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nlp_speech.errors import UserError
from nlp_speech.weights import read_arrays
from nlp_speech.workers import launch, parse_workers, without_workers


def addresses(count: int) -> str:
    """Loopback addresses with ports that are free now."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ",".join(f"127.0.0.1:{port}" for port in ports)


@pytest.fixture
def config(shared_values: dict[str, Any], tmp_path: Path) -> Path:
    """A config without dropout, so that any number of devices learns the same."""
    rates = ("dropout", "embedding_dropout", "output_dropout")
    model = {**shared_values["model"], **dict.fromkeys(rates, 0.0)}
    training = {**shared_values["training"], "updates": 20, "evaluate_every": 5}
    training |= {"average_best": 1, "evaluation_limit": 1}
    values = {**shared_values, "model": model, "training": training}
    path = tmp_path / "config.yaml"
    path.write_text(json.dumps({"task": "translation", **values}))
    return path


def command(config: Path, output: Path, *options: str) -> list[str]:
    program = [sys.executable, "-m", "nlp_speech"]
    return [*program, "train", str(config), "--output", str(output), *options]


def final(directory: Path) -> dict[str, np.ndarray]:
    return read_arrays(directory / "checkpoints/update-00000020/variables.npz")


def assert_close(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> None:
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        np.testing.assert_allclose(
            found[name], value, rtol=5e-3, atol=1e-4, err_msg=name
        )


def test_processes_learn_what_one_learns_and_outlive_a_loss(
    config: Path, tmp_path: Path
) -> None:
    alone, two, killed = (tmp_path / name for name in ("alone", "two", "killed"))
    subprocess.run(command(config, alone), check=True, timeout=600)
    three = command(config, two, "--workers", addresses(3))
    subprocess.run(three, check=True, timeout=600)
    assert_close(final(two), final(alone))

    process = subprocess.Popen(
        command(config, killed, "--workers", addresses(2)),
        stderr=subprocess.PIPE,
        text=True,
    )
    kill_a_worker_after(killed / "checkpoints/update-00000005", process.pid)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    assert "a worker was lost (status -9); starting all again from update" in err
    assert_close(final(killed), final(alone))


def kill_a_worker_after(path: Path, parent: int) -> None:
    """Kills the last child of the launcher once a file is there."""
    deadline = time.monotonic() + 500
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    os.kill(int(children[-1]), signal.SIGKILL)


def test_a_wrong_config_is_told_once(tmp_path: Path) -> None:
    missing = command(tmp_path / "no.yaml", tmp_path / "run")
    done = subprocess.run(
        [*missing, "--workers", addresses(2)], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.count("no.yaml") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a:1", "two different addresses"),
        ("a:1,a:1", "two different addresses"),
        ("a:1,b", "'b' is not host:port"),
        ("a:1,b:99999", "'b:99999' is not host:port"),
        ("a:1,:5", "':5' is not host:port"),
    ],
)
def test_wrong_addresses(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_workers(text)


def test_no_worker_of_this_machine(tmp_path: Path) -> None:
    # TEST-NET-3: addresses that no machine has.
    with pytest.raises(UserError, match="is this machine"):
        launch(["203.0.113.77:5000", "203.0.113.78:5000"], [], tmp_path, print)


def test_the_option_is_taken_out() -> None:
    given = ["train", "c.yaml", "--workers", "a:1,b:2", "--output", "x"]
    assert without_workers(given) == ["train", "c.yaml", "--output", "x"]
    given = ["train", "--workers=a:1,b:2", "c.yaml"]
    assert without_workers(given) == ["train", "c.yaml"]
