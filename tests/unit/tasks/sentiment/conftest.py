"""A small classifier with random weights, and its data."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nlp_speech.tasks.sentiment import SentimentConfig

MakeConfig = Callable[..., SentimentConfig]

ROWS = [
    ("a good film", "good"),
    ("a very good film", "good"),
    ("not a bad film", "good"),
    ("not bad at all", "good"),
    ("a bad film", "bad"),
    ("a very bad film", "bad"),
    ("not a good film", "bad"),
    ("not good at all", "bad"),
]


@pytest.fixture
def make_config(tmp_path: Path) -> MakeConfig:
    """Writes rows of text and label to a table and makes a config of it."""

    def make(rows: Any = ROWS, name: str = "train", **data: Any) -> SentimentConfig:
        lines = [json.dumps({"text": t, "label": label}) + "\n" for t, label in rows]
        file = tmp_path / f"{name}.jsonl"
        file.write_text("".join(lines), encoding="utf-8")
        values = {
            "data": {
                "train": [{"file": str(file)}],
                "validation_share": 0.25,
                **data,
            },
            "tokenizer": {"vocabulary_size": 21},
            "model": {"embedding_units": 8, "units": 8, "window": 8},
        }
        return SentimentConfig.model_validate_json(json.dumps(values))

    return make
