"""Small recognizers with random weights, for tests."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest

from nlp_speech.audio.features import FrontEnd, Statistics
from nlp_speech.tasks.speech_recognition import Assets
from nlp_speech.tasks.speech_recognition.config import SpeechRecognitionConfig
from nlp_speech.tasks.speech_recognition.model import build
from nlp_speech.text.labels import Characters

RATE, HOP = 1000, 10


def config_of(**changes: Any) -> SpeechRecognitionConfig:
    """A config at 1 kHz; `changes` are sections."""
    sound = changes.get("frontend", {}).get("source") != "features"
    split = {"manifest": "m.tsv"} if sound else {"features": "f.npz"}
    values: dict[str, Any] = {
        "task": "speech_recognition",
        "data": {"train": [split], "validation": [split]},
        "frontend": {
            "sample_rate": RATE,
            "window_length": 25,
            "hop_length": HOP,
            "n_fft": 32,
            "n_mels": 6,
            "n_mfcc": 6,
        },
        "model": {"units": 8, "layers": 2, "subsampling": 2, "look_ahead": 2},
        "decoding": {"beam_size": 4, "labels_per_step": 5, "max_seconds": 10},
        "streaming": {"chunk_steps": 3},
    }
    for name, section in changes.items():
        values[name] = {**values.get(name, {}), **section}
    return SpeechRecognitionConfig.model_validate_json(json.dumps(values))


def assets_of(
    config: SpeechRecognitionConfig, rng: np.random.Generator | None = None
) -> Assets:
    """Letters as labels, and statistics of noise."""
    features, rng = config.frontend.features, rng or np.random.default_rng(1)
    statistics = Statistics(
        rng.normal(-9, 1, features).astype(np.float32),
        rng.uniform(1, 3, features).astype(np.float32),
    )
    front_end = FrontEnd(config.frontend, statistics)
    return Assets(config, Characters(" abcdefg"), front_end)


def recognizer_of(config: SpeechRecognitionConfig) -> tuple[Assets, Any]:
    """Assets, and a model whose answers differ from input to input."""
    rng = np.random.default_rng(1)
    assets = assets_of(config, rng)
    keras.utils.set_random_seed(2)
    model = build(config, assets)
    for weight in model.trainable_weights:
        spread = rng.normal(0, 0.5, weight.shape)
        weight.assign(np.asarray(weight) + spread.astype(np.float32))
    return assets, model


def sounds(*lengths: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Random sounds, padded with 0, and their lengths in samples."""
    rng = np.random.default_rng(seed)
    samples = np.zeros([len(lengths), max([20, *lengths])], np.float32)
    for row, length in enumerate(lengths):
        envelope = np.abs(np.sin(np.arange(length) / 60)) * 0.3
        samples[row, :length] = rng.normal(size=length) * envelope
    return samples, np.array(lengths, np.int32)


@pytest.fixture(scope="session")
def small() -> SimpleNamespace:
    """What makes small recognizers and sounds for them."""
    return SimpleNamespace(
        config=config_of,
        assets=assets_of,
        recognizer=recognizer_of,
        sounds=sounds,
        rate=RATE,
        hop=HOP,
    )
