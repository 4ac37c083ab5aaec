"""A translation experiment that trains in seconds."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from nlp_speech.tasks.translation import TranslationConfig

ENGLISH = "one two three four five six seven eight nine ten red green blue old new"
GERMAN = "eins zwei drei vier fünf sechs sieben acht neun zehn rot grün blau alt neu"
WORDS = list(zip(ENGLISH.split(), GERMAN.split(), strict=True))


def write_pairs(directory: Path, name: str, count: int, seed: int) -> dict[str, str]:
    rng = random.Random(seed)
    rows = [rng.choices(WORDS, k=rng.randint(1, 6)) for _ in range(count)]
    for side, suffix in enumerate(("en", "de")):
        lines = [" ".join(word[side] for word in row) + "\n" for row in rows]
        (directory / f"{name}.{suffix}").write_text("".join(lines), encoding="utf-8")
    return {
        "source": str(directory / f"{name}.en"),
        "target": str(directory / f"{name}.de"),
    }


@pytest.fixture
def small_values(tmp_path: Path) -> dict[str, Any]:
    """The values of a small config, and its data in `tmp_path`."""
    return {
        "data": {
            "source_language": "en",
            "target_language": "de",
            "train": [write_pairs(tmp_path, "train", 120, 1)],
            "validation": write_pairs(tmp_path, "val", 12, 2),
            "test": {"held_out": write_pairs(tmp_path, "test", 12, 3)},
        },
        "tokenizer": {"vocabulary_size": 50},
        "model": {"embedding_units": 16, "units": 16},
        "batch": {"tokens": 120, "max_length": 40, "buckets": 3},
        "training": {
            "updates": 12,
            "warmup_updates": 2,
            "learning_rate": 0.01,
            "evaluate_every": 4,
            "average_best": 2,
        },
        "decoding": {"beam_size": 2, "max_source_length": 30},
    }


@pytest.fixture
def small_config(small_values: dict[str, Any]) -> TranslationConfig:
    """A config that trains in seconds."""
    import json

    return TranslationConfig.model_validate_json(json.dumps(small_values))
