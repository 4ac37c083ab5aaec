"""Batches of sound: what is in them, and that they are the same whenever asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nlp_speech.audio.features import FrontEnd, Reference
from nlp_speech.audio.graph import GraphFrontEnd
from nlp_speech.audio.sections import AugmentationSection, FrontEndSection
from nlp_speech.data.sound_batches import Budget, Examples, SoundBatches, fit_frames
from nlp_speech.errors import UserError
from nlp_speech.text.flat import FlatIds

SECTION = FrontEndSection(
    sample_rate=2000, window_length=50, hop_length=20, n_fft=64, n_mels=6, f_min=0.0
)
BUDGET = Budget(frames=300, longest=60, buckets=3)
WILD = AugmentationSection(
    speed=(0.9, 1.1),
    gain=(-6.0, 6.0),
    noise=(5.0, 20.0),
    noise_probability=1.0,
    time_warp=4,
    time_masks=1,
    frequency_masks=1,
    frequency_mask_bins=3,
    feature_noise=0.1,
)


class Sounds:
    """Noise of many lengths whose labels tell its number."""

    def __init__(self, count: int = 40, longest: int = 1100) -> None:
        rng = np.random.default_rng(1)
        lengths = rng.integers(30, longest, count)
        self.rows = [rng.normal(0, 0.1, n).astype(np.float32) for n in lengths]
        self.labels = [[n + 1] * (1 + n % 3) for n in range(count)]

    def __call__(self, epoch: int) -> Examples:
        lengths = np.array([len(row) for row in self.rows])
        return Examples(lengths, FlatIds.of(self.labels), self.rows.__getitem__)


def batches(
    sounds: Any = None,
    augmentation: AugmentationSection | None = None,
    section: FrontEndSection = SECTION,
    from_samples: bool = True,
    budget: Budget = BUDGET,
) -> SoundBatches:
    front_end = GraphFrontEnd(FrontEnd(section))
    return SoundBatches(
        sounds or Sounds(), front_end, augmentation, budget, 7, from_samples
    )


def arrays(data: SoundBatches, epoch: int, start: int = 0) -> list[dict[str, Any]]:
    return [
        {name: tensor.numpy() for name, tensor in batch.items()}
        for batch in data.dataset(epoch, start)
    ]


def assert_equal(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        for name in b:
            np.testing.assert_array_equal(a[name], b[name])


def test_every_example_comes_once_with_its_features() -> None:
    sounds, data = Sounds(), batches()
    reference = Reference(FrontEnd(SECTION))
    seen = []
    found = arrays(data, 0)
    assert len(found) == data.batches(0)
    for batch in found:
        assert batch["features"].dtype == np.float32
        assert {batch[n].dtype for n in batch if n != "features"} == {np.dtype("int32")}
        for row in range(len(batch["features"])):
            frames, labels = batch["feature_lengths"][row], batch["target_lengths"][row]
            assert not batch["features"][row, frames:].any()
            assert not batch["target"][row, labels:].any()
            if not labels:
                assert not frames
                continue
            number = int(batch["target"][row, 0]) - 1
            seen.append(number)
            assert batch["target"][row, :labels].tolist() == sounds.labels[number]
            expected = reference(sounds.rows[number])
            np.testing.assert_allclose(
                batch["features"][row, :frames], expected, atol=1e-3
            )
    assert sorted(seen) == list(range(40))


def test_shapes_are_few_and_hold_the_budget() -> None:
    data = batches(augmentation=WILD)
    shapes = {
        (s.rows, s.source_length, SECTION.n_mels): s.target_length for s in data.shapes
    }
    assert len(shapes) <= 3
    for epoch in range(3):
        for batch in arrays(data, epoch):
            assert batch["target"].shape[1] == shapes[batch["features"].shape]
            rows, frames, _ = batch["features"].shape
            assert rows * frames <= 300


@pytest.mark.parametrize("augmentation", [None, WILD])
def test_a_batch_is_the_same_whenever_it_is_asked_for(
    augmentation: AugmentationSection | None,
) -> None:
    whole = arrays(batches(augmentation=augmentation), 2)
    data = batches(augmentation=augmentation)
    assert_equal(arrays(data, 0), arrays(data, 0))
    assert_equal(arrays(data, 2, 3), whole[3:])
    assert_equal(arrays(data, 2), whole)


def test_epochs_differ() -> None:
    for augmentation in (None, WILD):
        data = batches(augmentation=augmentation)
        first, second = arrays(data, 0), arrays(data, 1)
        order = [b["target"].ravel().tolist() for b in first]
        assert order != [b["target"].ravel().tolist() for b in second]


def test_augmentation_changes_features_and_keeps_padding() -> None:
    plain, wild = arrays(batches(), 0), arrays(batches(augmentation=WILD), 0)
    lengths = [
        sorted(np.concatenate([b["feature_lengths"] for b in d])) for d in (plain, wild)
    ]
    assert lengths[0] != lengths[1]
    for batch in wild:
        assert np.isfinite(batch["features"]).all()
        for row, length in enumerate(batch["feature_lengths"]):
            assert not batch["features"][row, length:].any()


def test_features_need_no_samples() -> None:
    section = FrontEndSection(
        source="features", n_mfcc=5, deltas=1, normalization="utterance"
    )
    rng = np.random.default_rng(2)
    rows = [rng.normal(3, 2, [n, 5]).astype(np.float32) for n in range(10, 50)]
    labels = [[n + 1] for n in range(40)]

    def examples(epoch: int) -> Examples:
        lengths = np.array([len(row) for row in rows])
        return Examples(lengths, FlatIds.of(labels), rows.__getitem__)

    reference = Reference(FrontEnd(section))
    data = batches(examples, section=section, from_samples=False)
    for batch in arrays(data, 0):
        for row, length in enumerate(batch["feature_lengths"]):
            if length:
                number = int(batch["target"][row, 0]) - 1
                found = batch["features"][row, :length]
                np.testing.assert_allclose(
                    found, reference.finish(rows[number]), atol=1e-4
                )


def test_what_is_too_long_is_left_out() -> None:
    budget = Budget(frames=300, longest=30, buckets=3)
    data = batches(budget=budget)
    lengths = np.array([len(row) // 20 for row in Sounds().rows])
    assert data.left_out(0) == (lengths > 30).sum() > 0
    count = sum((b["target_lengths"] > 0).sum() for b in arrays(data, 0))
    assert count == (lengths <= 30).sum()
    with pytest.raises(UserError, match=r"longer than 0\.01 s; raise batch\.max_sec"):
        batches(budget=Budget(300, 1, 3), sounds=Sounds(5, 1100))
    with pytest.raises(UserError, match="no utterance can be aligned"):
        batches(budget=budget, sounds=Sounds(0, 1100))


def test_shapes_waste_less_with_more_buckets() -> None:
    frames = np.random.default_rng(1).integers(5, 200, 500)
    labels = frames // 10 + 1
    padded = []
    for buckets in (1, 2, 4, 8):
        shapes = fit_frames(frames, labels, Budget(2000, 200, buckets))
        assert len(shapes) <= buckets
        assert shapes[-1].source_length >= 200
        tops = np.array([s.source_length for s in shapes])
        padded.append(tops[np.searchsorted(tops, frames)].sum())
    assert padded == sorted(padded, reverse=True)
    assert padded[-1] < 1.15 * frames.sum()
