"""Sound files of any format and rate to mono samples; no TensorFlow.

Whatever libsndfile reads: WAV of 8 to 32 bits and float, FLAC, Ogg Vorbis and Opus,
MP3, AIFF and more, any number of channels. Channels are averaged, and soxr resamples.
A file is read in blocks, so that memory is bounded by what is asked for. One that was
cut short is refused where that can be told; see `nlp_speech.audio.wholeness`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from nlp_speech.audio.mp3 import count_unless_stated
from nlp_speech.audio.wholeness import EARLY, MISSTATED, cut_short
from nlp_speech.errors import UserError

_BLOCK_SECONDS = 10
_QUALITY = "VHQ"


@dataclass(frozen=True)
class SoundInfo:
    """What the header of a sound file says.

    Attributes:
        sample_rate: Hz.
        channels: 1 is mono.
        seconds: length.
        format: such as ``WAV, PCM_16``.
    """

    sample_rate: int
    channels: int
    seconds: float
    format: str


def sound_info(path: Path) -> SoundInfo:
    """Reads the header of a sound file.

    Raises:
        UserError: it is missing, a directory, empty, cut short or no sound file.
    """
    with _open(path) as file:
        return SoundInfo(
            file.samplerate,
            file.channels,
            file.frames / file.samplerate,
            f"{file.format}, {file.subtype}",
        )


def read_samples(
    path: Path, sample_rate: int, max_seconds: float | None = None
) -> np.ndarray:
    """Reads a sound file.

    Args:
        path: the file.
        sample_rate: Hz, to which it is resampled.
        max_seconds: the rest is left unread, or None.

    Returns:
        Mono samples, float32 [n], full scale 1.

    Raises:
        UserError: it is missing, a directory, damaged, cut short, without samples, or
            holds samples that are no finite numbers.
    """
    limit = None if max_seconds is None else round(max_seconds * sample_rate)
    parts: list[np.ndarray] = []
    count = 0
    for block in sample_blocks(path, sample_rate):
        parts.append(block)
        count += len(block)
        if limit is not None and count >= limit:
            break
    return np.concatenate(parts)[:limit]


def sample_blocks(path: Path, sample_rate: int) -> Iterator[np.ndarray]:
    """Reads a sound file piece by piece, in bounded memory.

    Args:
        path: the file.
        sample_rate: Hz, to which it is resampled.

    Yields:
        Mono samples, float32; all pieces together are what `read_samples` returns.

    Raises:
        UserError: as `read_samples`.
    """
    with _open(path) as file:
        resampler = (
            None
            if file.samplerate == sample_rate
            else soxr.ResampleStream(file.samplerate, sample_rate, 1, quality=_QUALITY)
        )
        for block, last in _mono_blocks(path, file):
            if resampler is None:
                yield block
            else:
                yield resampler.resample_chunk(block, last=last)


def read_stretch(path: Path, sample_rate: int, begin: float, end: float) -> np.ndarray:
    """Reads a stretch of a sound file, in the memory of the stretch.

    Args:
        path: the file.
        sample_rate: Hz, to which it is resampled.
        begin: in seconds.
        end: in seconds; what lies after the end of the file is left out.

    Returns:
        Mono samples, float32 [n].

    Raises:
        UserError: as `read_samples`.
    """
    with _open(path) as file:
        first, last = round(begin * file.samplerate), round(end * file.samplerate)
        samples = _read_from(path, file, first, last - first)
        if not np.isfinite(samples).all():
            raise UserError.at(path, None, "a sample is no finite number")
        if file.samplerate == sample_rate:
            return samples
        return soxr.resample(samples, file.samplerate, sample_rate, quality=_QUALITY)


def write_samples(path: Path, samples: np.ndarray, sample_rate: int) -> None:
    """Writes mono samples as a 16-bit WAV file, or as the suffix of `path` says.

    Raises:
        UserError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.asarray(samples, np.float32), sample_rate)
    except (OSError, soundfile.SoundFileError) as error:
        raise UserError.at(path, None, f"cannot be written ({_reason(error)})") from (
            error
        )


def _mono_blocks(
    path: Path, file: soundfile.SoundFile
) -> Iterator[tuple[np.ndarray, bool]]:
    """The blocks of an open file, and whether each is the last one."""
    size = _block_size(file.samplerate)
    expected, count = file.frames, 0

    def read(begin: int) -> np.ndarray:
        # soundfile seeks between reads, which MP3 does not survive unharmed.
        again = file.format == "MP3" and begin
        return _read_from(path, file, begin, size) if again else _read(path, file, size)

    block = read(0)
    if not len(block):
        raise UserError.at(
            path, None, "there are no samples in the file; record it again"
        )
    while len(block):
        following = read(count + len(block))
        bad = np.flatnonzero(~np.isfinite(block))
        if len(bad):
            second = (count + int(bad[0])) / file.samplerate
            raise UserError.at(
                path,
                None,
                f"the sample at {second:.3f} s is no finite number; write the file "
                "again, or as 16-bit WAV",
            )
        count += len(block)
        if not len(following) and _is_short(file, count, expected):
            raise UserError.at(path, None, EARLY)
        yield block, not len(following)
        block = following


def _block_size(sample_rate: int) -> int:
    return sample_rate * _BLOCK_SECONDS


def _read_from(
    path: Path, file: soundfile.SoundFile, first: int, size: int
) -> np.ndarray:
    """At most `size` samples from one on."""
    # A frame of MP3 needs bits of those before it.
    before = min(first, file.samplerate) if file.format == "MP3" else 0
    try:
        file.seek(min(first - before, file.frames))
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise UserError.at(
            path,
            None,
            f"the sound cannot be read from its middle ({_reason(error)})",
        ) from error
    return _read(path, file, size + before)[before:]


def _read(path: Path, file: soundfile.SoundFile, size: int) -> np.ndarray:
    """At most `size` samples, the mean of the channels."""
    try:
        block = file.read(size, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise UserError.at(
            path, None, f"the sound is damaged ({_reason(error)}); get the file again"
        ) from error
    return np.ascontiguousarray(block[:, 0]) if file.channels == 1 else block.mean(1)


def _is_short(file: soundfile.SoundFile, count: int, expected: int) -> bool:
    # The length of an MP3 file is an estimate.
    return count < expected and file.format != "MP3"


def _open(path: Path) -> soundfile.SoundFile:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            missing = cut_short(file, size)
    except FileNotFoundError as error:
        raise UserError.at(
            path, None, "there is no such file; give the path of a sound file"
        ) from error
    except IsADirectoryError as error:
        raise UserError.at(
            path, None, "this is a directory; give a sound file"
        ) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError.at(path, None, f"cannot read the file ({reason})") from error
    if not size:
        raise UserError.at(path, None, "the file is empty; record it again")
    if missing:
        raise UserError.at(path, None, missing)
    try:
        opened = soundfile.SoundFile(path)
    except (soundfile.SoundFileError, TypeError) as error:
        raise UserError.at(
            path,
            None,
            "this is no sound file, or it is damaged; give WAV, FLAC, Ogg, Opus or "
            f"MP3 ({_reason(error)})",
        ) from error
    if opened.format == "MP3":
        _check_length(path, opened)
    return opened


def _check_length(path: Path, opened: soundfile.SoundFile) -> None:
    """Sees to it that an MP3 file that states no length is read to its end."""
    with path.open("rb") as file:
        samples = count_unless_stated(file)
    if samples > opened.frames + opened.samplerate / 5:
        opened.close()
        raise UserError.at(path, None, MISSTATED)


def _reason(error: Exception) -> str:
    text = str(getattr(error, "error_string", "") or error).strip()
    return text.splitlines()[0].rstrip(".") if text else type(error).__name__
