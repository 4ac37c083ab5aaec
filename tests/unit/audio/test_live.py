"""Sound as it comes in: files, standard input."""

from __future__ import annotations

import builtins
import io
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

from nlp_speech.audio.decode import read_samples
from nlp_speech.audio.live import live_blocks
from nlp_speech.errors import UserError

RATE = 8000
SOUND = (np.sin(np.arange(5001) / 9) * 12000).astype(np.int16)


class Pipe(io.BytesIO):
    """Bytes that cannot be sought in."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: Any) -> int:
        raise OSError("this is a pipe")

    def tell(self) -> int:
        raise OSError("this is a pipe")


def wav(samples: np.ndarray, rate: int = RATE, subtype: str = "PCM_16") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype=subtype)
    return file.getvalue()


def heard(monkeypatch: pytest.MonkeyPatch, content: bytes, size: int = 700) -> Any:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=Pipe(content)))
    blocks = list(live_blocks("-", RATE, size))
    assert all(len(block) <= size for block in blocks)
    assert all(block.dtype == np.float32 for block in blocks)
    return np.concatenate([np.zeros(0, np.float32), *blocks])


@pytest.mark.parametrize("head", [b"", b"\x00"])
def test_bare_samples(monkeypatch: pytest.MonkeyPatch, head: bytes) -> None:
    # A byte too many at the end is half a sample, and is not heard.
    found = heard(monkeypatch, SOUND.astype("<i2").tobytes() + head)
    np.testing.assert_array_equal(found, SOUND / np.float32(32768))


def test_nothing_is_legal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(heard(monkeypatch, b"")) == 0
    assert len(heard(monkeypatch, b"\x01")) == 0


def test_a_wav_file_on_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    both = np.stack([SOUND, np.zeros_like(SOUND)], axis=1)
    found = heard(monkeypatch, wav(both))
    np.testing.assert_allclose(found, SOUND / 65536, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("missing", [1, 2, 3, 777, 3000])
def test_a_wav_file_that_was_cut_short(
    monkeypatch: pytest.MonkeyPatch, channels: int, missing: int
) -> None:
    content = wav(np.stack([SOUND] * channels, axis=1))
    found = heard(monkeypatch, content[:-missing])
    whole = len(SOUND) - -(-missing // (2 * channels))
    np.testing.assert_allclose(found, SOUND[:whole] / 32768, atol=1e-6)


@pytest.mark.parametrize("kind", ["FLAC", "OGG", "AIFF", "RF64", "MP3"])
def test_a_file_that_a_pipe_cannot_carry(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    file = io.BytesIO()
    soundfile.write(file, SOUND, RATE, format=kind)
    with pytest.raises(UserError, match=r"a file of \w+; give its name"):
        heard(monkeypatch, file.getvalue())


def test_a_wav_file_of_another_rate_is_resampled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = heard(monkeypatch, wav(SOUND, 2 * RATE))
    (tmp_path / "s.wav").write_bytes(wav(SOUND, 2 * RATE))
    expected = read_samples(tmp_path / "s.wav", RATE)
    assert abs(len(found) - len(expected)) <= 1
    n = min(len(found), len(expected))
    np.testing.assert_allclose(found[:n], expected[:n], atol=1e-3)


def test_a_file_in_pieces(tmp_path: Path) -> None:
    (tmp_path / "s.wav").write_bytes(wav(SOUND))
    blocks = list(live_blocks(str(tmp_path / "s.wav"), RATE, 600))
    assert [len(block) for block in blocks] == [600] * 8 + [201]
    np.testing.assert_array_equal(np.concatenate(blocks), SOUND / np.float32(32768))


@pytest.mark.parametrize(
    ("content", "message"),
    [(wav(SOUND, subtype="PCM_24"), "16-bit"), (b"RIFFnonsense", "no WAV file")],
)
def test_other_wav_files_are_errors(
    monkeypatch: pytest.MonkeyPatch, content: bytes, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        heard(monkeypatch, content)


def test_a_microphone_needs_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "sounddevice":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match=r"nlp-speech\[mic\]"):
        next(live_blocks("mic", RATE, 100))
