"""What all tests share."""

from __future__ import annotations

import gc
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from nlp_speech.tasks.translation import TranslationConfig

# Deadlines measure the machine, which is shared; in CI every run
# tries the same examples.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "local"))

# TensorFlow reads this when it is first imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

ENGLISH = "one two three four five six seven eight nine ten red green blue old new"
GERMAN = "eins zwei drei vier fünf sechs sieben acht neun zehn rot grün blau alt neu"
WORDS = list(zip(ENGLISH.split(), GERMAN.split(), strict=True))


@pytest.fixture(scope="module", autouse=True)
def _freed() -> Iterator[None]:
    """Graphs hold each other until they are looked for: all tests would take 18 GB."""
    yield
    gc.collect()


def _write_pairs(directory: Path, name: str, count: int, seed: int) -> dict[str, str]:
    rng = random.Random(seed)
    rows = [rng.choices(WORDS, k=rng.randint(1, 6)) for _ in range(count)]
    for side, suffix in enumerate(("en", "de")):
        lines = [" ".join(word[side] for word in row) + "\n" for row in rows]
        (directory / f"{name}.{suffix}").write_text("".join(lines), encoding="utf-8")
    return {
        "source": str(directory / f"{name}.en"),
        "target": str(directory / f"{name}.de"),
    }


def _small_values(directory: Path) -> dict[str, Any]:
    return {
        "data": {
            "source_language": "en",
            "target_language": "de",
            "train": [_write_pairs(directory, "train", 120, 1)],
            "validation": _write_pairs(directory, "val", 12, 2),
            "test": {"held_out": _write_pairs(directory, "test", 12, 3)},
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
def small_values(tmp_path: Path) -> dict[str, Any]:
    """The values of a translation config that trains in seconds; data in `tmp_path`."""
    return _small_values(tmp_path)


@pytest.fixture(scope="session")
def shared_values(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The same values for the whole session, and data that no test may change."""
    return _small_values(tmp_path_factory.mktemp("shared_data"))


@pytest.fixture
def small_config(small_values: dict[str, Any]) -> TranslationConfig:
    """A translation config that trains in seconds."""
    return TranslationConfig.model_validate_json(json.dumps(small_values))
