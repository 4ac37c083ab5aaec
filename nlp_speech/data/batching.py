"""Lays out the batches of an epoch: which examples, in which order, padded to what.

NumPy only. A batch is one of a few shapes, so that a compiled training step is compiled
a few times; a shape holds a constant number of padded target tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nlp_speech.sections import BatchSection

# An example that fills a batch up: no tokens at all.
EMPTY_ROW = -1
# A padded target step costs about as much as two source steps: the softmax.
_TARGET_COST = 2


@dataclass(frozen=True)
class Shape:
    """The shape of a batch.

    Attributes:
        rows: examples.
        source_length: steps of the source, its eos included.
        target_length: steps of the target, its eos included.
    """

    rows: int
    source_length: int
    target_length: int

    @property
    def cost(self) -> int:
        """What a row costs, in source steps."""
        return self.source_length + _TARGET_COST * self.target_length


def fit_shapes(
    source_lengths: np.ndarray,
    target_lengths: np.ndarray,
    section: BatchSection,
    multiple: int = 1,
) -> tuple[Shape, ...]:
    """Chooses the shapes of batches that waste the least on these lengths.

    Splits the plane of source and target lengths again and again where that saves most
    padding. The last shape takes whatever `section.max_length` allows, so the shapes
    serve other segmentations of the same text too. Examples with one sequence are pairs
    of equal lengths.

    Args:
        source_lengths: of each example, eos included, [examples].
        target_lengths: the same for the target.
        section: the token budget, the longest length, the number of shapes.
        multiple: lengths above it are rounded up to a multiple of it.

    Returns:
        At most `section.buckets` shapes, from cheap to expensive.
    """
    limit = section.max_length + 1
    lengths = np.stack([source_lengths, target_lengths], axis=1)
    lengths = lengths[(lengths <= limit).all(axis=1)]
    cells, counts = np.unique(lengths, axis=0, return_counts=True)
    corners = {(limit, limit)}
    if len(cells) and section.buckets > 1:
        corners |= _corners(cells, counts, section)
    corners = {(_rounded(s, multiple), _rounded(t, multiple)) for s, t in corners}
    shapes = [Shape(_rows(t, section.tokens), s, t) for s, t in corners]
    return tuple(sorted(shapes, key=lambda s: (s.cost, s.target_length)))


class EpochPlan:
    """The batches of one epoch, decided by the seed and the epoch alone.

    Each example goes to the cheapest shape that holds it. Examples are shuffled within
    a shape, cut into batches, and the batches shuffled. The last batch of a shape is
    filled up with `EMPTY_ROW`.

    Args:
        source_lengths: of each example, eos included, [examples].
        target_lengths: the same for the target.
        shapes: the shapes of batches, as `fit_shapes` gives them.
        seed: of the run.
        epoch: counted from 0.
        longest: steps of the longest example taken, or None: what the shapes hold.

    Attributes:
        shapes: the shape of each batch.
        examples: the examples of each batch, one batch after the other, int32.
        offsets: where each batch begins in `examples`, and their end, int64.
        left_out: examples longer than `longest`, or too long for every shape.
    """

    def __init__(
        self,
        source_lengths: np.ndarray,
        target_lengths: np.ndarray,
        shapes: Sequence[Shape],
        seed: int,
        epoch: int,
        longest: int | None = None,
    ) -> None:
        random = np.random.default_rng([seed, epoch])
        choice = _assign(source_lengths, target_lengths, shapes)
        if longest is not None:
            choice[np.maximum(source_lengths, target_lengths) > longest] = -1
        batches = [
            (shape, rows)
            for number, shape in enumerate(shapes)
            for rows in _cut(np.flatnonzero(choice == number), shape, random)
        ]
        batches = [batches[n] for n in random.permutation(len(batches))]
        self.shapes = [shape for shape, _ in batches]
        self.examples = np.concatenate(
            [rows for _, rows in batches] or [np.arange(0)]
        ).astype(np.int32)
        self.offsets = np.cumsum([0, *(s.rows for s in self.shapes)], dtype=np.int64)
        self.left_out = int(np.sum(choice < 0))

    def __len__(self) -> int:
        """The number of batches."""
        return len(self.shapes)

    def __getitem__(self, number: int) -> np.ndarray:
        """The examples of a batch, `EMPTY_ROW` where there is none, [rows]."""
        begin, end = self.offsets[number : number + 2]
        return self.examples[begin:end]


def _assign(
    source_lengths: np.ndarray, target_lengths: np.ndarray, shapes: Sequence[Shape]
) -> np.ndarray:
    """The number of the cheapest shape that holds each example, or -1."""
    choice = np.full(len(source_lengths), -1)
    for number in sorted(range(len(shapes)), key=lambda n: -shapes[n].cost):
        shape = shapes[number]
        choice[
            (source_lengths <= shape.source_length)
            & (target_lengths <= shape.target_length)
        ] = number
    return choice


def _cut(examples: np.ndarray, shape: Shape, random: np.random.Generator) -> np.ndarray:
    """Shuffles examples and cuts them into full batches, [batches, rows]."""
    examples = random.permutation(examples)
    missing = -len(examples) % shape.rows
    examples = np.pad(examples, (0, missing), constant_values=EMPTY_ROW)
    return examples.reshape(-1, shape.rows)


def _rows(target_length: int, tokens: int) -> int:
    return max(1, tokens // target_length)


def _rounded(length: int, multiple: int) -> int:
    return length if length <= multiple else -(-length // multiple) * multiple


def _corners(
    cells: np.ndarray, counts: np.ndarray, section: BatchSection
) -> set[tuple[int, int]]:
    """The upper corners of at most `section.buckets` - 1 parts that hold all cells."""
    parts = [np.arange(len(cells))]
    cuts = [_best_cut(cells, counts, section.tokens)]
    while len(parts) < section.buckets - 1:
        best = max(range(len(cuts)), key=lambda n: cuts[n][0])
        saved, low, high = cuts[best]
        if saved <= 0:
            break
        halves = [parts[best][low], parts[best][high]]
        parts[best : best + 1] = halves
        cuts[best : best + 1] = [
            _best_cut(cells[half], counts[half], section.tokens) for half in halves
        ]
    tops = [cells[part].max(axis=0) for part in parts]
    return {(int(source), int(target)) for source, target in tops}


def _best_cut(
    cells: np.ndarray, counts: np.ndarray, tokens: int
) -> tuple[int, np.ndarray, np.ndarray]:
    """The cut at one length of source or target that saves most padding.

    Args:
        cells: different pairs of lengths, [cells, 2].
        counts: the examples that have them, [cells].
        tokens: padded target tokens in a batch.

    Returns:
        The cost saved (0 if no cut leaves a full batch on both sides), and the numbers
        of the cells on either side.
    """
    prices = np.array([1, _TARGET_COST])
    best = (0, np.arange(0), np.arange(0))
    for axis in (0, 1):
        order = np.argsort(cells[:, axis], kind="stable")
        sizes, total = cells[order], np.cumsum(counts[order])
        low = np.maximum.accumulate(sizes)[:-1]
        high = np.maximum.accumulate(sizes[::-1])[::-1][1:]
        below, above = total[:-1], total[-1] - total[:-1]
        top = sizes.max(axis=0) @ prices
        saved = below * (top - low @ prices) + above * (top - high @ prices)
        allowed = (
            (sizes[:-1, axis] < sizes[1:, axis])
            & (below >= np.maximum(1, tokens // low[:, 1]))
            & (above >= np.maximum(1, tokens // high[:, 1]))
        )
        saved = np.where(allowed, saved, 0)
        if len(saved) and saved.max() > best[0]:
            cut = int(saved.argmax()) + 1
            best = (int(saved.max()), order[:cut], order[cut:])
    return best
