"""Arrays made of sound files, computed once: in memory, or on disk for the next time.

No TensorFlow. On disk an array is kept under the SHA-256 of its file's contents, in a
folder for how it was made; a changed file or config is thus never mistaken.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nlp_speech.errors import UserError
from nlp_speech.files import replacing
from nlp_speech.progress import shown

Make = Callable[[Path], np.ndarray]

MUCH = 2_000_000_000
"""Bytes in memory from which on a user is told of the disk."""


@dataclass
class SoundStore:
    """The arrays of sound files.

    Args:
        make: computes the array of a file, first axis time.
        folder: keeps arrays on disk, or None for memory.
        recipe: everything besides the file that decides what `make` computes.

    Attributes:
        lengths: of the arrays known, by file.
    """

    make: Make
    folder: Path | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lengths: dict[Path, int] = {}
        self._memory: dict[Path, np.ndarray] = {}
        self._files: dict[Path, Path] = {}

    def add(self, paths: Iterable[Path]) -> dict[Path, UserError]:
        """Computes what is not there yet, in parallel.

        Returns:
            What was wrong with the files that could not be read.
        """
        new = [p for p in dict.fromkeys(paths) if p not in self.lengths]
        bad: dict[Path, UserError] = {}
        with (
            ThreadPoolExecutor(os.cpu_count() or 1) as pool,
            shown("reading sounds", len(new), "files") as advance,
        ):
            for path, error in zip(new, pool.map(self._try, new), strict=True):
                if error is not None:
                    bad[path] = error
                if advance is not None:
                    advance(1)
        self._tell_size()
        return bad

    def __getitem__(self, path: Path) -> np.ndarray:
        """The array of a file that `add` was told of."""
        if self.folder is None:
            return self._memory[path]
        return np.load(self._files[path], allow_pickle=False)

    def _try(self, path: Path) -> UserError | None:
        try:
            self._add(path)
        except UserError as error:
            return error
        return None

    def _add(self, path: Path) -> None:
        if self.folder is None:
            array = self._memory[path] = self.make(path)
            self.lengths[path] = len(array)
            return
        file = self._files[path] = self._place(path)
        try:
            array = np.load(file, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError):
            array = self.make(path)
            with replacing(file) as out:
                np.save(out, array)
        self.lengths[path] = len(array)

    def _tell_size(self) -> None:
        """Says that the disk would be the better place, if memory holds much."""
        held = sum(array.nbytes for array in self._memory.values())
        if held > MUCH:
            logging.getLogger(__name__).warning(
                "%.1f GB of sound are held in memory; to keep them on disk, and for "
                "the next run too, set data.cache to a folder",
                held / 1e9,
            )

    def _place(self, path: Path) -> Path:
        assert self.folder is not None
        recipe = json.dumps(dict(self.recipe), sort_keys=True, default=str)
        kind = hashlib.sha256(recipe.encode()).hexdigest()[:16]
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            reason = error.strerror or str(error)
            raise UserError.at(
                path, None, f"cannot read the file ({reason})"
            ) from error
        return self.folder / kind / digest[:2] / f"{digest}.npy"


def quantized(samples: np.ndarray) -> np.ndarray:
    """Samples as 16-bit numbers, half the memory; louder than full scale is clipped."""
    return np.clip(np.rint(samples * 32767), -32768, 32767).astype(np.int16)


def restored(samples: np.ndarray) -> np.ndarray:
    """The float32 samples of what `quantized` returned."""
    return samples.astype(np.float32) / 32767


def joined(
    clips: Sequence[tuple[str, str]],
    count: int,
    sizes: tuple[int, int],
    pause: tuple[float, float],
    seed: Sequence[int],
) -> list[tuple[list[int], list[float]]]:
    """Draws strings of clips of one speaker.

    Args:
        clips: file and speaker of each.
        count: strings drawn.
        sizes: clips of a string, from and to.
        pause: seconds of silence between two clips, from and to.
        seed: decides everything.

    Returns:
        For each string the numbers of its clips, none twice, and the pauses after all
        but the last, in milliseconds' steps.
    """
    rng = np.random.default_rng([*seed])
    by_speaker: dict[str, list[int]] = {}
    for number, (_, speaker) in enumerate(clips):
        by_speaker.setdefault(speaker, []).append(number)
    groups = [np.array(g) for _, g in sorted(by_speaker.items())]
    strings = []
    for _ in range(count):
        group = groups[rng.integers(len(groups))]
        size = min(int(rng.integers(sizes[0], sizes[1] + 1)), len(group))
        chosen = rng.choice(group, size, replace=False)
        pauses = np.round(rng.uniform(*pause, size - 1), 3)
        strings.append((chosen.tolist(), pauses.tolist()))
    return strings
