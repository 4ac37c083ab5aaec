"""Padded batches as a `tf.data.Dataset`, gathered in the graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from nlp_speech.data.ahead import EpochsAhead
from nlp_speech.data.batching import EMPTY_ROW, EpochPlan, fit_shapes
from nlp_speech.errors import UserError
from nlp_speech.sections import BatchSection
from nlp_speech.text.flat import FlatIds

Encode = Callable[[int], tuple[FlatIds, FlatIds]]
Batch = dict[str, tf.Tensor]


@dataclass(frozen=True)
class _Epoch:
    sides: Mapping[str, FlatIds]
    plan: EpochPlan


class Batches:
    """The examples of a split as padded batches; a `contract.TrainingData`.

    An example has one or two sequences, its sides, and may have further numbers. A
    batch is a dict: for each side ``<side>`` int32 [rows, steps] and ``<side>_lengths``
    int32 [rows], for each further column its values [rows, ...]. Padding is 0; rows
    that fill up a batch are all padding, and have length 0 and 0 in every column.
    Every epoch uses the same few shapes.

    Everything is decided by `encode`, `seed` and the epoch. Python works once an epoch,
    in a background thread and ahead of time; batches are gathered in the graph.

    Args:
        encode: gives the ids of each side for an epoch, eos included. It is called from
            another thread, one call at a time.
        section: token budget, longest example, number of shapes.
        seed: of the shuffle.
        columns: further numbers of each example, [examples, ...] each.
        multiple: batches longer than this are rounded up to a multiple of it.

    Attributes:
        shapes: the shapes of batches.

    Raises:
        UserError: every example is longer than `section.max_length`.
    """

    def __init__(
        self,
        encode: Callable[[int], Mapping[str, FlatIds]],
        section: BatchSection,
        seed: int,
        columns: Mapping[str, np.ndarray] | None = None,
        multiple: int = 1,
    ) -> None:
        self._encode = encode
        self._seed = seed
        self._longest = section.max_length
        self._columns = dict(columns or {})
        sides = encode(0)
        self.shapes = fit_shapes(*_lengths(sides), section, multiple)
        first = self._layout(0, sides)
        if not len(first.plan):
            count = len(next(iter(sides.values())))
            raise UserError(
                f"all {count} examples of a split are longer than batch.max_length "
                f"{section.max_length}; raise it, or give shorter ones"
                if count
                else "a split of the data has no examples; give files that have some"
            )
        self._epochs = EpochsAhead(self._make, first)

    def batches(self, epoch: int) -> int:
        """The number of batches of an epoch, counted from 0."""
        return len(self._epochs[epoch].plan)

    def left_out(self, epoch: int) -> int:
        """The examples of an epoch that are longer than `section.max_length`."""
        return self._epochs[epoch].plan.left_out

    def dataset(self, epoch: int, start: int = 0) -> tf.data.Dataset:
        """The batches of an epoch, in their one fixed order.

        Args:
            epoch: counted from 0.
            start: the number of the first batch wanted.

        Returns:
            `batches(epoch)` - `start` batches, prefetched.
        """
        data = self._epochs[epoch]
        self._epochs.prepare(epoch + 1)
        with tf.device("CPU:0"):
            gather = _gather(data, self._columns)
            numbers = tf.data.Dataset.range(start, len(data.plan))
            batches = numbers.map(gather, num_parallel_calls=tf.data.AUTOTUNE)
            return batches.prefetch(tf.data.AUTOTUNE)

    def _layout(self, epoch: int, sides: Mapping[str, FlatIds]) -> _Epoch:
        longest = self._longest + 1  # its eos
        plan = EpochPlan(*_lengths(sides), self.shapes, self._seed, epoch, longest)
        return _Epoch(sides, plan)

    def _make(self, epoch: int) -> _Epoch:
        return self._layout(epoch, self._encode(epoch))


class PairBatches(Batches):
    """Batches of pairs: the sides are ``source`` and ``target``.

    Args:
        encode: gives the ids of source and target for an epoch, eos included.
        section: token budget, longest pair, number of shapes.
        seed: of the shuffle.
    """

    def __init__(self, encode: Encode, section: BatchSection, seed: int) -> None:
        super().__init__(
            lambda epoch: dict(zip(("source", "target"), encode(epoch), strict=True)),
            section,
            seed,
        )


def _lengths(sides: Mapping[str, FlatIds]) -> tuple[np.ndarray, np.ndarray]:
    """The lengths of the first and the last side, which may be the same one."""
    lengths = [side.lengths for side in sides.values()]
    return lengths[0], lengths[-1]


def _gather(
    data: _Epoch, columns: Mapping[str, np.ndarray]
) -> Callable[[tf.Tensor], Batch]:
    """A graph function from the number of a batch to the batch.

    The arrays become tensors here, and so inputs of the function, not constants in it.
    """
    examples = tf.constant(data.plan.examples)
    begins = tf.constant(data.plan.offsets)
    sides = {name: _tensors(flat) for name, flat in data.sides.items()}
    first, last = next(iter(sides)), list(sides)[-1]
    steps = {
        first: tf.constant([s.source_length for s in data.plan.shapes], tf.int32),
        last: tf.constant([s.target_length for s in data.plan.shapes], tf.int32),
    }
    values = {name: tf.constant(column) for name, column in columns.items()}

    def gather(number: tf.Tensor) -> Batch:
        rows = examples[begins[number] : begins[number + 1]]
        batch: Batch = {}
        for name, tensors in sides.items():
            padded, lengths = _padded(*tensors, rows, steps[name][number])
            batch[name] = padded
            batch[f"{name}_lengths"] = lengths
        for name, column in values.items():
            batch[name] = _of_rows(column, rows)
        return batch

    return gather


def _of_rows(column: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """The values of a batch, [rows, ...]; 0 in rows that fill up."""
    real = tf.not_equal(rows, EMPTY_ROW)
    values = tf.gather(column, tf.where(real, rows, 0))
    real = tf.reshape(real, [-1] + [1] * (column.shape.rank - 1))
    return tf.where(real, values, tf.zeros_like(values))


def _tensors(flat: FlatIds) -> tuple[tf.Tensor, tf.Tensor]:
    # One 0 more at the end, for padding to point at.
    ids = tf.constant(np.append(flat.ids, np.int32(0)))
    return ids, tf.constant(flat.offsets, tf.int64)


def _padded(
    ids: tf.Tensor, offsets: tf.Tensor, rows: tf.Tensor, steps: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Gathers sequences into a padded array.

    Args:
        ids: all sequences, flat, and a 0 after them.
        offsets: where each begins, and the end of the last.
        rows: the sequences wanted, `EMPTY_ROW` for none, [rows].
        steps: the length to pad to.

    Returns:
        The ids, int32 [rows, steps], and their lengths, int32 [rows].
    """
    real = tf.not_equal(rows, EMPTY_ROW)
    numbers = tf.where(real, rows, 0)
    begins = tf.gather(offsets, numbers)
    lengths = tf.gather(offsets, numbers + 1) - begins
    lengths = tf.where(real, lengths, tf.zeros_like(lengths))
    columns = tf.range(tf.cast(steps, tf.int64))
    inside = columns[tf.newaxis, :] < lengths[:, tf.newaxis]
    padding = tf.size(ids, tf.int64) - 1
    places = tf.where(inside, begins[:, tf.newaxis] + columns, padding)
    return tf.gather(ids, places), tf.cast(lengths, tf.int32)
