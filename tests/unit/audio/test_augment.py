"""Augmentation: what it promises about length, pitch, loudness and chance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from nlp_speech.audio.augment import (
    Changes,
    add_noise,
    add_reverb,
    change,
    change_speed,
    change_tempo,
    draw_changes,
)
from nlp_speech.audio.sections import AugmentationSection
from nlp_speech.audio.spec_augment import Masks, apply_masks

RATE = 16_000
ALL = AugmentationSection(
    speed=(0.9, 1.0, 1.1),
    tempo=(0.8, 1.2),
    gain=(-6.0, 6.0),
    noise=(0.0, 20.0),
    reverb=(0.1, 0.4),
    time_warp=5,
    time_masks=2,
    frequency_masks=2,
)


def tone(hertz: float, seconds: float = 1.0) -> np.ndarray:
    times = np.arange(round(RATE * seconds)) / RATE
    return (0.3 * np.sin(2 * np.pi * hertz * times)).astype(np.float32)


def pitch(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 1 << 17))
    return float(spectrum.argmax()) * RATE / (1 << 17)


@pytest.mark.parametrize("factor", [0.8, 0.9, 1.1, 1.25])
def test_speed_moves_the_pitch(factor: float) -> None:
    found = change_speed(tone(400), factor)
    assert len(found) == round(RATE / factor)
    assert pitch(found) == pytest.approx(400 * factor, rel=2e-3)


@pytest.mark.parametrize("hertz", [130, 400, 2000])
@pytest.mark.parametrize("factor", [0.75, 0.9, 1.1, 1.3])
def test_tempo_keeps_pitch_and_loudness(factor: float, hertz: float) -> None:
    found = change_tempo(tone(hertz), factor, RATE)
    assert len(found) == round(RATE / factor)
    assert pitch(found) == pytest.approx(hertz, rel=1e-2)
    middle = found[2000:-2000]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.3 / np.sqrt(2), rel=0.05)


def test_tempo_moves_events() -> None:
    clicks = np.zeros(RATE, np.float32)
    clicks[4000:4200] = clicks[12000:12200] = 0.5
    found = np.abs(change_tempo(clicks, 0.8, RATE))
    loud = np.flatnonzero(found > 0.2)
    assert loud[0] == pytest.approx(4000 / 0.8, abs=400)
    assert loud[-1] == pytest.approx(12200 / 0.8, abs=400)


@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_tempo_keeps_beginning_and_end(factor: float) -> None:
    found = change_tempo(np.full(RATE, 0.1, np.float32), factor, RATE)
    np.testing.assert_allclose(found, 0.1, atol=1e-3)
    click = np.zeros(RATE, np.float32)
    click[160:180] = 0.5
    loud = np.flatnonzero(np.abs(change_tempo(click, factor, RATE)) > 0.2)
    assert loud[0] == pytest.approx(160 / factor, abs=170)


@pytest.mark.parametrize("seconds", [1.0, 1.0625, 2.0625, 5.0])
@pytest.mark.parametrize("ratio", [0.0, 10.0, 30.0])
def test_noise_has_its_level(ratio: float, seconds: float) -> None:
    clean = tone(500, seconds)
    noise = add_noise(clean, ratio, np.random.default_rng(1)) - clean
    found = 10 * np.log10(np.mean(clean**2) / np.mean(noise**2))
    assert found == pytest.approx(ratio, abs=0.02)


def test_noise_in_silence_is_silence() -> None:
    for size in (0, 100):
        found = add_noise(np.zeros(size, np.float32), 5, np.random.default_rng(1))
        np.testing.assert_array_equal(found, np.zeros(size))


def test_reverb_goes_on_and_dies_away() -> None:
    click = np.zeros(RATE, np.float32)
    click[1000] = 0.5
    found = add_reverb(click, 0.3, RATE, np.random.default_rng(1))
    assert np.abs(found).argmax() == 1000
    assert not found[:990].any() or np.abs(found[:990]).max() < 1e-6
    early, late = found[1100:2000], found[5000:5700]
    assert 10 * np.log10(np.mean(early**2) / np.mean(late**2)) > 30
    assert np.mean(found**2) == pytest.approx(np.mean(click**2), rel=1e-3)


def test_gain_is_in_decibels() -> None:
    samples = tone(300)
    found = change(samples, Changes(gain=-6), RATE)
    np.testing.assert_allclose(found, samples * 10**-0.3, rtol=1e-5)


@given(size=st.integers(0, 3000), seed=st.integers(0, 1000))
def test_the_length_is_known_before(size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    changes = draw_changes(rng, ALL)
    samples = rng.normal(0, 0.1, size).astype(np.float32)
    found = change(samples, changes, RATE)
    assert found.dtype == np.float32
    assert len(found) == changes.length(size)
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found, change(samples, changes, RATE))


def test_nothing_asked_changes_nothing() -> None:
    changes = draw_changes(np.random.default_rng(1), AugmentationSection())
    samples = tone(100)
    np.testing.assert_array_equal(change(samples, changes, RATE), samples)


@pytest.mark.parametrize(
    "values",
    [
        {"speed": (0.1,)},
        {"tempo": (1.2, 0.8)},
        {"tempo": (0.5, 3.0)},
        {"reverb": (0.0, 1.0)},
        {"noise_probability": 2.0},
    ],
)
def test_impossible_augmentation_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        AugmentationSection(**values)


# Masks


def test_masks_cover_what_they_may() -> None:
    section = AugmentationSection(
        time_masks=2,
        time_mask_frames=10,
        time_mask_share=0.2,
        frequency_masks=1,
        frequency_mask_bins=4,
    )
    blanked, bins = [], []
    for seed in range(200):
        masks = Masks.none(2, 60, 16)
        masks.draw(1, 40, section, np.random.default_rng(seed))
        assert masks.times[0].all()
        assert masks.times[1, 40:].all()
        blanked.append(int((masks.times[1] == 0).sum()))
        bins.append(int((masks.bins[1] == 0).sum()))
    assert max(blanked) <= 16
    assert max(blanked) > 10
    assert (min(bins), max(bins)) == (0, 4)


def test_masks_and_warps_are_applied() -> None:
    features = np.arange(24, dtype=np.float32).reshape(1, 6, 4)
    masks = Masks.none(1, 6, 4)
    same = apply_masks(tf.constant(features), masks.places, masks.times, masks.bins)
    np.testing.assert_array_equal(same, features)
    masks.places[0] = [0, 0.5, 1, 2, 3.25, 5]
    masks.times[0, 2] = masks.bins[0, 1] = 0
    found = apply_masks(tf.constant(features), masks.places, masks.times, masks.bins)
    expected = features[0, [0, 0, 1, 2, 3, 5]]
    expected[1] += 2
    expected[4] += 1
    expected[2] = expected[:, 1] = 0
    np.testing.assert_allclose(found[0], expected)


@given(length=st.integers(0, 60), seed=st.integers(0, 100))
def test_a_warp_keeps_order_and_ends(length: int, seed: int) -> None:
    masks = Masks.none(1, 60, 4)
    section = AugmentationSection(time_warp=10)
    masks.draw(0, length, section, np.random.default_rng(seed))
    places = masks.places[0]
    assert (np.diff(places) >= 0).all()
    np.testing.assert_array_equal(places[length:], np.arange(length, 60))
    if length:
        assert (places[0], places[length - 1]) == (0, length - 1)
