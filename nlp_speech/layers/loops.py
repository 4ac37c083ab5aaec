"""The loops of the recurrence, forward and backward, step by step or compiled."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

Tensor = Any


class Saved(NamedTuple):
    """What the backward loop reads of every step, [batch, ...] each.

    The arrays are kept as they are: stacked, everything would be copied twice. Only
    compiled loops, which can hand over nothing else, give tensors instead.
    """

    cells: Any  # the first is the one before all steps
    gates: Any  # i, f, o side by side
    candidates: Any  # g


def _forward(
    projected: Tensor, h: Tensor, c: Tensor, recurrent_kernel: Tensor
) -> tuple[Tensor, Saved]:
    """All outputs, and what the backward loop needs."""
    steps, units, dtype = tf.shape(projected)[0], h.shape[-1], h.dtype
    rows, c = h.shape[0], wide(c)
    inputs = _unstack(projected)
    widths = ((units, dtype), (units, c.dtype), (3 * units, dtype), (units, dtype))
    sizes = (steps, steps + 1, steps, steps)
    outputs, cells, gates, candidates = (
        new_array(size, kind, [rows, width])
        for size, (width, kind) in zip(sizes, widths, strict=True)
    )
    arrays = (outputs, cells.write(0, c), gates, candidates)

    def body(t: Tensor, h: Tensor, c: Tensor, arrays: tuple) -> tuple:
        outputs, cells, all_gates, candidates = arrays
        z = wide(inputs.read(t) + tf.matmul(h, recurrent_kernel))
        z_gates, z_candidate = tf.split(z, [3 * units, units], axis=-1)
        gates, candidate = tf.sigmoid(z_gates), tf.tanh(z_candidate)
        i, f, o = tf.split(gates, 3, axis=-1)
        c = f * c + i * candidate
        h = tf.cast(o * tf.tanh(c), dtype)
        written = (
            outputs.write(t, h),
            cells.write(t + 1, c),
            all_gates.write(t, tf.cast(gates, dtype)),
            candidates.write(t, tf.cast(candidate, dtype)),
        )
        return t + 1, h, c, written

    *_, arrays = tf.while_loop(
        lambda t, *_: t < steps,
        body,
        (tf.constant(0), h, c, arrays),
        maximum_iterations=steps,
    )
    return arrays[0].stack(), Saved(*arrays[1:])


def _backward(
    d_outputs: Tensor,
    d_cells: Tensor | None,
    saved: Saved,
    turned: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of ``z`` at every step, [time, batch, 4 * units], and of h and c."""
    steps, dtype = tf.shape(d_outputs)[0], d_outputs.dtype
    read_outputs = _unstack(d_outputs)
    read_cells = None if d_cells is None else _unstack(d_cells)
    shape = [d_outputs.shape[1], turned.shape[0]]
    last_c = saved.cells.read(steps)

    def body(t: Tensor, dh: Tensor, dc: Tensor, c: Tensor, array: Any) -> tuple:
        before = saved.cells.read(t)
        gates, g = wide(saved.gates.read(t)), wide(saved.candidates.read(t))
        i, f, o = tf.split(gates, 3, axis=-1)
        tanh_c = tf.tanh(c)
        dh = wide(dh + read_outputs.read(t))
        dc = dc + _through_tanh(tanh_c, dh * o)
        if read_cells is not None:
            dc = dc + read_cells.read(t)
        d_gates = tf.concat([dc * g, dc * before, dh * tanh_c], axis=-1)
        dz = tf.concat(
            [_through_sigmoid(gates, d_gates), _through_tanh(g, dc * i)], axis=-1
        )
        dz = tf.cast(dz, dtype)
        return t - 1, tf.matmul(dz, turned), dc * f, before, array.write(t, dz)

    zeros = tf.zeros_like(last_c)
    _, dh, dc, _, array = tf.while_loop(
        lambda t, *_: t >= 0,
        body,
        (
            steps - 1,
            tf.cast(zeros, dtype),
            zeros,
            last_c,
            new_array(steps, dtype, shape),
        ),
        maximum_iterations=steps,
    )
    return array.stack(), dh, dc


def _through_sigmoid(y: Tensor, dy: Tensor) -> Tensor:
    """``dy * y * (1 - y)`` in one pass."""
    return tf.raw_ops.SigmoidGrad(y=y, dy=dy)


def _through_tanh(y: Tensor, dy: Tensor) -> Tensor:
    """``dy * (1 - y * y)`` in one pass."""
    return tf.raw_ops.TanhGrad(y=y, dy=dy)


def _compiled_forward(*inputs: Tensor) -> tuple[Tensor, Saved]:
    outputs, saved = _forward(*inputs)
    return outputs, Saved(*map(stack, saved))


def _compiled_backward(
    d_outputs: Tensor, d_cells: Tensor | None, saved: Saved, turned: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    return _backward(d_outputs, d_cells, Saved(*map(_unstack, saved)), turned)


# One compiled function for all layers: those of one shape share what XLA makes of it.
# (With `reduce_retracing` layers of different sizes would share a trace of no size.)
_jit_forward = tf.function(_compiled_forward, jit_compile=True, autograph=False)
_jit_backward = tf.function(_compiled_backward, jit_compile=True, autograph=False)


def _forward_in_xla(*inputs: Tensor) -> tuple[Tensor, Saved]:
    # An eager tape would ask XLA for a gradient of its own, which XLA cannot give.
    return _jit_forward(*map(tf.stop_gradient, inputs))


def loops_of(jit_compile: bool) -> tuple[Any, Any]:
    """The forward and the backward loop.

    Forward: of the projected input [time, batch, 4 * units] (gates in the order i, f,
    o, g), h, c and R, all outputs [time, batch, units] and what is saved. Backward: of
    the gradients of outputs and cell states (or None), what was saved and R transposed,
    the gradients of ``z`` at every step, of h and of c.

    Args:
        jit_compile: whether XLA compiles them, once for each shape.
    """
    if jit_compile:
        return _forward_in_xla, _jit_backward
    return _forward, _backward


def wide(x: Tensor) -> Tensor:
    """16-bit floats as float32; all else as it is."""
    return tf.cast(x, tf.float32) if x.dtype.size < 4 else x


def new_array(steps: Tensor, dtype: Any, shape: Any) -> tf.TensorArray:
    """An array of `steps` tensors of one shape."""
    return tf.TensorArray(
        dtype, size=steps, element_shape=shape, clear_after_read=False
    )


def _unstack(x: Tensor) -> tf.TensorArray:
    return new_array(tf.shape(x)[0], x.dtype, x.shape[1:]).unstack(x)


def stack(array: Any) -> Tensor:
    """An array as one tensor; a tensor as it is."""
    return array.stack() if isinstance(array, tf.TensorArray) else array
