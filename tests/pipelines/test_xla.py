"""A training whose updates XLA compiles learns what any other one learns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import yaml

from nlp_speech.training import trainer
from nlp_speech.weights import read_arrays

NlpSpeech = Any


def settings(values: dict[str, Any]) -> dict[str, Any]:
    """A config without dropout, whose masks XLA draws in its own way."""
    rates = ("dropout", "embedding_dropout", "output_dropout")
    return {
        **values,
        "task": "translation",
        "model": {**values["model"], **dict.fromkeys(rates, 0.0)},
        "batch": {**values["batch"], "buckets": 1},
        "training": {**values["training"], "updates": 6, "evaluate_every": 3},
        "export": {"quantize": ["float"], "budget": 100.0},
    }


def losses(run: Path) -> list[float]:
    lines = (run / "log.jsonl").read_text().splitlines()
    return [json.loads(line)["loss"] for line in lines]


def test_the_same_losses_and_a_run_that_can_be_used(
    nlp_speech: NlpSpeech,
    shared_values: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(settings(shared_values)), encoding="utf-8")
    updates: dict[str, list[float]] = {}
    compiled: dict[str, set[Any]] = {}
    make_step, function = trainer.make_step, tf.function

    def watched(*arguments: Any) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(tf, "function", functions)
            update = make_step(*arguments)

        def run(*given: Any) -> Any:
            done = update(*given)
            updates[name].append(done.total / done.count)
            return done

        return run

    def functions(*arguments: Any, **options: Any) -> Any:
        compiled[name].add(options.get("jit_compile"))
        return function(*arguments, **options)

    monkeypatch.setattr(trainer, "make_step", watched)
    for name in ("false", "true"):
        updates[name], compiled[name] = [], set()
        setting = ("--no-check", "--set", f"training.xla={name}")
        done = nlp_speech("train", config, *setting, "--output", tmp_path / name)
        assert done.code == 0, done.err
        assert "not used here" not in done.err
    assert compiled == {"false": {None}, "true": {None, True}}
    assert len(updates["false"]) == 6
    np.testing.assert_allclose(updates["true"], updates["false"], rtol=1e-4)
    plain, with_xla = (losses(tmp_path / name) for name in ("false", "true"))
    np.testing.assert_allclose(with_xla, plain, rtol=1e-4)
    weights = [read_arrays(tmp_path / n / "weights.npz") for n in ("false", "true")]
    assert weights[0].keys() == weights[1].keys()
    done = nlp_speech("export", tmp_path / "true", "--output", tmp_path / "model")
    assert done.code == 0, done.err
    done = nlp_speech("predict", tmp_path / "model", "one two")
    assert (done.code, len(done.out.splitlines())) == (0, 1)
