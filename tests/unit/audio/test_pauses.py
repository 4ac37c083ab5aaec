"""Long sounds are cut where they are quiet, and nowhere else."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from nlp_speech.audio.decode import read_samples, read_stretch
from nlp_speech.audio.inputs import part_of, read_sound, split_part
from nlp_speech.audio.pauses import cut_at_pauses
from nlp_speech.errors import UserError

RATE = 1000


def speech(*loud: tuple[float, float], seconds: float) -> np.ndarray:
    """Faint noise, and a louder one between the given times."""
    rng = np.random.default_rng(1)
    level = np.full(round(seconds * RATE), 1e-3)
    for begin, end in loud:
        level[round(begin * RATE) : round(end * RATE)] = 0.2
    return (rng.normal(size=len(level)) * level).astype(np.float32)


def test_cuts_lie_in_pauses() -> None:
    samples = speech((0, 7), (7.6, 12), (12.5, 19), (19.6, 24), seconds=24)
    pieces = cut_at_pauses([samples], RATE, 10)
    assert len(pieces) == 4
    assert 7.0 <= pieces[0][1] <= 7.6
    assert 12.0 <= pieces[1][1] <= 12.5
    assert 19.0 <= pieces[2][1] <= 19.6
    assert pieces[-1][1] == 24


def test_the_clock_of_odd_rates_is_right() -> None:
    """At 11,025 Hz 20 ms are 220.5 samples; a tenth of the time is quiet."""
    rate, seconds = 11025, 300
    quiet = np.arange(rate * seconds) % (5 * rate) < rate // 2
    noise = np.random.default_rng(1).normal(size=len(quiet))
    samples = np.where(quiet, 1e-3, 0.2) * noise
    pieces = cut_at_pauses([samples.astype(np.float32)], rate, 10)
    assert len(pieces) > 30
    assert all(end % 5 < 0.5 for _, end in pieces[:-1])


@given(
    st.integers(0, 30 * RATE),
    st.floats(1, 9),
    st.lists(st.integers(1, 7000), max_size=9),
)
@settings(max_examples=40)
def test_pieces_are_the_whole(size: int, longest: float, cuts: list[int]) -> None:
    samples = np.random.default_rng(size).normal(size=size).astype(np.float32)
    blocks = np.split(samples, sorted(min(c, size) for c in cuts))
    pieces = cut_at_pauses(blocks, RATE, longest)
    assert pieces[0][0] == 0
    assert pieces[-1][1] == size / RATE
    assert all(a[1] == b[0] for a, b in pairwise(pieces))
    lengths = [end - begin for begin, end in pieces]
    assert max(lengths) <= longest + 1e-9
    assert min(lengths[:-1], default=longest) >= longest / 2 - 0.05
    # How the sound came in changes nothing.
    assert pieces == cut_at_pauses([samples], RATE, longest)


def test_silence_is_cut_into_the_longest_pieces() -> None:
    pieces = cut_at_pauses([np.zeros(20 * RATE, np.float32)], RATE, 8)
    assert [round(end, 2) for _, end in pieces] == [7.98, 15.96, 20]


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
@pytest.mark.parametrize("rate", [16_000, 22_050])
def test_a_stretch_is_a_part_of_the_whole(
    tmp_path: Path, suffix: str, rate: int
) -> None:
    path = tmp_path / f"a{suffix}"
    times = np.arange(6 * rate) / rate
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * (200 + 40 * times) * times), rate)
    whole = read_samples(path, 16_000)
    stretch = read_stretch(path, 16_000, 2.5, 4.25)
    assert abs(len(stretch) - 28_000) <= 1
    # The ends ring where the rate is changed, and lossy files where they are entered.
    middle = slice(2000, 26_000)
    error = np.abs(stretch[middle] - whole[40_000:][middle]).max()
    assert error < (0.02 if suffix in (".ogg", ".mp3") else 1e-3)
    assert len(read_stretch(path, 16_000, 5.5, 9)) <= 8000 + 2000
    assert len(read_stretch(path, 16_000, 50, 51)) == 0
    given = part_of(path, 2.5, 4.25)
    assert split_part(given) == (path, 2.5, 4.25)
    np.testing.assert_array_equal(read_sound(given, 16_000), stretch)
    assert len(read_sound(given, 16_000, max_seconds=1)) == 16_000


@pytest.mark.parametrize("given_part", ["part:1:x", "part:2:1:a.wav", "part:a:b:c"])
def test_a_part_that_is_none(given_part: str) -> None:
    with pytest.raises(UserError, match="part:BEGIN:END:FILE"):
        read_sound(given_part, 16_000)
