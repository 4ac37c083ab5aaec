"""A loop over time whose cost on a device is linear in the time.

LiteRT copies whatever a loop reads or writes as a whole at every step, so that a plain
loop over thousands of steps takes quadratic time. Here an outer loop hands blocks to an
inner one, which sees nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

Tensor = Any
Tensors = tuple[Tensor, ...]
# Step: (number of the step, inputs of the step, state) -> (outputs of the step, state)
Step = Callable[[Tensor, Any, Any], tuple[Tensors, Any]]

_BLOCK = 64
# The converter to TFLite takes functions in the order of their names and fails on an
# inner loop whose name comes before "while_body".
_INNER = "within"


def run_in_blocks(
    step: Step,
    inputs: Tensors,
    state: Any,
    outputs: tuple[tuple[Any, Any], ...],
) -> tuple[Tensors, Any]:
    """Runs a step over time, without a gradient of its own.

    Args:
        step: is called with the number of the step, an int32 scalar.
        inputs: time first, [time, ...] each.
        state: before the first step; tensors in any nest.
        outputs: type and shape of each output of a step.

    Returns:
        The outputs of all steps, [time, ...] each, and the state after the last step.
    """
    known = inputs[0].shape[0]
    if known is not None and known <= _BLOCK:
        arrays, state = _loop(step, 0, known, inputs, state, outputs, known, "while")
        return arrays, state
    steps = tf.shape(inputs[0])[0]
    blocks = tf.maximum((steps + _BLOCK - 1) // _BLOCK, 1)
    missing = blocks * _BLOCK - steps
    padded = [tf.pad(x, [[0, missing], *[[0, 0]] * (len(x.shape) - 1)]) for x in inputs]

    def body(block: Tensor, state: Any, arrays: Tensors) -> tuple:
        begin = block * _BLOCK
        now = tuple(
            tf.ensure_shape(x[begin : begin + _BLOCK], [_BLOCK, *x.shape[1:]])
            for x in padded
        )
        count = tf.minimum(steps - begin, _BLOCK)
        found, state = _loop(step, begin, count, now, state, outputs, _BLOCK, _INNER)
        written = tuple(a.write(block, x) for a, x in zip(arrays, found, strict=True))
        return block + 1, state, written

    arrays = tuple(_array(blocks, kind, [_BLOCK, *shape]) for kind, shape in outputs)
    _, state, arrays = tf.while_loop(
        lambda block, *_: block < blocks, body, (tf.constant(0), state, arrays)
    )
    return tuple(_flat(array.stack())[:steps] for array in arrays), state


def _loop(
    step: Step,
    begin: Any,
    count: Any,
    inputs: Tensors,
    state: Any,
    outputs: tuple[tuple[Any, Any], ...],
    size: int,
    name: str,
) -> tuple[Tensors, Any]:
    """`count` steps, the first of which has the number `begin`; [size, ...] each."""

    def body(t: Tensor, state: Any, arrays: Tensors) -> tuple:
        found, state = step(begin + t, tuple(x[t] for x in inputs), state)
        written = tuple(a.write(t, x) for a, x in zip(arrays, found, strict=True))
        return t + 1, state, written

    arrays = tuple(_array(size, kind, shape) for kind, shape in outputs)
    _, state, arrays = tf.while_loop(
        lambda t, *_: t < count, body, (tf.constant(0), state, arrays), name=name
    )
    return tuple(array.stack() for array in arrays), state


def _array(size: Any, kind: Any, shape: Any) -> tf.TensorArray:
    return tf.TensorArray(kind, size, element_shape=shape)


def _flat(x: Tensor) -> Tensor:
    """[blocks, block, ...] as [time, ...]."""
    sizes, known = tf.shape(x), x.shape
    rest = [sizes[n] if known[n] is None else known[n] for n in range(2, len(known))]
    return tf.reshape(x, [sizes[0] * known[1], *rest])
