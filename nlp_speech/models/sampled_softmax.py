"""A softmax over a large vocabulary, estimated from a part of it in training."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

Tensor = Any

_LOWEST = -1e9


class Candidates:
    """Draws the pieces that the right one is compared with.

    Piece i is drawn at most once, with probability q_i, by systematic sampling (Madow
    1949); q_i is proportional to the weight of the piece up to 1, so that the most
    frequent pieces are always there and add no noise.

    Args:
        weights: of each piece, above 0, [pieces].
        count: pieces drawn, at most all.

    Attributes:
        expected: q, the probability that each piece is drawn, float64 [pieces].
    """

    def __init__(self, weights: np.ndarray, count: int) -> None:
        self.expected = _inclusion(np.asarray(weights, np.float64), count)
        self.always = np.flatnonzero(self.expected >= 1).astype(np.int32)
        self.others = np.flatnonzero(self.expected < 1).astype(np.int32)
        self._ends = np.cumsum(self.expected[self.others])
        self._drawn = count - len(self.always)

    def draw(self, seed: Any) -> tuple[Tensor, Tensor]:
        """Draws once.

        Args:
            seed: a `keras.random.SeedGenerator`.

        Returns:
            The pieces int32 [count], and the logarithm of q of each, float32 [count].
        """
        drawn = tf.constant(self.always)
        if self._drawn:
            begin = keras.random.uniform((), seed=seed)
            points = begin + tf.range(self._drawn, dtype=tf.float32)
            ends = tf.constant(self._ends, tf.float32)
            places = tf.searchsorted(ends, points, side="right")
            # Rounding may put the last point after the last end.
            places = tf.minimum(places, len(self.others) - 1)
            drawn = tf.concat([drawn, tf.gather(self.others, places)], axis=0)
        logs = tf.constant(np.log(np.minimum(self.expected, 1.0)), tf.float32)
        return drawn, tf.gather(logs, drawn)


def _inclusion(weights: np.ndarray, count: int) -> np.ndarray:
    """``min(1, c * weights)`` with c such that the sum is `count`."""
    expected = np.zeros(len(weights))
    free = np.ones(len(weights), bool)
    while free.any():
        expected[free] = weights[free] * (count - (~free).sum()) / weights[free].sum()
        over = free & (expected >= 1)
        if not over.any():
            break
        expected[over] = 1.0
        free &= ~over
    return expected


def sampled_cross_entropy(
    hidden: Tensor,
    targets: Tensor,
    table: Tensor,
    bias: Tensor,
    candidates: Tensor,
    log_expected: Tensor,
) -> Tensor:
    """Cross-entropy whose normalizer is estimated from candidates.

    The sum of exponentials over the vocabulary is that of the right piece, exactly, and
    of the candidates besides, each divided by the probability that it was drawn: its
    expectation is the full sum (Jean et al. 2015; Bengio and Senecal 2003). With every
    piece a candidate it is the cross-entropy itself.

    Args:
        hidden: [rows, features].
        targets: the right pieces, [rows].
        table: the softmax's weights, [pieces, features].
        bias: [pieces].
        candidates: different pieces, [count].
        log_expected: logarithm of the probability of each to be drawn, [count].

    Returns:
        [rows], in nats.
    """
    some = tf.gather(table, candidates)
    offsets = tf.gather(bias, candidates) - log_expected
    logits = tf.matmul(hidden, some, transpose_b=True) + offsets
    hits = tf.cast(targets[:, None] == candidates[None, :], logits.dtype)
    logits = logits + hits * _LOWEST
    right = tf.reduce_sum(hidden * tf.gather(table, targets), axis=-1)
    right = right + tf.gather(bias, targets)
    both = tf.concat([right[:, None], logits], axis=-1)
    return tf.reduce_logsumexp(both, axis=-1) - right


def full_cross_entropy(
    hidden: Tensor, targets: Tensor, table: Tensor, bias: Tensor
) -> Tensor:
    """Cross-entropy over the whole vocabulary; arguments as above, [rows] in nats."""
    logits = tf.matmul(hidden, table, transpose_b=True) + bias
    return tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
