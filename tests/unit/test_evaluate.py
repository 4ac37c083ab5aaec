from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nlp_speech.contract import Extras
from nlp_speech.errors import UserError
from nlp_speech.evaluate import evaluate
from nlp_speech.runtime import load

INPUTS = ["abc", "z", "", "hello"]


def test_the_report_has_the_agreed_form(toy_bundle: Path) -> None:
    model = load(toy_bundle, "saved_model")
    right = [r.as_text() for r in model(INPUTS)]
    report = evaluate(model, INPUTS, [*right[:3], "no"], batch_size=2)
    seconds = report.pop("seconds")
    assert 0 <= seconds < 60
    assert report == {
        "task": "toy",
        "bundle": "toy_letters/1",
        "runtime": "saved_model",
        "examples": 4,
        "metrics": {"accuracy": 75.0},
        "signatures": {"accuracy": "toy|v1"},
    }
    assert json.loads(json.dumps(report)) == report


def test_limit_and_device_variant(toy_bundle: Path) -> None:
    model = load(toy_bundle, "tflite", variant="float")
    right = [r.as_text() for r in model(INPUTS)]
    report = evaluate(model, INPUTS, [*right[:3], "no"], limit=3)
    assert report["examples"] == 3
    assert report["metrics"] == {"accuracy": 100.0}
    assert report["runtime"] == "tflite"
    assert report["variant"] == "float"


def test_a_limit_draws_from_all_examples(toy_bundle: Path) -> None:
    """The first rows of a file may all be of one class."""
    model = load(toy_bundle, "tflite")
    inputs = ["a"] * 50 + ["b"] * 50
    wrong = [*["?"] * 50, *[r.as_text() for r in model(["b"] * 50)]]
    report = evaluate(model, inputs, wrong, limit=40)
    assert 20 < report["metrics"]["accuracy"] < 80
    assert report["metrics"] == evaluate(model, inputs, wrong, limit=40)["metrics"]


def test_wrong_examples(toy_bundle: Path) -> None:
    model = load(toy_bundle, "tflite")
    with pytest.raises(UserError, match="2 inputs and 1 references"):
        evaluate(model, ["a", "b"], ["a"])
    with pytest.raises(UserError, match="no examples"):
        evaluate(model, [], [])
    with pytest.raises(UserError, match="limit must be 1 or more"):
        evaluate(model, ["a"], ["a"], limit=0)


class Deaf:
    """A model that cannot read inputs with a question mark."""

    task = SimpleNamespace(
        NAME="none",
        score=lambda results, references: (
            {"accuracy": 100 * results.count(references[0]) / len(results)},
            {"accuracy": ""},
        ),
        EXTRAS=Extras(
            errors=lambda inputs, results, references, count: {"worst": inputs[:count]}
        ),
    )
    bundle = SimpleNamespace(name="none/1")
    config = SimpleNamespace(seed=1)
    runtime = "none"
    variant = None

    def __call__(self, inputs: list[str], on_bad: Any = None, **_: Any) -> list[Any]:
        bad = [text for text in inputs if "?" in text]
        for text in bad:
            on_bad(text, UserError(f"{text}: what"))
        return [None if text in bad else text for text in inputs]


def test_a_missing_scorer_is_told_before_anything_is_answered() -> None:
    """As where only what a device needs is installed."""
    model: Any = SimpleNamespace(
        task=SimpleNamespace(EXTRAS=Extras(scorers=("json", "no_such_scorer")))
    )
    told = r"evaluate needs no_such_scorer; pip install 'nlp-speech\[train\]'"
    with pytest.raises(UserError, match=told):
        evaluate(model, ["a"], ["a"])


def test_what_cannot_be_read_is_left_out_and_counted() -> None:
    told: list[str] = []
    run: Any = {"on_bad": lambda _, error: told.append(str(error)), "worst": 1}
    model: Any = Deaf()
    report = evaluate(model, ["a?", "b", "c"], ["a", "b", "b"], **run)
    assert told == ["a?: what"]
    assert (report["bad"], report["examples"]) == (1, 2)
    assert report["metrics"] == {"accuracy": 50.0}
    assert report["errors"] == {"worst": ["b"]}
    with pytest.raises(UserError, match="none of the 1 inputs"):
        evaluate(model, ["?"], ["a"], **run)
