"""Masks of any shape, brought to the one form that a recurrence runs on.

A masked step leaves an LSTM's state as it is. So a row with masked steps anywhere gives
what its real steps give one after the other: they are moved to the front, run as a row
of that length, and their outputs go back to where they belong.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

Tensor = Any


def as_booleans(mask: Any) -> Tensor:
    """A mask in any form that Keras takes.

    Args:
        mask: [batch, time] or [batch, time, 1], of numbers or booleans; or a list that
            begins with such a mask.

    Returns:
        [batch, time], True at real steps.
    """
    first = tf.nest.flatten(mask)[0] if isinstance(mask, (list, tuple)) else mask
    real = tf.cast(tf.convert_to_tensor(first), tf.bool)
    return tf.squeeze(real, axis=2) if real.shape.rank == 3 else real


def count(mask: Tensor) -> Tensor:
    """The number of real steps of each row of [batch, time]: [batch] int32."""
    return tf.reduce_sum(tf.cast(mask, tf.int32), axis=1)


def pack(x: Tensor, mask: Tensor) -> Tensor:
    """Moves the real steps of each row to its front, in their order.

    Args:
        x: [batch, time, features].
        mask: [batch, time] of booleans.

    Returns:
        [batch, time, features]; the masked steps come after the real ones.
    """
    now, steps = tf.range(tf.shape(x)[1]), tf.shape(x)[1]
    order = tf.argsort(tf.where(mask, now, now + steps), axis=1)
    return tf.ensure_shape(tf.gather(x, order, batch_dims=1), x.shape)


def spread(packed: Tensor, mask: Tensor, repeat: bool) -> Tensor:
    """Moves the steps that `pack` moved back to where they were.

    Args:
        packed: [batch, time, units], each row's real steps at its front.
        mask: [batch, time] of booleans.
        repeat: whether masked steps get what the last real step before them has.

    Returns:
        [batch, time, units]; 0 at masked steps that nothing is repeated at.
    """
    place = tf.cumsum(tf.cast(mask, tf.int32), axis=1)  # of 0 and then the real steps
    if not repeat:
        place = tf.where(mask, place, 0)
    known = tf.pad(packed, [[0, 0], [1, 0], [0, 0]])
    return tf.ensure_shape(tf.gather(known, place, batch_dims=1), packed.shape)
