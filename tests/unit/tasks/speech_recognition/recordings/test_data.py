"""Preparation and batches of recordings, good and bad."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nlp_speech.errors import UserError
from nlp_speech.tasks.speech_recognition import load_assets
from nlp_speech.tasks.speech_recognition.config import SpeechRecognitionConfig
from nlp_speech.tasks.speech_recognition.data import prepare, training_data


def parse(values: dict[str, Any]) -> SpeechRecognitionConfig:
    return SpeechRecognitionConfig.model_validate_json(json.dumps(values))


def learn(config: SpeechRecognitionConfig, directory: Path) -> Any:
    prepare(config, directory)
    return load_assets(config, directory)


def features_of(
    config: SpeechRecognitionConfig, assets: Any, split: str = "train", epoch: int = 0
) -> dict[tuple[int, ...], np.ndarray]:
    """The features of each example, by its labels."""
    found = {}
    for batch in training_data(config, assets, split).dataset(epoch):
        rows = zip(*(batch[n].numpy() for n in sorted(batch)), strict=True)
        for length, features, target, labels in rows:
            if length:
                found[tuple(target[:labels].tolist())] = features[:length]
    return found


def test_what_is_learned(config: SpeechRecognitionConfig, tmp_path: Path) -> None:
    assets = learn(config, tmp_path / "assets")
    assert assets.labels.symbols == ("", " ", "a", "b")
    report = json.loads((tmp_path / "assets" / "data.json").read_text())
    assert report == {"utterances": 4, "bad": 0, "hours": pytest.approx(0.001)}
    assert (assets.front_end.statistics.deviation > 0).all()
    found = features_of(config, assets)
    # ab, b a, a, bb
    assert set(found) == {(2, 3), (3, 1, 2), (2,), (3, 3)}
    assert {len(f) for f in found.values()} == {60}


def test_global_normalization_centres_the_training_set(
    values: dict[str, Any], tmp_path: Path
) -> None:
    values["frontend"]["normalization"] = "global"
    config = parse(values)
    found = features_of(config, learn(config, tmp_path / "assets"))
    rows = np.concatenate(list(found.values()))
    np.testing.assert_allclose(rows.mean(0), 0, atol=0.02)
    np.testing.assert_allclose(rows.std(0), 1, atol=0.02)


def test_samples_memory_and_cache_give_like_features(
    values: dict[str, Any], tmp_path: Path
) -> None:
    config = parse(values)
    assets = learn(config, tmp_path / "assets")
    expected = features_of(config, assets)
    values["data"]["cache"] = str(tmp_path / "cache")
    cached = parse(values)
    for _ in range(2):
        found = features_of(cached, assets)
        for key, value in expected.items():
            np.testing.assert_array_equal(found[key], value)
    assert len(list((tmp_path / "cache").rglob("*.npy"))) == 4
    # Augmentation that does nothing takes the way of samples.
    values["augmentation"] = {"speed": [1.0]}
    found = features_of(parse(values), assets)
    for key, value in expected.items():
        np.testing.assert_allclose(found[key], value, atol=0.05)


def test_strings_are_drawn_anew(values: dict[str, Any], tmp_path: Path) -> None:
    join = {"count": 6, "clips": [2, 2], "pause": [0.0, 0.1], "fresh": True}
    values["data"]["train"][0]["join"] = join
    config = parse(values)
    assets = learn(config, tmp_path / "assets")
    epochs = [features_of(config, assets, epoch=n) for n in (0, 1, 0)]
    lengths = [sorted(len(f) for f in epoch.values()) for epoch in epochs]
    assert lengths[0] == lengths[2] != lengths[1]


def test_pieces_are_labels_too(values: dict[str, Any], tmp_path: Path) -> None:
    values["vocabulary"] = {"kind": "pieces", "size": 16}
    config = parse(values)
    with pytest.raises(UserError, match=r"vocabulary\.size"):
        prepare(config, tmp_path / "assets")


def spoil(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_bytes(path.read_bytes()[:600])
    return path


def test_a_bad_file_is_named_with_its_row(
    config: SpeechRecognitionConfig, folder: Path, tmp_path: Path
) -> None:
    path = spoil(folder, "2.wav")
    with pytest.raises(UserError) as caught:
        prepare(config, tmp_path / "assets")
    message = str(caught.value)
    assert message.startswith(f"{folder / 'm.tsv'}:4: {path}: ")
    assert "data.skip_bad" in message


def test_bad_files_are_skipped_only_when_asked(
    values: dict[str, Any], folder: Path, tmp_path: Path
) -> None:
    spoil(folder, "2.wav")
    values["data"]["skip_bad"] = True
    config = parse(values)
    assets = learn(config, tmp_path / "assets")
    report = json.loads((tmp_path / "assets" / "data.json").read_text())
    assert (report["utterances"], report["bad"]) == (3, 1)
    assert len(features_of(config, assets)) == 3


def test_bad_rows_are_skipped_only_when_asked(
    values: dict[str, Any],
    folder: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    manifest = folder / "m.tsv"
    manifest.write_text(manifest.read_text() + "7.wav\tab\n")
    with pytest.raises(UserError, match=r"m\.tsv:8: there are 2 columns"):
        prepare(parse(values), tmp_path / "assets")
    values["data"]["skip_bad"] = True
    config = parse(values)
    assets = learn(config, tmp_path / "assets")
    report = json.loads((tmp_path / "assets" / "data.json").read_text())
    assert (report["utterances"], report["bad"]) == (4, 1)
    assert len(features_of(config, assets)) == 4
    told = [m for m in caplog.messages if m.startswith(f"left out: {manifest}:8: ")]
    assert len(told) == 2  # once to learn from the data, once to train on them


@pytest.mark.parametrize("skip", [False, True])
def test_bad_rows_of_features(
    values: dict[str, Any], tmp_path: Path, skip: bool
) -> None:
    frames = np.random.default_rng(1).normal(size=[60, 4])
    frames[25] = np.nan
    np.savez(
        tmp_path / "f.npz",
        frames=frames,
        lengths=[20, 20, 20],
        transcript=["ab", "b", "ba"],
        utt=["1", "2", "3"],
    )
    part = {"features": str(tmp_path / "f.npz")}
    values["data"] = {"train": [part], "validation": [part], "skip_bad": skip}
    values["frontend"] = {"source": "features", "n_mfcc": 4}
    config = parse(values)
    if not skip:
        with pytest.raises(UserError, match=r"f\.npz: utterance 1 "):
            prepare(config, tmp_path / "assets")
        return
    learn(config, tmp_path / "assets")
    report = json.loads((tmp_path / "assets" / "data.json").read_text())
    assert (report["utterances"], report["bad"]) == (2, 1)


def test_what_cannot_be_aligned_is_left_out(
    values: dict[str, Any], folder: Path, tmp_path: Path
) -> None:
    manifest = folder / "m.tsv"
    text = manifest.read_text().replace("\tbb\t", f"\t{'b' * 16}\t")
    manifest.write_text(text)
    config = parse(values)
    found = features_of(config, learn(config, tmp_path / "assets"))
    assert len(found) == 3
    assert max(map(len, found)) == 3
