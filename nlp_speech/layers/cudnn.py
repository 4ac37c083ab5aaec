"""The LSTM recurrence as cuDNN's kernel for GPUs."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

Tensor = Any


def run(
    x: Tensor,
    h: Tensor,
    c: Tensor,
    kernel: Tensor,
    recurrent_kernel: Tensor,
    bias: Tensor,
    lengths: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Runs the recurrence over time on a GPU, differentiably.

    Args:
        x: [batch, time, features]; padding must be finite.
        h: first output, [batch, units].
        c: first cell state, [batch, units].
        kernel: W, [features, 4 * units].
        recurrent_kernel: R, [units, 4 * units].
        bias: [4 * units].
        lengths: real steps of each row, [batch] int32, 0 to time; all if None.

    Returns:
        The outputs [batch, time, units], which mean nothing in padding, and the output
        and cell state after the last real step of each row, [batch, units] each.
    """
    kind = x.dtype
    if kind == tf.bfloat16:  # a cell state of eight bits would forget what it adds up
        inputs = (x, h, c, kernel, recurrent_kernel, bias)
        x, h, c, kernel, recurrent_kernel, bias = (
            tf.cast(value, tf.float32) for value in inputs
        )
    rows, steps = tf.shape(x)[0], tf.shape(x)[1]
    real: Tensor = tf.fill([rows], steps) if lengths is None else lengths
    # cuDNN has neither rows nor sequences without a step: they get one that is not
    # looked at.
    missing: Any = tf.cast(tf.equal(steps, 0), tf.int32)
    outputs, last_h, last_c, *_ = tf.raw_ops.CudnnRNNV3(
        input=tf.pad(tf.transpose(x, [1, 0, 2]), [[0, missing], [0, 0], [0, 0]]),
        input_h=h[None],
        input_c=c[None],
        params=parameters(kernel, recurrent_kernel, bias),
        sequence_lengths=tf.maximum(real, 1),
        rnn_mode="lstm",
        is_training=True,  # else it has no gradient
        time_major=True,
    )
    outputs = tf.transpose(outputs[:steps], [1, 0, 2])
    outputs = tf.ensure_shape(outputs, [x.shape[0], x.shape[1], h.shape[-1]])
    blank = tf.equal(real, 0)[:, None]
    states = tf.where(blank, h, last_h[0]), tf.where(blank, c, last_c[0])
    return tf.cast(outputs, kind), tf.cast(states[0], kind), tf.cast(states[1], kind)


def parameters(kernel: Tensor, recurrent_kernel: Tensor, bias: Tensor) -> Tensor:
    """Keras's weights in one vector, as cuDNN has them.

    Gates are in the same order in both. cuDNN has a second bias, which stays 0.

    Args:
        kernel: W, [features, 4 * units].
        recurrent_kernel: R, [units, 4 * units].
        bias: [4 * units].

    Returns:
        [4 * units * (features + units + 2)].
    """
    matrices = [tf.reshape(tf.transpose(w), [-1]) for w in (kernel, recurrent_kernel)]
    return tf.concat([*matrices, tf.zeros_like(bias), bias], axis=0)
