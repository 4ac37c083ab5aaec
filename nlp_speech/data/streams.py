"""Texts joined to one stream and cut into rows of one length, for language models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from nlp_speech.data.ahead import EpochsAhead
from nlp_speech.text.flat import FlatIds

Encode = Callable[[int], FlatIds]


@dataclass(frozen=True)
class _Epoch:
    stream: np.ndarray
    begins: np.ndarray


class StreamBatches:
    """The pieces of a split as rows of one length; a `contract.TrainingData`.

    For each epoch the texts are shuffled and joined, and the stream is cut into rows at
    places that differ from epoch to epoch. A row repeats the last piece of the row
    before, since that is what its first prediction is made from: every piece is
    predicted once an epoch. The rows are shuffled. A batch is a dict: ``ids`` int32
    [rows, steps + 1], and ``lengths`` int32 [rows], the predictions of each row, which
    are fewer than `steps` only at the ends of the stream, and 0 in rows that fill up.

    Args:
        encode: gives the ids of each text for an epoch, eos included.
        rows: of a batch.
        steps: predictions in a row.
        seed: of the shuffles.
        end: the id that ends a text: also what the first text of all comes after.
        shuffle: False keeps texts and rows in order, and cuts at the same places.
    """

    def __init__(
        self,
        encode: Encode,
        rows: int,
        steps: int,
        seed: int,
        end: int,
        shuffle: bool = True,
    ) -> None:
        self._encode, self._end = encode, end
        self._rows, self._steps = rows, steps
        self._seed, self._shuffle = seed, shuffle
        self._epochs = EpochsAhead(self._make, self._make(0))

    def batches(self, epoch: int) -> int:
        """The number of batches of an epoch, counted from 0."""
        return -(-len(self._epochs[epoch].begins) // self._rows)

    def left_out(self, epoch: int) -> int:
        """No text is too long: 0."""
        del epoch
        return 0

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
            numbers = tf.data.Dataset.range(start, self.batches(epoch))
            return numbers.map(self._gather(data)).prefetch(tf.data.AUTOTUNE)

    def _make(self, epoch: int) -> _Epoch:
        flat = self._encode(epoch)
        random = np.random.default_rng([self._seed, epoch])
        count = len(flat)
        order = random.permutation(count) if self._shuffle else np.arange(count)
        ends = [np.full(1, self._end, np.int32)]
        stream = np.concatenate([*ends, *(flat[int(n)] for n in order)])
        shift = int(random.integers(self._steps)) if self._shuffle else 0
        begins = np.arange(-shift, len(stream) - 1, self._steps)
        if self._shuffle:
            begins = random.permutation(begins)
        return _Epoch(stream, begins)

    def _gather(self, data: _Epoch) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
        """A graph function from the number of a batch to the batch."""
        steps, rows = self._steps, self._rows
        stream = tf.constant(data.stream)
        size = len(data.stream)
        missing = -len(data.begins) % rows
        # A row that begins at the end of the stream has nothing to predict.
        begins = tf.constant(np.append(data.begins, np.full(missing, size - 1)))

        def gather(number: tf.Tensor) -> dict[str, tf.Tensor]:
            first = begins[number * rows : (number + 1) * rows]
            begin = tf.maximum(first, 0)
            lengths = tf.minimum(first + steps, size - 1) - begin
            places = begin[:, None] + tf.range(steps + 1, dtype=tf.int64)
            ids = tf.gather(stream, tf.minimum(places, size - 1))
            real = tf.sequence_mask(lengths + 1, steps + 1, dtype=tf.int32)
            ids = tf.ensure_shape(ids * real, [rows, steps + 1])
            lengths = tf.ensure_shape(tf.cast(lengths, tf.int32), [rows])
            return {"ids": ids, "lengths": lengths}

        return gather
