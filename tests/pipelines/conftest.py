"""The command line called in this process, and a bundle it made."""

from __future__ import annotations

import copy
import io
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml

from nlp_speech import cli


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str


NlpSpeech = Callable[..., Ran]


def _run(*words: Any, stdin: bytes = b"") -> Ran:
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="") for _ in range(2))
    given = io.TextIOWrapper(io.BytesIO(stdin), "utf-8")
    arguments = ["nlp-speech", *map(str, words)]
    with (
        mock.patch.object(sys, "argv", arguments),
        mock.patch.object(sys, "stdin", given),
        redirect_stdout(out),
        redirect_stderr(err),
        pytest.raises(SystemExit) as ended,
    ):
        cli.main()
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode("utf-8"))  # pyright: ignore
    return Ran(int(ended.value.code or 0), *texts)


@pytest.fixture(scope="session")
def nlp_speech() -> NlpSpeech:
    """Calls the program with some words and standard input, as `Ran`."""
    return _run


@pytest.fixture(scope="session")
def experiment(
    shared_values: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A config that learns a few words in seconds; for reading only."""
    values = {"task": "translation", **copy.deepcopy(shared_values)}
    values["model"] |= {"embedding_units": 32, "units": 32}
    values["training"] |= {"updates": 120, "evaluate_every": 60}
    values["batch"]["tokens"] = 400
    values["export"] = {"budget": 100.0}
    values["card"] = {"title": "A few words", "license": "Apache-2.0"}
    path = tmp_path_factory.mktemp("experiment") / "words.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def trained_run(
    nlp_speech: NlpSpeech, experiment: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The run of `experiment`; for reading only."""
    run = tmp_path_factory.mktemp("runs") / "words"
    done = nlp_speech("train", experiment, "--output", run)
    assert done.code == 0, done.err
    assert f"nlp-speech export {run}" in done.out
    return run


@pytest.fixture(scope="session")
def trained_bundle(
    nlp_speech: NlpSpeech, trained_run: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A version directory exported from `trained_run`; for reading only."""
    name = tmp_path_factory.mktemp("saved_models") / "words"
    quantize = ("--quantize", "dynamic", "--quantize", "float")
    done = nlp_speech("export", trained_run, "--output", name, *quantize)
    assert done.code == 0, done.err
    assert done.out.splitlines() == [str(name / "1")]
    return name / "1"
