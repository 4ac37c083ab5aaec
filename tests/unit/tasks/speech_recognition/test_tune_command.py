"""`nlp-speech tune-language`: the grid, the best of it, and how to export with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from nlp_speech import cli, console
from nlp_speech.decoding.arpa import write_arpa
from nlp_speech.decoding.ngram import estimate
from nlp_speech.errors import UserError
from nlp_speech.tasks import speech_recognition as task
from nlp_speech.tasks.speech_recognition.language import LANGUAGE_FILE

HEARD, SAID = "ab ac", "ab ad"


class Unsure:
    """A predictor that hears `HEARD` a little rather than `SAID`."""

    max_batch_size = None

    def __init__(self, symbols: tuple[str, ...]) -> None:
        probabilities = np.full([2 * len(HEARD), len(symbols)], 1e-6)
        for n, (heard, said) in enumerate(zip(HEARD, SAID, strict=True)):
            probabilities[2 * n, symbols.index(said)] = 0.4
            probabilities[2 * n, symbols.index(heard)] += 0.6
            probabilities[2 * n + 1, 0] = 1
        self.log_probs = np.log(probabilities).astype(np.float32)
        self.ids = np.array([symbols.index(c) for c in HEARD])

    def __call__(self, endpoint: str, arrays: Any) -> dict[str, np.ndarray]:
        rows = len(arrays["lengths"])

        def all_rows(values: Any) -> np.ndarray:
            return np.stack([np.asarray(values)] * rows)

        starts = np.arange(len(HEARD)) * 2
        return {
            "ids": all_rows([self.ids]),
            "lengths": all_rows([len(HEARD)]),
            "score": all_rows([-1.0]),
            "starts": all_rows(starts),
            "ends": all_rows(starts + 1),
            "confidence": all_rows(np.ones(len(HEARD))),
            "log_probs": all_rows(self.log_probs),
            "steps": all_rows(len(self.log_probs)),
        }


@pytest.fixture
def model(small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A model with a language model that knows what is said."""
    config = small.config(language={"order": 2, "unknown_penalty": 3})
    assets = small.assets(config)
    write_arpa(estimate([SAID.split()] * 3, 2), tmp_path / LANGUAGE_FILE)
    fields = {name: getattr(task, name) for name in dir(task)}
    fields["references"] = lambda config, split, files: (
        ["generated:noise:0.2"] * 3,
        [SAID] * 3,
    )
    made = SimpleNamespace(
        task=SimpleNamespace(**fields),
        config=config,
        assets=assets,
        predictor=Unsure(assets.labels.symbols),
        bundle=SimpleNamespace(path=tmp_path),
        endpoint="recognize",
    )
    monkeypatch.setattr(console, "load_model", lambda *_: made)
    return made


def run(*options: str) -> Any:
    words = ["tune-language", "bundle", "--processes", "1", *options]
    return CliRunner().invoke(cli.app, words, catch_exceptions=True)


@pytest.mark.usefixtures("model")
def test_the_best_is_told_as_options() -> None:
    done = run("--weights", "0", "--bonuses", "0", "--penalties", "0,3", "--limit", "2")
    assert done.exit_code == 0, done.exception
    lines = done.stdout.splitlines()
    assert lines[0] == "WER 50.00 without a language, 2 utterances"
    assert [line.split() for line in lines[1:4]] == [
        ["WER", "weight", "bonus", "penalty"],
        ["50.00", "0", "0", "0"],
        ["0.00", "0", "0", "3"],
    ]
    assert "best: WER 0.00" in lines[4]
    assert lines[5].endswith(
        "--set language.weight=0 --set language.word_bonus=0 "
        "--set language.unknown_penalty=3"
    )


def test_what_cannot_be_tuned(model: Any) -> None:
    assert isinstance(run("--weights", "much").exception, UserError)
    plain = model.config.language.model_copy(update={"order": 0})
    model.config = model.config.model_copy(update={"language": plain})
    model.assets = replace(model.assets, config=model.config)
    assert "language.order" in str(run().exception)
