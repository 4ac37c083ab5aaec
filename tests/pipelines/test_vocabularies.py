"""Translation with two vocabularies and separate tables, from training to a device."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nlp_speech.runtime import load

NlpSpeech = Any
TEXTS = ["one two", "red", "ten green nine", ""]


@pytest.mark.parametrize(("shared", "tied"), [(False, True), (True, False)])
def test_every_runtime_gives_the_same_answer(
    nlp_speech: NlpSpeech,
    shared_values: dict[str, Any],
    tmp_path: Path,
    shared: bool,
    tied: bool,
) -> None:
    values = {
        **shared_values,
        "task": "translation",
        "tokenizer": {"vocabulary_size": 34, "shared": shared},
        "model": {**shared_values["model"], "tie_embeddings": tied},
        "batch": {**shared_values["batch"], "buckets": 1},
        "export": {"quantize": ["float"], "budget": 100.0},
    }
    values["training"] = {**values["training"], "updates": 20, "evaluate_every": 20}
    config, run, model = (tmp_path / n for n in ("config.yaml", "run", "model"))
    config.write_text(json.dumps(values), encoding="utf-8")
    done = nlp_speech("train", config, "--no-check", "--output", run)
    assert done.code == 0, done.err
    assert len(list((run / "assets").glob("*.model"))) == 2 - shared
    done = nlp_speech("export", run, "--output", model)
    assert done.code == 0, done.err
    answers = {
        runtime: [answer.as_text() for answer in load(model, runtime)(TEXTS)]
        for runtime in ("keras", "saved_model", "tflite")
    }
    assert any(answers["keras"])
    assert answers["saved_model"] == answers["tflite"] == answers["keras"]
    done = nlp_speech("verify", model)
    assert done.code == 0, done.out + done.err
