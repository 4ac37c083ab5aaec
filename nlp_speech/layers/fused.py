"""The LSTM recurrence in the form that becomes one operation of TFLite.

The converter knows a function by its attribute ``api_implements`` and by the order of
its arguments and results, and puts ``UNIDIRECTIONAL_SEQUENCE_LSTM`` in its place
(`tensorflow/compiler/mlir/lite/utils/lstm_utils.cc`).
"""

from __future__ import annotations

import uuid
from typing import Any

import tensorflow as tf

from nlp_speech.layers.scan import infer

Tensor = Any


def run(x: Tensor, kernel: Tensor, recurrent_kernel: Tensor, bias: Tensor) -> Tensor:
    """Runs the recurrence over time, from a state of zeros.

    The operation has no lengths and gives no cell state. In a graph that is not
    converted this is the loop of `scan.infer`.

    Args:
        x: [1, time, features].
        kernel: W, [features, 4 * units].
        recurrent_kernel: R, [units, 4 * units].
        bias: [4 * units].

    Returns:
        All outputs, [1, time, units].
    """
    function = tf.function(
        _body,
        autograph=False,
        experimental_attributes={
            # Functions of one name are taken for each other: each trace needs its own.
            "api_implements": f"lstm_{uuid.uuid4().hex}",
            "api_preferred_device": "CPU",
            "time_major": False,
            "go_backwards": False,
        },
    )
    zeros = tf.zeros([1, recurrent_kernel.shape[0]], x.dtype)
    _, outputs, *_ = function(x, zeros, zeros, kernel, recurrent_kernel, bias)
    return tf.ensure_shape(outputs, [1, x.shape[1], recurrent_kernel.shape[0]])


def _body(
    x: Tensor,
    h: Tensor,
    c: Tensor,
    kernel: Tensor,
    recurrent_kernel: Tensor,
    bias: Tensor,
) -> tuple[Tensor, ...]:
    """What Keras 2 gave: last output, all outputs, h, c and the kind of runtime."""
    x = tf.transpose(x, [1, 0, 2])
    outputs, _ = infer(x, h, c, kernel, recurrent_kernel, bias, keep_cells=False)
    outputs = tf.transpose(outputs, [1, 0, 2])
    # Whoever wants the states does not use this operation.
    return outputs[:, -1], outputs, h, c, tf.constant(1.0)
