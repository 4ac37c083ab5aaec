"""What `check --listen` lets hear and see is what the training gets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from nlp_speech.audio.decode import read_samples
from nlp_speech.console import write_previews
from nlp_speech.data.sound_store import quantized, restored
from nlp_speech.tasks.speech_recognition import load_assets
from nlp_speech.tasks.speech_recognition.config import SpeechRecognitionConfig
from nlp_speech.tasks.speech_recognition.data import prepare, training_data
from nlp_speech.tasks.speech_recognition.preview import previews


def test_the_preview_is_the_first_epoch(
    values: dict[str, Any], tmp_path: Path, folder: Path
) -> None:
    values["augmentation"] = {
        "speed": [0.9, 1.1],
        "gain": [-6, 6],
        "noise": [10, 10],
        "noise_probability": 1,
        "time_masks": 1,
        "frequency_masks": 1,
        "frequency_mask_bins": 3,
    }
    values["frontend"]["normalization"] = "utterance"
    config = SpeechRecognitionConfig.model_validate_json(json.dumps(values))
    shown = list(previews(config, 4))
    assert len(shown) == 4
    before = read_samples(folder / "0.wav", config.frontend.sample_rate)
    np.testing.assert_array_equal(shown[0][0].samples, before)
    assert np.abs(restored(quantized(before)) - before).max() < 1e-4
    prepare(config, tmp_path / "assets")
    assets = load_assets(config, tmp_path / "assets")
    trained = [
        features[:length]
        for batch in training_data(config, assets, "train").dataset(0)
        for features, length in zip(
            batch["features"].numpy(), batch["feature_lengths"].numpy(), strict=True
        )
    ]
    for _, after in shown:
        assert (after.features == 0).mean() > 0
        likeness = [
            np.corrcoef(features.ravel(), after.features.ravel())[0, 1]
            for features in trained
            if np.array_equal(features == 0, after.features == 0)
        ]
        assert max(likeness) > 0.99


def test_files_are_written(values: dict[str, Any], tmp_path: Path) -> None:
    values["augmentation"] = {"speed": [0.5]}
    config = SpeechRecognitionConfig.model_validate_json(json.dumps(values))
    write_previews(config, tmp_path / "out", 2)
    names = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert names == [
        *("1.png", "1_after.wav", "1_before.wav"),
        *("2.png", "2_after.wav", "2_before.wav"),
    ]
    sizes = [soundfile.info(tmp_path / "out" / name).frames for name in names[1:3]]
    assert sizes[0] == 2 * sizes[1]
