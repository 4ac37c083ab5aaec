"""The piece ids of a parallel corpus, laid out flat, and sampled anew each epoch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from nlp_speech.sections import TokenizerSection
from nlp_speech.text.sampling import SubwordSampler
from nlp_speech.text.tokenizer import EOS, Tokenizer


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


class PairEncoder:
    """Encodes a parallel corpus for an epoch, eos included.

    Args:
        pairs: source and target sentences.
        source: the tokenizer of the source.
        target: the tokenizer of the target; may be the same one.
        section: which sides are sampled, and how wildly.
        seed: of the run.
        training: whether to sample at all.
    """

    def __init__(
        self,
        pairs: Sequence[tuple[str, str]],
        source: Tokenizer,
        target: Tokenizer,
        section: TokenizerSection,
        seed: int,
        training: bool,
    ) -> None:
        self._seed = seed
        sampled = (section.sample_source, section.sample_target)
        self._sides: list[SubwordSampler | FlatIds] = []
        for side, tokenizer in enumerate((source, target)):
            texts = [pair[side] for pair in pairs]
            if training and sampled[side]:
                alpha = section.sampling_alpha
                self._sides.append(SubwordSampler(tokenizer, texts, alpha, EOS))
            else:
                self._sides.append(FlatIds.of(tokenizer.encode(texts), end=EOS))

    def __call__(self, epoch: int) -> tuple[FlatIds, FlatIds]:
        """The ids of source and target; the same for the same epoch, counted from 0."""
        return self._side(0, epoch), self._side(1, epoch)

    def _side(self, number: int, epoch: int) -> FlatIds:
        side = self._sides[number]
        if isinstance(side, FlatIds):
            return side
        return FlatIds(*side((self._seed, epoch, number)))
