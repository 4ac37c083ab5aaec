"""Follows the back-pointers of a beam search."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

Tensor = Any


def trace(
    pieces: Tensor, parents: Tensor, lengths: Tensor, slots: Tensor, longest: Tensor
) -> tuple[Tensor, Tensor]:
    """Follows back-pointers from the last piece to the first.

    Args:
        pieces: chosen at each step by each of N slots, [t, N].
        parents: the slots they came from, [t, N].
        lengths: [A] pieces of each answer.
        slots: [A] the slot (of N) where each ended.
        longest: [] of the lengths.

    Returns:
        Pieces [T, A], padded with 0, and the slot before each, [T, A].
    """

    def back(time: Tensor, slot: Tensor, ids: Tensor, paths: Tensor) -> Any:
        time -= 1
        real = time < lengths
        piece = tf.where(real, tf.gather(pieces[time], slot), 0)
        slot = tf.where(real, tf.gather(parents[time], slot), slot)
        ids = tf.concat([tf.expand_dims(piece, 0), ids], 0)
        return time, slot, ids, tf.concat([tf.expand_dims(slot, 0), paths], 0)

    nothing = tf.zeros([0, slots.shape[0] or tf.size(slots)], tf.int32)
    grows = tf.TensorShape([None, slots.shape[0]])
    _, _, ids, paths = tf.while_loop(
        lambda time, *_: time > 0,
        back,
        (longest, slots, nothing, nothing),
        shape_invariants=(longest.shape, slots.shape, grows, grows),
    )
    return ids, paths
