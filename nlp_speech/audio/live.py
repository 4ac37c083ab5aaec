"""Sound as it comes in: a file, standard input, a microphone."""

from __future__ import annotations

import queue
import sys
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import soxr

from nlp_speech.audio.decode import sample_blocks
from nlp_speech.errors import UserError

MICROPHONE = "mic"
STANDARD_INPUT = "-"
_OTHER_FORMATS = {
    b"fLaC": "FLAC",
    b"OggS": "Ogg",
    b"FORM": "AIFF",
    b"RF64": "RF64",
    b"ID3\x02": "MP3",
    b"ID3\x03": "MP3",
    b"ID3\x04": "MP3",
    b"\x1a\x45\xdf\xa3": "WebM",
}
"""What files begin with that a pipe cannot carry."""


def live_blocks(source: str, sample_rate: int, size: int) -> Iterator[np.ndarray]:
    """Reads sound piece by piece, as it comes.

    Args:
        source: a sound file; ``-`` for standard input, a 16-bit WAV file or bare 16-bit
            samples of one channel at `sample_rate`; ``mic`` for the microphone.
        sample_rate: Hz, to which files are resampled.
        size: samples of a piece at most.

    Yields:
        Mono samples, float32 [n].

    Raises:
        UserError: the source cannot be read.
    """
    if source == MICROPHONE:
        return _microphone(sample_rate, size)
    if source == STANDARD_INPUT:
        return _standard_input(sys.stdin.buffer, sample_rate, size)
    return _pieces(sample_blocks(Path(source), sample_rate), size)


def _pieces(blocks: Iterator[np.ndarray], size: int) -> Iterator[np.ndarray]:
    for block in blocks:
        for start in range(0, len(block), size):
            yield block[start : start + size]


def _standard_input(
    file: IO[bytes], sample_rate: int, size: int
) -> Iterator[np.ndarray]:
    head = file.read(4)
    if head == b"RIFF":
        yield from _pieces(_wav(_Rest(head, file), sample_rate, size), size)
        return
    kind = "MP3" if _begins_a_frame(head) else _OTHER_FORMATS.get(head)
    if kind is not None:
        raise UserError(
            f"standard input is a file of {kind}; give its name, or a 16-bit WAV file"
        )
    yield from _pieces(_bare(_Rest(head, file), 2 * size), size)


def _begins_a_frame(head: bytes) -> bool:
    """Whether four bytes are the header of a frame of MPEG layer III."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return False
    version, bit_rate, rate = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    return version != 1 and bit_rate not in (0, 15) and rate != 3


def _bare(file: Any, size: int) -> Iterator[np.ndarray]:
    """Samples without a header, read `size` bytes at a time."""
    half = b""
    while data := file.read(size):
        data = half + data
        whole = len(data) // 2 * 2
        yield _floats(data[:whole])
        half = data[whole:]


class _Rest:
    """A file whose first bytes were read already."""

    def __init__(self, head: bytes, file: IO[bytes]) -> None:
        self._head = head
        self._file = file

    def read(self, size: int = -1) -> bytes:
        head, self._head = self._head, b""
        if size < 0:
            return head + self._file.read()
        self._head = head[size:]
        return head[:size] + self._file.read(size - len(head[:size]))

    def close(self) -> None:
        """Standard input stays open."""

    def flush(self) -> None:
        """Nothing is written."""


def _wav(file: Any, sample_rate: int, size: int) -> Iterator[np.ndarray]:
    try:
        reader = wave.open(file, "rb")
    except (wave.Error, EOFError) as error:
        raise UserError(
            f"standard input is no WAV file that can be read ({error})"
        ) from error
    if reader.getsampwidth() != 2:
        raise UserError("standard input must be a 16-bit WAV file; convert it first")
    rate, channels = reader.getframerate(), reader.getnchannels()
    resampler = (
        soxr.ResampleStream(rate, sample_rate, 1) if rate != sample_rate else None
    )
    while data := reader.readframes(size):
        # A recording that was cut short may end within a frame.
        whole = data[: len(data) // (2 * channels) * 2 * channels]
        block = _floats(whole).reshape(-1, channels).mean(axis=1)
        yield block if resampler is None else resampler.resample_chunk(block)
    if resampler is not None:
        yield resampler.resample_chunk(np.zeros([0], np.float32), last=True)


def _floats(data: bytes) -> np.ndarray:
    return np.frombuffer(data, "<i2").astype(np.float32) / 32768


def _microphone(sample_rate: int, size: int) -> Iterator[np.ndarray]:
    try:
        import sounddevice  # pyright: ignore[reportMissingImports]
    except (ImportError, OSError) as error:
        raise UserError(
            f"the microphone needs sounddevice; pip install 'nlp-speech[mic]' ({error})"
        ) from error
    heard: queue.SimpleQueue[np.ndarray] = queue.SimpleQueue()

    def keep(block: np.ndarray, *_: Any) -> None:
        heard.put(block[:, 0].copy())

    try:
        stream = sounddevice.InputStream(
            sample_rate, size, channels=1, dtype="float32", callback=keep
        )
    except sounddevice.PortAudioError as error:
        raise UserError(f"the microphone cannot be opened ({error})") from error
    with stream:
        while True:
            yield heard.get()
