"""`nlp-speech tune`: from a config to the values to train with."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from nlp_speech.config import read_config

NlpSpeech = Any


@pytest.fixture
def experiment(shared_values: dict[str, Any], tmp_path: Path) -> Path:
    """A config with a search space of two parameters, whose trials take seconds."""
    values = {"task": "translation", **copy.deepcopy(shared_values)}
    values["model"] |= {"decoder_layers": 1}
    values["decoding"]["beam_size"] = 1
    values["tune"] = {
        "updates": 4,
        "evaluate_every": 2,
        "space": {
            "training.learning_rate": {"low": 1e-3, "high": 1e-1, "log": True},
            "model.units": {"choices": [8, 16]},
        },
    }
    path = tmp_path / "words.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


def test_tune_goes_on_and_ends_with_a_config_to_train_with(
    nlp_speech: NlpSpeech,
    experiment: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    first = nlp_speech("tune", experiment, "--trials", 1)
    assert first.code == 0, first.err
    assert "trial 0 (1 of 1): units 16, learning_rate 0.01" in first.err
    done = nlp_speech("tune", experiment, "--trials", 2)
    assert done.code == 0, done.err
    assert "trial 0 (" not in done.err
    assert "trial 1 (2 of 2)" in done.err
    # results to stdout, progress to stderr
    assert "the config's own values" in done.out
    assert "Effect of each parameter on the best bleu up to update 4" in done.out
    search = Path("runs/words-tune")
    assert f"nlp-speech train {search / 'best.yaml'}" in done.out
    assert (search / "tune.png").read_bytes().startswith(b"\x89PNG")
    report = json.loads((search / "tune.json").read_text())
    assert {row["number"] for row in report["rows"]} == {0, 1}
    best = read_config(search / "best.yaml")
    assert (
        best.training.learning_rate
        == (report["best"]["values"]["training.learning_rate"])
    )
    # the best trial is a run that can be exported
    number = report["best"]["number"]
    weights = sorted(search.glob("trials/*/weights.npz"))
    assert weights == [search / f"trials/{number:04d}/weights.npz"]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("tune.space={}", "tune.space is empty; name what to search"),
        ("tune.space={units: {choices: [8]}}", "did you mean 'model.units'?"),
        ("tune.updates=1", "tune.updates: for a trial, training.warmup_updates: "),
    ],
)
def test_a_bad_space_is_one_sentence(
    nlp_speech: NlpSpeech, experiment: Path, tmp_path: Path, setting: str, words: str
) -> None:
    output = tmp_path / "search"
    arguments = ("--trials", 1, "--output", output, "--set", setting)
    done = nlp_speech("tune", experiment, *arguments)
    assert done.code == 1
    [line] = done.err.splitlines()
    assert line.startswith("nlp-speech: ")
    assert words in line
    assert not output.exists()
