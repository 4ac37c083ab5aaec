"""Padded batches of pairs as a `tf.data.Dataset`, gathered in the graph."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from nlp_speech.data.batching import EMPTY_ROW, EpochPlan, fit_shapes
from nlp_speech.data.encoding import FlatIds
from nlp_speech.errors import UserError
from nlp_speech.sections import BatchSection

Encode = Callable[[int], tuple[FlatIds, FlatIds]]
Batch = dict[str, tf.Tensor]


@dataclass(frozen=True)
class _Epoch:
    source: FlatIds
    target: FlatIds
    plan: EpochPlan


class PairBatches:
    """The examples of a split as padded batches; a `contract.TrainingData`.

    A batch is a dict: `source` int32 [rows, source steps] (pieces and eos),
    `source_lengths` int32 [rows], `target` int32 [rows, target steps] (pieces and eos),
    `target_lengths` int32 [rows]. Padding is 0; rows that fill up a batch are all
    padding and have length 0. Every epoch uses the same few shapes.

    Everything is decided by `encode`, `seed` and the epoch. Python works once an epoch,
    in a background thread and ahead of time; batches are gathered in the graph.

    Args:
        encode: gives the ids of source and target for an epoch, eos included. It is
            called from another thread, one call at a time.
        section: token budget, longest pair, number of shapes.
        seed: of the shuffle.

    Attributes:
        shapes: the shapes of batches.

    Raises:
        UserError: every pair is longer than `section.max_length`.
    """

    def __init__(self, encode: Encode, section: BatchSection, seed: int) -> None:
        self._encode = encode
        self._seed = seed
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="next-epoch")
        self._epochs: dict[int, Future[_Epoch]] = {}
        source, target = encode(0)
        self.shapes = fit_shapes(source.lengths, target.lengths, section)
        first = self._layout(0, source, target)
        if not len(first.plan):
            raise UserError(
                f"all {len(source)} training pairs are longer than "
                f"batch.max_length {section.max_length}; raise it"
            )
        self._epochs[0] = Future()
        self._epochs[0].set_result(first)

    def batches(self, epoch: int) -> int:
        """The number of batches of an epoch, counted from 0."""
        return len(self._epoch(epoch).plan)

    def left_out(self, epoch: int) -> int:
        """The pairs of an epoch that are longer than the longest shape."""
        return self._epoch(epoch).plan.left_out

    def dataset(self, epoch: int, start: int = 0) -> tf.data.Dataset:
        """The batches of an epoch, in their one fixed order.

        Args:
            epoch: counted from 0.
            start: the number of the first batch wanted.

        Returns:
            `batches(epoch)` - `start` batches, prefetched.
        """
        data = self._epoch(epoch)
        self._prepare(epoch + 1)
        with tf.device("CPU:0"):
            gather = _gather(data)
            numbers = tf.data.Dataset.range(start, len(data.plan))
            batches = numbers.map(gather, num_parallel_calls=tf.data.AUTOTUNE)
            return batches.prefetch(tf.data.AUTOTUNE)

    def _layout(self, epoch: int, source: FlatIds, target: FlatIds) -> _Epoch:
        lengths = source.lengths, target.lengths
        plan = EpochPlan(*lengths, self.shapes, self._seed, epoch)
        return _Epoch(source, target, plan)

    def _epoch(self, epoch: int) -> _Epoch:
        self._prepare(epoch)
        return self._epochs[epoch].result()

    def _prepare(self, epoch: int) -> None:
        """Starts to prepare an epoch, and forgets those before the previous one."""
        if epoch not in self._epochs:
            self._epochs = {n: e for n, e in self._epochs.items() if n == epoch - 1}
            self._epochs[epoch] = self._worker.submit(
                lambda: self._layout(epoch, *self._encode(epoch))
            )


def _gather(data: _Epoch) -> Callable[[tf.Tensor], Batch]:
    """A graph function from the number of a batch to the batch.

    The arrays become tensors here, and so inputs of the function, not constants in it.
    """
    examples = tf.constant(data.plan.examples)
    begins = tf.constant(data.plan.offsets)
    sides = {
        "source": (_tensors(data.source), [s.source_length for s in data.plan.shapes]),
        "target": (_tensors(data.target), [s.target_length for s in data.plan.shapes]),
    }
    steps = {
        name: tf.constant(lengths, tf.int32) for name, (_, lengths) in sides.items()
    }

    def gather(number: tf.Tensor) -> Batch:
        rows = examples[begins[number] : begins[number + 1]]
        batch: Batch = {}
        for name, (tensors, _) in sides.items():
            padded, lengths = _padded(*tensors, rows, steps[name][number])
            batch[name] = padded
            batch[f"{name}_lengths"] = lengths
        return batch

    return gather


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
