"""A bundle exported again without its run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import nlp_speech
from nlp_speech.bundle import Bundle, is_bundle
from nlp_speech.contract import TrainingExtras, load_training_task
from nlp_speech.errors import UserError
from nlp_speech.export import record_scores
from nlp_speech.runs import renew_bundle

INPUTS = ["hello", "", "zebra"]


def _texts(path: Path) -> list[str]:
    return [r.as_text() for r in nlp_speech.load(path, "saved_model")(INPUTS)]


def _renew(source: Path, output: Path, *changes: str) -> tuple[Path, list[str]]:
    said: list[str] = []
    path = renew_bundle(Bundle.open(source), output, changes, said.append)
    return path, said


def test_its_weights_and_scores_are_the_old_ones(
    toy_copy: Path, tmp_path: Path
) -> None:
    old = record_scores(Bundle.open(toy_copy), "test", {"metrics": {"accuracy": 50.0}})
    changes = ("export.quantize=[float16]", "card.title=Letters")
    path, _ = _renew(toy_copy, tmp_path / "new", *changes)
    new = Bundle.open(path)
    assert path == tmp_path / "new" / "1"
    assert _texts(path) == _texts(toy_copy)
    assert new.variants == ("float16",)
    for key in ("metrics", "training", "data", "weights", "assets", "seed"):
        assert new.metrics[key] == old.metrics[key]
    assert new.metrics["verification"]["ok"] is True
    assert "| accuracy | 50 |" in (path / "README.md").read_text(encoding="utf-8")


def test_with_another_config_it_has_no_scores(toy_copy: Path, tmp_path: Path) -> None:
    record_scores(Bundle.open(toy_copy), "test", {"metrics": {"accuracy": 50.0}})
    path, _ = _renew(toy_copy, tmp_path / "new", "data.train=moved.txt")
    assert Bundle.open(path).metrics["metrics"] == {}
    assert Bundle.open(path).config.data.train == "moved.txt"


def test_what_only_training_uses_is_not_changed(toy_copy: Path, tmp_path: Path) -> None:
    for change in ("training.learning_rate=0.1", "seed=2", "data.validation_share=0.5"):
        with pytest.raises(UserError, match=f"--set {change}: only training uses this"):
            _renew(toy_copy, tmp_path / "new", change)
    assert not (tmp_path / "new").exists()


def test_without_the_data_it_is_verified_on_samples(
    toy_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*given: Any) -> Any:
        raise UserError("no such file")

    monkeypatch.setattr(Bundle.open(toy_copy).task, "references", missing)
    path, said = _renew(toy_copy, tmp_path / "new")
    assert "verifying with the samples only: no such file" in said
    report = json.loads((path / "metrics.json").read_text(encoding="utf-8"))
    assert report["verification"]["examples"] == 4


def test_a_changed_config_may_make_an_asset_anew(
    toy_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []

    def renewal(config: Any, before: Any) -> Any:
        asked.append((config.data.train, before.data.train))
        letters = "|zyxwvutsrqponmlkjihgfedcba"
        return lambda directory: (directory / "letters.txt").write_text(letters)

    extras = TrainingExtras(renewal=renewal)
    monkeypatch.setattr(load_training_task("toy"), "EXTRAS", extras)
    path, _ = _renew(toy_copy, tmp_path / "new", "data.train=moved.txt")
    assert asked == [("moved.txt", "letters.txt")]
    assert Bundle.open(path).load_assets().startswith("|z")
    assert Bundle.open(toy_copy).load_assets().startswith("ab")
    assert _texts(path) != _texts(toy_copy)


def test_a_change_that_the_weights_do_not_suit(toy_copy: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="weight"):
        _renew(toy_copy, tmp_path / "new", "units=5")
    assert not (tmp_path / "new").exists()


def test_what_a_bundle_is(toy_copy: Path, tmp_path: Path) -> None:
    assert is_bundle(toy_copy)
    assert is_bundle(toy_copy.parent)
    assert not is_bundle(tmp_path / "none")
    assert not is_bundle(tmp_path)
