"""Many sequences of ids in one array."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np


@dataclass(frozen=True)
class FlatIds:
    """Many sequences of ids in one array.

    Attributes:
        ids: all sequences, one after the other, int32 [ids].
        offsets: where each begins, and the end of the last, int64 [sequences + 1].
    """

    ids: np.ndarray
    offsets: np.ndarray

    @classmethod
    def of(cls, sequences: Iterable[Sequence[int]], end: int | None = None) -> FlatIds:
        """Lays sequences out flat.

        Args:
            sequences: ids of each text.
            end: an id to add to each, or None.
        """
        tail = () if end is None else (end,)
        rows = list(sequences)
        lengths = np.fromiter((len(r) + len(tail) for r in rows), np.int64, len(rows))
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        flat = chain.from_iterable(chain(row, tail) for row in rows)
        return cls(np.fromiter(flat, np.int32, int(offsets[-1])), offsets)

    @classmethod
    def joined(cls, parts: Sequence[FlatIds]) -> FlatIds:
        """The sequences of several, one after the other."""
        lengths = np.concatenate([part.lengths for part in parts])
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        return cls(np.concatenate([part.ids for part in parts]), offsets)

    def shortened(self, most: int) -> FlatIds:
        """The same sequences, with at most so many ids before the last one of each."""
        lengths = np.minimum(self.lengths, most + 1)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        moved = np.repeat(self.offsets[:-1] - offsets[:-1], lengths)
        ids = self.ids[np.arange(offsets[-1]) + moved]
        ids[offsets[1:] - 1] = self.ids[self.offsets[1:] - 1]
        return FlatIds(ids, offsets)

    @property
    def lengths(self) -> np.ndarray:
        """The length of each sequence, int64 [sequences]."""
        return np.diff(self.offsets)

    def __len__(self) -> int:
        """The number of sequences."""
        return len(self.offsets) - 1

    def __getitem__(self, number: int) -> np.ndarray:
        """One sequence."""
        return self.ids[self.offsets[number] : self.offsets[number + 1]]


def padded(rows: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Puts sequences side by side.

    Args:
        rows: ids of each text.

    Returns:
        The ids, int32 [rows, steps], padded with 0, and their lengths, int32 [rows].
    """
    lengths = np.array([len(row) for row in rows], np.int32)
    ids = np.zeros([len(rows), max(lengths, default=1)], np.int32)
    for n, row in enumerate(rows):
        ids[n, : len(row)] = row
    return ids, lengths
