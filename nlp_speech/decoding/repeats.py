"""Which pieces would repeat what a sequence said before."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

Tensor = Any

# The score of a slot without hypothesis. Not minus infinity: the TFLite converter
# silently turns that into the least float, which then passes for a score.
NO_SCORE = -1e9


def repeats(prefix: Tensor, n: int, size: int) -> Tensor:
    """What would make a sequence hold the same n pieces in a row twice.

    Args:
        prefix: the sequences, [N, t] int32.
        n: 1 or more.
        size: V, of the vocabulary.

    Returns:
        [N, V], `NO_SCORE` or less for each piece that would, else 0.
    """
    rows = prefix.shape[0] or tf.shape(prefix)[0]
    # n - 1 pieces more in front, which equal no piece, keep all slices legal
    padded = tf.pad(prefix, [[0, 0], [n - 1, 0]], constant_values=-1)
    steps = tf.shape(prefix)[1]
    same = tf.ones([rows, steps], tf.bool)
    for k in range(n - 1):
        last = padded[:, steps + k : steps + k + 1]
        same &= tf.equal(padded[:, k : k + steps], last) & (last >= 0)
    places = prefix + tf.range(rows)[:, tf.newaxis] * size
    flat = tf.scatter_nd(
        tf.reshape(places, [-1, 1]),
        tf.reshape(tf.where(same, NO_SCORE, 0.0), [-1]),
        [rows * size],
    )
    return tf.reshape(flat, [rows, size])
