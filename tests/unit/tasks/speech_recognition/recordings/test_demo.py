"""The generated corpus."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nlp_speech.audio.decode import read_samples
from nlp_speech.data.manifests import Utterance, read_manifest
from nlp_speech.tasks.speech_recognition import demo


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> list[Utterance]:
    directory = tmp_path_factory.mktemp("corpus")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "SIZES", {"train": 40, "val": 6, "test": 6})
        demo.write_corpus(directory, 1)
    return read_manifest(directory / "manifest.tsv")


def test_splits_share_no_speaker(corpus: list[Utterance]) -> None:
    speakers = {
        split: {u.speaker for u in corpus if u.split == split}
        for split in ("train", "val", "test")
    }
    assert len(set().union(*speakers.values())) == sum(map(len, speakers.values()))
    assert set(" ".join(u.text for u in corpus).split()) == set(demo.WORDS)


def test_the_same_seed_makes_the_same_corpus(corpus: list[Utterance]) -> None:
    first = next(demo.make_corpus(1))
    again = next(demo.make_corpus(1))
    np.testing.assert_array_equal(first[1], again[1])
    assert first[1].shape != next(demo.make_corpus(2))[1].shape


def test_sounds_are_loud_enough_and_not_clipped(corpus: list[Utterance]) -> None:
    for utterance in corpus:
        samples = read_samples(Path(utterance.input), demo.SAMPLE_RATE)
        assert 0.1 < np.abs(samples).max() < 0.999
        words = len(utterance.text.split())
        assert 0.15 * words < len(samples) / demo.SAMPLE_RATE < words + 0.5


def test_vowels_have_their_formants() -> None:
    speaker = demo.Speaker("x", pitch=100, size=1, pace=2, noise=0)
    sound = demo._sound(demo.SOUNDS["iy"], speaker, np.random.default_rng(1))
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 8000))
    low, high = spectrum[200:1000].argmax() + 200, spectrum[1500:2600].argmax() + 1500
    assert low == pytest.approx(290, abs=60)
    assert high == pytest.approx(2250, abs=60)
