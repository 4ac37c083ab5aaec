"""Sound files of every kind, whole, damaged and odd."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from nlp_speech.audio import decode
from nlp_speech.audio.decode import (
    read_samples,
    sample_blocks,
    sound_info,
    write_samples,
)
from nlp_speech.errors import UserError

FORMATS = [
    ("wav", "PCM_U8", 2e-2),
    ("wav", "PCM_16", 1e-4),
    ("wav", "PCM_24", 1e-6),
    ("wav", "PCM_32", 1e-6),
    ("wav", "FLOAT", 1e-7),
    ("wav", "DOUBLE", 1e-7),
    ("flac", "PCM_16", 1e-4),
    ("aiff", "PCM_16", 1e-4),
]


def write(path: Path, samples: np.ndarray, rate: int = 16000, **options: Any) -> Path:
    soundfile.write(path, samples, rate, **options)
    return path


@pytest.mark.parametrize(("suffix", "subtype", "error"), FORMATS)
def test_lossless_formats(
    tmp_path: Path, sound: np.ndarray, suffix: str, subtype: str, error: float
) -> None:
    path = write(tmp_path / f"a.{suffix}", sound, subtype=subtype)
    found = read_samples(path, 16000)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, sound, atol=error)


@pytest.mark.parametrize(
    ("suffix", "subtype"), [("ogg", "VORBIS"), ("ogg", "OPUS"), ("mp3", None)]
)
def test_lossy_formats(
    tmp_path: Path, sound: np.ndarray, suffix: str, subtype: str | None
) -> None:
    path = write(tmp_path / f"a.{suffix}", sound, subtype=subtype)
    found = read_samples(path, 16000)
    assert abs(len(found) - len(sound)) < 2500
    # MP3 begins late; the loudness is what is kept.
    assert np.sqrt(np.mean(found**2)) == pytest.approx(
        np.sqrt(np.mean(sound**2)), rel=0.1
    )


@pytest.mark.parametrize("channels", [2, 6])
def test_channels_are_averaged(
    tmp_path: Path, sound: np.ndarray, channels: int
) -> None:
    factors = np.arange(channels) / channels
    path = write(tmp_path / "a.wav", sound[:, None] * factors, subtype="FLOAT")
    expected = sound * factors.mean()
    np.testing.assert_allclose(read_samples(path, 16000), expected, atol=1e-6)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000])
def test_resampling_is_librosas(tmp_path: Path, sound: np.ndarray, rate: int) -> None:
    path = write(tmp_path / "a.wav", sound, rate, subtype="FLOAT")
    found = read_samples(path, 16000)
    expected = librosa.resample(
        sound, orig_sr=rate, target_sr=16000, res_type="soxr_vhq"
    )
    assert abs(len(found) - len(expected)) <= 1
    count = min(len(found), len(expected))
    np.testing.assert_allclose(found[:count], expected[:count], atol=1e-4)


def test_blocks_are_the_whole_in_bounded_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sound: np.ndarray
) -> None:
    path = write(tmp_path / "a.wav", sound, 22050, subtype="FLOAT")
    whole = read_samples(path, 16000)
    monkeypatch.setattr(decode, "_block_size", lambda rate: 1000)
    blocks = list(sample_blocks(path, 16000))
    assert max(map(len, blocks)) < 3000
    np.testing.assert_allclose(np.concatenate(blocks), whole, atol=1e-6)


def test_reading_stops_where_it_is_told(tmp_path: Path, sound: np.ndarray) -> None:
    path = write(tmp_path / "a.wav", np.tile(sound, 30), subtype="FLOAT")
    found = read_samples(path, 16000, max_seconds=1.0)
    np.testing.assert_array_equal(found, sound[:16000])


def test_header(tmp_path: Path, sound: np.ndarray) -> None:
    path = write(tmp_path / "a.flac", sound, 22050)
    info = sound_info(path)
    assert (info.sample_rate, info.channels) == (22050, 1)
    assert info.seconds == pytest.approx(len(sound) / 22050)
    assert info.format == "FLAC, PCM_16"


def test_write_and_read(tmp_path: Path, sound: np.ndarray) -> None:
    write_samples(tmp_path / "new" / "a.wav", sound, 16000)
    found = read_samples(tmp_path / "new" / "a.wav", 16000)
    np.testing.assert_allclose(found, sound, atol=1e-4)


# What is wrong


def refused(path: Path, *words: str) -> None:
    with pytest.raises(UserError) as caught:
        read_samples(path, 16000)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    for word in words:
        assert word in message


def test_a_missing_file(tmp_path: Path) -> None:
    refused(tmp_path / "none.wav", "no such file")


def test_a_directory(tmp_path: Path) -> None:
    refused(tmp_path, "directory")


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"")
    refused(tmp_path / "a.wav", "empty")


def test_text_that_is_called_a_sound(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("this is a letter, not a sound\n" * 30)
    refused(tmp_path / "a.wav", "no sound file")


def test_no_samples(tmp_path: Path) -> None:
    refused(write(tmp_path / "a.wav", np.zeros(0)), "no samples")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers(
    tmp_path: Path, sound: np.ndarray, bad: float
) -> None:
    sound[8000] = bad
    refused(write(tmp_path / "a.wav", sound, subtype="FLOAT"), "0.500 s", "finite")


def test_a_file_that_may_not_be_read(tmp_path: Path, sound: np.ndarray) -> None:
    path = write(tmp_path / "a.wav", sound)
    path.chmod(0)
    with _nobody():
        refused(path, "cannot read the file (Permission denied)")


@contextmanager
def _nobody() -> Iterator[None]:
    """Root may read everything, so it is somebody else meanwhile."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("rate", [16000, 44100])
def test_mp3_in_blocks_is_mp3_at_once(tmp_path: Path, rate: int) -> None:
    random = np.random.default_rng(0)
    noise = random.normal(0, 0.3, 25 * 16000)
    loudness = np.repeat(random.random(250) ** 3, 1600)  # frames of many sizes
    sound = soxr.resample((noise * loudness).astype(np.float32), 16000, rate)
    path = write(tmp_path / "a.mp3", sound.clip(-1, 1), rate)
    whole, _ = soundfile.read(path, dtype="float32")
    np.testing.assert_allclose(read_samples(path, rate), whole, atol=1e-5)


def test_a_very_short_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", np.ones(80), 8000)
    assert len(read_samples(path, 16000)) == 160


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
@settings(max_examples=25)
@given(data=st.data())
def test_damage_is_a_sentence_or_samples(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / f"a.{suffix}"
    write(path, np.sin(np.arange(4000) / 9))
    content = bytearray(path.read_bytes())
    size = data.draw(st.integers(0, len(content)))
    for _ in range(data.draw(st.integers(1, 20))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content[:size])
    message = ""
    found = np.zeros(0)
    try:
        found = read_samples(path, 8000, max_seconds=5)
    except UserError as error:
        message = str(error)
    assert message.startswith(str(path)) or found.ndim == 1
    assert np.isfinite(found).all()
