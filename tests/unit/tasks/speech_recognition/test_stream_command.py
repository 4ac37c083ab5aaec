"""`nlp-speech stream`: partials as they change, finals with their times."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from nlp_speech import cli, console
from nlp_speech.errors import UserError


class Loud:
    """A predictor that hears a letter in loud steps."""

    def __init__(self, config: Any, labels: int) -> None:
        self.config = config
        self.labels = labels

    def __call__(self, endpoint: str, arrays: Any) -> dict[str, np.ndarray]:
        assert endpoint == "recognize_stream"
        steps = self.config.streaming.chunk_steps
        loud = np.abs(arrays["samples"][0]).reshape(steps, -1).max(axis=1) > 0.3
        log_probs = np.full([1, steps, self.labels], -20.0, np.float32)
        log_probs[0, np.arange(steps), np.where(loud, 2, 0)] = -1e-6
        return {"log_probs": log_probs, "state": arrays["state"]}


@pytest.fixture
def bundle(small: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A bundle whose model hears loud sound as a letter, with no look-ahead."""
    config = small.config(
        model={"look_ahead": 0}, streaming={"silence_seconds": 0.3, "max_seconds": 20}
    )
    assets, _ = small.recognizer(config)
    model = SimpleNamespace(
        task=SimpleNamespace(NAME="speech_recognition"),
        config=config,
        assets=assets,
        predictor=Loud(config, assets.labels.size),
    )
    monkeypatch.setattr(console, "load_model", lambda *_: model)
    return model


@pytest.fixture
def sound(small: Any, tmp_path: Path) -> Path:
    """A loud stretch of 0.2 s, a pause, two more, and an end without a pause."""
    loud, pause = np.full(200, 0.5), np.zeros(600)
    samples = np.concatenate([pause, loud, pause, loud, pause[:100], loud])
    soundfile.write(tmp_path / "s.wav", samples, small.rate, subtype="FLOAT")
    return tmp_path / "s.wav"


def test_partials_and_finals(bundle: Any, sound: Path) -> None:
    done = CliRunner().invoke(cli.app, ["stream", "bundle", str(sound)])
    assert done.exit_code == 0, done.output
    rows = [line.split() for line in done.output.splitlines()]
    assert [row[1:] for row in rows] == [
        ["...", "a"],
        ["0.96", "a"],
        ["...", "a"],
        ["...", "aa"],
        ["1.90", "aa"],
    ]
    assert [row[0] for row in rows] == ["0.00", "0.00", "0.96", "0.96", "0.96"]


def test_json_lines(bundle: Any, sound: Path) -> None:
    done = CliRunner().invoke(cli.app, ["stream", "bundle", str(sound), "--json"])
    segments = [json.loads(line) for line in done.output.splitlines()]
    finals = [segment for segment in segments if segment["final"]]
    assert [segment["text"] for segment in finals] == ["a", "aa"]
    [word] = finals[0]["words"]
    assert word["text"] == "a"
    assert (word["start"], word["end"]) == (pytest.approx(0.6), pytest.approx(0.8))
    assert 0.99 < word["confidence"] <= 1


def test_bare_samples_on_standard_input(bundle: Any, sound: Path) -> None:
    samples = (soundfile.read(sound)[0] * 32767).astype("<i2").tobytes()
    done = CliRunner().invoke(cli.app, ["stream", "bundle", "-"], input=samples)
    finals = [line for line in done.output.splitlines() if "..." not in line]
    assert [line.split()[2] for line in finals] == ["a", "aa"]


def test_another_task_is_an_error(bundle: Any, sound: Path) -> None:
    bundle.task.NAME = "translation"
    done = CliRunner().invoke(cli.app, ["stream", "bundle", str(sound)])
    assert isinstance(done.exception, UserError)
    assert "this command is for speech_recognition" in str(done.exception)


def test_a_microphone_ends_with_ctrl_c(
    bundle: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Input:
        """A microphone that hears a loud stretch, and then Ctrl-C is pressed."""

        def __init__(self, rate: int, size: int, callback: Any, **_: Any) -> None:
            for _block in range(10):
                callback(np.full([size, 1], 0.5, np.float32), size, None, None)

        def __enter__(self) -> None:
            def interrupt(*_: Any) -> None:
                raise KeyboardInterrupt

            self._before = signal.signal(signal.SIGALRM, interrupt)
            signal.setitimer(signal.ITIMER_REAL, 1)

        def __exit__(self, *_: Any) -> None:
            signal.signal(signal.SIGALRM, self._before)

    library = SimpleNamespace(InputStream=Input, PortAudioError=OSError)
    monkeypatch.setitem(sys.modules, "sounddevice", library)
    done = CliRunner().invoke(cli.app, ["stream", "bundle", "mic"])
    assert done.exit_code == 0, done.exception
    last = done.output.splitlines()[-1].split()
    assert (last[0], last[2]) == ("0.00", "a")


def test_hot_words_are_expected(bundle: Any, sound: Path) -> None:
    # One loud stretch is one letter; two of them are a word that is not expected.
    run = ["stream", "bundle", str(sound), "--json"]
    for words, expected in (
        (["--hot-word", "a=-30"], 0),
        (["--hot-word", "a"], 1),
        ([], 1),
    ):
        done = CliRunner().invoke(cli.app, [*run, *words])
        assert done.exit_code == 0, done.exception
        told = map(json.loads, done.output.splitlines())
        finals = [segment["text"] for segment in told if segment["final"]]
        assert ("a" in finals) == bool(expected), words


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("a b", "cannot be a hot word"),
        ("z", "cannot be a hot word"),
        ("a=much", "write WORD or WORD=BONUS"),
    ],
)
def test_words_that_cannot_be_expected(
    bundle: Any, sound: Path, word: str, message: str
) -> None:
    run = ["stream", "bundle", str(sound), "--hot-word", word]
    done = CliRunner().invoke(cli.app, run)
    assert isinstance(done.exception, UserError)
    assert message in str(done.exception)
