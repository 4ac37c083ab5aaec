"""Speech of TensorFlow Datasets, with a stand-in for the library."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nlp_speech.audio.decode import read_samples
from nlp_speech.data.manifests import read_manifest
from nlp_speech.data.tfds import manifest_of
from nlp_speech.errors import UserError
from nlp_speech.tasks.speech_recognition.config import SplitSection
from nlp_speech.tasks.speech_recognition.utterances import utterances

RATE = 8000


class Labels:
    """A feature whose values are numbers of names."""

    def int2str(self, number: int) -> str:
        return ["yes", "no"][number]


def examples(count: int) -> Iterator[dict[str, Any]]:
    for n in range(count):
        samples = np.arange(RATE // 10, dtype=np.int64) * (n + 1)
        yield {
            "speech": samples,
            "text": f"Wörter {n}".encode(),
            "speaker_id": np.int64(n // 2),
            "label": n % 2,
        }


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SimpleNamespace:
    """A library with one data set, `words`, that counts how often it is asked."""
    features = {
        "speech": SimpleNamespace(sample_rate=RATE),
        "text": SimpleNamespace(),
        "speaker_id": SimpleNamespace(),
        "label": Labels(),
    }
    asked: list[str] = []

    def dataset(split: str) -> Iterator[dict[str, Any]]:
        if split == "none":
            raise ValueError("Unknown split 'none'.\nMore.")
        asked.append(split)
        return examples(3)

    def builder(name: str, data_dir: str) -> SimpleNamespace:
        if name != "words":
            raise RuntimeError(f"Dataset {name} not found")
        return SimpleNamespace(
            info=SimpleNamespace(features=features),
            download_and_prepare=lambda: None,
            as_dataset=dataset,
        )

    fake = SimpleNamespace(builder=builder, as_numpy=iter, asked=asked)
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", fake)
    monkeypatch.setenv("NLP_SPEECH_DATA", str(tmp_path))
    fake.features = features
    return fake


def test_a_split_becomes_a_manifest_once(library: SimpleNamespace) -> None:
    section = SplitSection(manifest="tfds:words", split="train[:10%]")
    found = utterances(section)
    assert [u.text for u in found] == ["Wörter 0", "Wörter 1", "Wörter 2"]
    assert [u.speaker for u in found] == ["0", "0", "1"]
    samples = read_samples(Path(found[1].input), RATE)
    np.testing.assert_allclose(samples * 32768, np.arange(800) * 2)
    assert utterances(section) == found
    assert library.asked == ["train[:10%]"]


def test_labels_are_named(library: SimpleNamespace) -> None:
    path = manifest_of("tfds:words", "test", "label")
    assert [u.text for u in read_manifest(path)] == ["yes", "no", "yes"]


def test_what_fails_is_a_sentence_and_leaves_nothing(
    library: SimpleNamespace, tmp_path: Path
) -> None:
    for source, split, words in (
        ("tfds:words", None, "give its split"),
        ("tfds:words", "none", r"split 'none' \(Unknown split 'none'.\)"),
        ("tfds:others", "train", "others not found"),
    ):
        with pytest.raises(UserError, match=words):
            manifest_of(source, split, "transcript")
    del library.features["speech"]
    with pytest.raises(UserError, match="no sound in its features"):
        manifest_of("tfds:words", "train", "transcript")
    assert not list(tmp_path.rglob("*.flac"))
    assert not list(tmp_path.rglob("manifest.jsonl"))


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(UserError, match="pip install tensorflow-datasets"):
        manifest_of("tfds:librispeech", "train", "transcript")
