"""A few clips and a small config."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from nlp_speech.tasks.speech_recognition.config import SpeechRecognitionConfig

RATE = 2000
TEXTS = ["ab", "b a", "a", "bb", "ab ab", "ba"]


def write_clip(path: Path, number: int, seconds: float = 0.6) -> None:
    times = np.arange(round(RATE * seconds)) / RATE
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * (100 + 50 * number) * times), RATE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six clips: four of ann and bob to train on, two of eve."""
    rows = ["path\ttranscript\tspeaker\tsplit"]
    for n, text in enumerate(TEXTS):
        write_clip(tmp_path / f"{n}.wav", n)
        who = ("ann", "bob", "ann", "bob", "eve", "eve")[n]
        rows.append(f"{n}.wav\t{text}\t{who}\t{'train' if n < 4 else 'test'}")
    (tmp_path / "m.tsv").write_text("\n".join(rows) + "\n")
    return tmp_path


@pytest.fixture
def values(folder: Path) -> dict[str, Any]:
    manifest = str(folder / "m.tsv")
    return {
        "data": {
            "train": [{"manifest": manifest, "split": "train"}],
            "validation": [{"manifest": manifest, "split": "test"}],
        },
        "frontend": {
            "sample_rate": RATE,
            "window_length": 50,
            "hop_length": 20,
            "n_fft": 64,
            "n_mels": 6,
            "f_min": 0.0,
        },
        "model": {"units": 8, "layers": 1, "subsampling": 2},
        "batch": {"seconds": 3.0, "max_seconds": 2.0, "buckets": 2},
    }


@pytest.fixture
def config(values: dict[str, Any]) -> SpeechRecognitionConfig:
    return SpeechRecognitionConfig.model_validate_json(json.dumps(values))
