"""What a person gives as sound: a file, files joined, a generated signal, features.

- ``clip.flac``: a sound file;
- ``["a.wav", 0.2, "b.wav"]``: files one after the other, with seconds of silence;
- ``generated:tone:440:0.5``: half a second of 440 Hz; also ``generated:noise:1`` and
  ``generated:silence:0.01``;
- ``part:12.5:40.25:talk.flac``: what lies between two times of a file, in seconds;
- ``cepstra.npz#12``: utterance 12 of a file of features.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from nlp_speech.audio.decode import read_samples, read_stretch
from nlp_speech.audio.features import FrontEnd, Reference
from nlp_speech.audio.sections import FrontEndSection
from nlp_speech.errors import UserError

GENERATED = "generated:"
PART = "part:"
_LOUDNESS = 0.1
_SECONDS_AT_MOST = 600.0


@dataclass(frozen=True)
class FrameFile:
    """Features that others computed, as one array.

    Attributes:
        frames: of all utterances, one after the other, [frames, bands].
        begins: where each begins, and the end of the last, [utterances + 1].
        texts: what is said in each.
        names: of each.
        bad: the numbers of those whose frames are not finite.
    """

    frames: np.ndarray
    begins: np.ndarray
    texts: tuple[str, ...]
    names: tuple[str, ...]
    bad: frozenset[int] = frozenset()


def split_parts(given: str) -> list[Path | float]:
    """The files and the seconds of silence that an input consists of.

    Raises:
        UserError: it is empty, or begins as a JSON list (and is no file of that name)
            and is none of paths and numbers.
    """
    if not given.strip():
        raise UserError("an empty name; give the path of a sound file")
    if not given.lstrip().startswith("[") or os.path.exists(given):
        return [Path(given)]
    try:
        parts = json.loads(given)
    except ValueError:
        parts = None
    if not isinstance(parts, list) or not all(
        isinstance(p, str) or (isinstance(p, int | float) and 0 <= p < _SECONDS_AT_MOST)
        for p in parts
    ):
        raise UserError(
            f'{given[:60]}: write joined files as ["a.wav", 0.2, "b.wav"], with '
            "seconds of silence between"
        )
    return [Path(p) if isinstance(p, str) else float(p) for p in parts]


def join_parts(parts: Sequence[Path | float]) -> str:
    """The input that consists of these files and seconds of silence."""
    if len(parts) == 1 and isinstance(parts[0], Path):
        return str(parts[0])
    return json.dumps([str(p) if isinstance(p, Path) else p for p in parts])


def part_of(path: Path | str, begin: float, end: float) -> str:
    """The input that is a part of a file, between two times in seconds."""
    return f"{PART}{begin:.3f}:{end:.3f}:{path}"


def split_part(given: str) -> tuple[Path, float, float]:
    """The file and the two times of a part of a file.

    Raises:
        UserError: it is not written as one.
    """
    try:
        _, begin, end, path = given.split(":", 3)
        times = float(begin), float(end)
        if not 0 <= times[0] <= times[1]:
            raise ValueError
    except ValueError:
        raise UserError(
            f"{given[:60]}: write part:BEGIN:END:FILE, in seconds"
        ) from None
    return Path(path), *times


def read_sound(
    given: str,
    sample_rate: int,
    max_seconds: float | None = None,
    read: Callable[[Path], np.ndarray] | None = None,
) -> np.ndarray:
    """The samples of an input.

    Args:
        given: a file, files joined, or a generated signal.
        sample_rate: Hz.
        max_seconds: the rest is left, or None.
        read: reads a file; None decodes it.

    Returns:
        Mono, float32 [n].

    Raises:
        UserError: it cannot be read.
    """
    limit = None if max_seconds is None else round(max_seconds * sample_rate)
    if given.startswith(GENERATED):
        return generated(given, sample_rate)[:limit]
    if given.startswith(PART):
        path, begin, end = split_part(given)
        return read_stretch(path, sample_rate, begin, end)[:limit]
    parts = split_parts(given)
    if read is None and len(parts) == 1 and isinstance(parts[0], Path):
        return read_samples(parts[0], sample_rate, max_seconds)
    found = [np.zeros(0, np.float32)]
    for part in parts:
        if isinstance(part, Path):
            found.append(read(part) if read else read_samples(part, sample_rate))
        else:
            found.append(np.zeros(round(part * sample_rate), np.float32))
    return np.concatenate(found)[:limit]


def generated(given: str, sample_rate: int) -> np.ndarray:
    """A signal made on the spot; see the module.

    Raises:
        UserError: it is not written as one.
    """
    _, kind, *numbers = given.strip().split(":")
    try:
        values = [float(n) for n in numbers]
        wanted = {"tone": 2, "noise": 1, "silence": 1}[kind]
        if len(values) != wanted or not 0 <= values[-1] <= _SECONDS_AT_MOST:
            raise ValueError
    except (KeyError, ValueError):
        raise UserError(
            f"{given[:60]}: write generated:tone:HERTZ:SECONDS, "
            "generated:noise:SECONDS or generated:silence:SECONDS"
        ) from None
    count = round(values[-1] * sample_rate)
    if kind == "silence":
        return np.zeros(count, np.float32)
    if kind == "noise":
        noise = np.random.default_rng(1).normal(0, _LOUDNESS, count)
        return noise.astype(np.float32)
    times = np.arange(count) / sample_rate
    return (_LOUDNESS * np.sin(2 * np.pi * values[0] * times)).astype(np.float32)


def read_frames(given: str, bands: int) -> np.ndarray:
    """The features of an input.

    Args:
        given: ``FILE.npz#NUMBER``, or a generated signal, whose cepstra are taken.
        bands: features of a frame.

    Returns:
        float32 [frames, bands].

    Raises:
        UserError: it cannot be read, or has another number of features.
    """
    if given.startswith(GENERATED):
        section = FrontEndSection(kind="mfcc", n_mfcc=bands, n_mels=max(bands, 40))
        samples = generated(given, section.sample_rate)
        return Reference(FrontEnd(section)).raw(samples).astype(np.float32)
    name, mark, number = given.rpartition("#")
    if not mark or not number.isdigit():
        raise UserError(
            f"{given[:60]}: this model reads features; write FILE.npz#NUMBER"
        )
    data = frame_file(Path(name))
    if int(number) >= len(data.names):
        raise UserError.at(
            name, None, f"there is no utterance {number}; there are {len(data.names)}"
        )
    if data.frames.shape[1] != bands:
        raise UserError.at(
            name,
            None,
            f"a frame has {data.frames.shape[1]} features where the model takes {bands}"
            "; set frontend.n_mfcc",
        )
    if int(number) in data.bad:
        raise bad_frames(name, int(number))
    begin, end = data.begins[int(number) : int(number) + 2]
    return data.frames[begin:end].astype(np.float32)


def frame_file(path: Path) -> FrameFile:
    """Opens a file of features: ``.npz`` of frames, lengths, transcript and utt.

    Raises:
        UserError: it is missing, damaged, or its arrays do not fit together.
    """
    try:
        stamp = path.stat().st_mtime_ns
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError.at(path, None, f"cannot read the file ({reason})") from error
    return _frame_file(path, stamp)


@lru_cache(maxsize=8)
def _frame_file(path: Path, stamp: int) -> FrameFile:
    try:
        # Opened here: NumPy leaves a damaged file open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            arrays = {name: data[name] for name in data.files}
    except Exception as error:  # zipfile, zlib and NumPy each have their own
        raise UserError.at(
            path, None, "this is no .npz file of features, or it is damaged"
        ) from error
    for name in ("frames", "lengths", "transcript", "utt"):
        if name not in arrays:
            raise UserError.at(path, None, f"the file has no array {name!r}; add it")
    frames, lengths = arrays["frames"], arrays["lengths"]
    texts = tuple(str(t) for t in arrays["transcript"])
    names = tuple(str(n) for n in arrays["utt"])
    begins = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    if (
        frames.ndim != 2
        or begins[-1] != len(frames)
        or not len(lengths) == len(texts) == len(names)
    ):
        raise UserError.at(
            path,
            None,
            f"the arrays do not fit: {len(frames)} frames, lengths that add up to "
            f"{begins[-1]}, {len(texts)} transcripts, {len(names)} names",
        )
    rows = np.flatnonzero(~np.isfinite(frames).all(axis=1))
    bad = np.searchsorted(begins, rows, side="right") - 1
    return FrameFile(frames, begins, texts, names, frozenset(bad.tolist()))


def bad_frames(path: Path | str, number: int) -> UserError:
    """The error of an utterance of a file of features that is in `FrameFile.bad`."""
    return UserError.at(
        path,
        None,
        f"utterance {number} holds numbers that are not finite; compute it again",
    )
