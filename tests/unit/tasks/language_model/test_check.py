"""The look at texts without labels finds what was put there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nlp_speech.check import look_at
from nlp_speech.tasks.language_model.config import LanguageModelConfig

TRAIN = [f"text number {n} of the training set" for n in range(50)]
TEST = [f"text number {n} of the test set" for n in range(10)]


@pytest.fixture
def data(tmp_path: Path) -> dict[str, Any]:
    """A plain file for training, a table to test with."""
    (tmp_path / "train.txt").write_text("\n".join(TRAIN) + "\n", encoding="utf-8")
    (tmp_path / "test.csv").write_text("\n".join(["text", *TEST]), encoding="utf-8")
    return {
        "train": [{"file": str(tmp_path / "train.txt")}],
        "test": {"test": {"file": str(tmp_path / "test.csv")}},
    }


def look(data: dict[str, Any]) -> dict:
    config = LanguageModelConfig.model_validate_json(json.dumps({"data": data}))
    return {(f.split, f.problem): f for f in look_at(config).findings}


def test_good_texts(data: dict[str, Any]) -> None:
    assert look(data) == {}


def test_bad_texts(data: dict[str, Any], tmp_path: Path) -> None:
    lines = [*TRAIN[:9], "", TRAIN[3], "Другой текст по-русски", TEST[0]]
    (tmp_path / "train.txt").write_text("\n".join([*TRAIN, *lines]), encoding="utf-8")
    found = look(data)
    assert {key: f.count for key, f in found.items()} == {
        ("train", "have an empty text"): 1,
        ("train", "are copies of another row"): 10,
        ("train", "have a text in another script than Latin"): 1,
        ("test", "have a text of the training set (10.0%)"): 1,
    }
    place = found["train", "have a text in another script than Latin"].examples[0]
    assert place.startswith(f"{tmp_path / 'train.txt'}:62: ")


def test_what_is_excluded_cannot_leak(data: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("\n".join([*TRAIN, *TEST]), encoding="utf-8")
    [(split, problem)] = look(data)
    assert (split, problem) == ("test", "have a text of the training set (100.0%)")
    data["exclude"] = [data["test"]["test"]]
    assert look(data) == {}
