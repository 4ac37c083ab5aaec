"""What is handed to cuDNN, on machines without it; the kernel itself needs a GPU."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
import tensorflow as tf
from keras.src.backend.tensorflow.rnn import _standardize_cudnn_weights

from nlp_speech.layers import LSTM, cudnn

FEATURES, UNITS = 5, 6


def make(**options: Any) -> LSTM:
    layer = LSTM(UNITS, return_sequences=True, return_state=True, **options)
    layer.build((None, None, FEATURES))
    bias = np.random.default_rng(1).normal(size=4 * UNITS).astype(np.float32)
    layer.set_weights([*layer.get_weights()[:2], bias])
    return layer


def test_parameters_are_those_that_keras_makes() -> None:
    kernel, recurrent, bias = (tf.constant(w) for w in make().get_weights())
    expected = _standardize_cudnn_weights(
        weights=[*tf.split(kernel, 4, axis=1), *tf.split(recurrent, 4, axis=1)],
        biases=tf.split(tf.concat([tf.zeros_like(bias), bias], 0), 8),
        shape=tf.constant([-1]),
        transpose_weights=True,
    )
    found = cudnn.parameters(kernel, recurrent, bias)
    np.testing.assert_array_equal(found, expected)


class Results(NamedTuple):
    output: Any
    output_h: Any
    output_c: Any
    reserve_space: Any = None
    host_reserved: Any = None


def as_documented(**given: Any) -> Results:
    """The kernel's contract, with Keras's cell as arithmetic."""
    x, lengths = given["input"].numpy(), given["sequence_lengths"].numpy()
    assert (given["rnn_mode"], given["time_major"]) == ("lstm", True)
    assert lengths.dtype == np.int32
    assert lengths.min() >= 1
    assert lengths.max() <= len(x)
    layer = make(use_cudnn=False, dtype=given["input"].dtype.name)
    sizes = [4 * UNITS * FEATURES, 4 * UNITS * UNITS, 4 * UNITS, 4 * UNITS]
    kernel, recurrent, first, second = np.split(
        given["params"].numpy(), np.cumsum(sizes)[:-1]
    )
    layer.set_weights(
        [
            kernel.reshape(4 * UNITS, FEATURES).T,
            recurrent.reshape(4 * UNITS, UNITS).T,
            first + second,
        ]
    )
    state = (given["input_h"][0], given["input_c"][0])
    outputs, h, c = layer(x.transpose([1, 0, 2]), initial_state=state, lengths=lengths)
    return Results(tf.transpose(outputs, [1, 0, 2]), h[None], c[None])


@pytest.mark.parametrize("lengths", [[4, 0, 2], [0, 0, 0], None])
@pytest.mark.parametrize("steps", [4, 0])
def test_blank_rows_keep_their_state(
    lengths: list[int] | None, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tf.raw_ops, "CudnnRNNV3", as_documented)
    layer, rng = make(), np.random.default_rng(2)
    x = tf.constant(rng.normal(size=(3, steps, FEATURES)), tf.float32)
    h, c = (tf.constant(rng.normal(size=(3, UNITS)), tf.float32) for _ in range(2))
    real = None if lengths is None else tf.minimum(lengths, steps)
    outputs, *states = cudnn.run(x, h, c, *layer.cell_weights(), real)
    expected, *expected_states = layer(x, initial_state=(h, c), lengths=real)
    mask = tf.sequence_mask(
        [steps] * 3 if real is None else real, steps, dtype=tf.float32
    )
    assert outputs.shape == expected.shape
    np.testing.assert_allclose(outputs * mask[..., None], expected, atol=1e-6)
    for found, wanted in zip(states, expected_states, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_bfloat16_is_computed_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tf.raw_ops, "CudnnRNNV3", as_documented)
    layer = make(dtype="mixed_bfloat16")
    x = tf.random.stateless_normal([2, 4, FEATURES], (1, 2), dtype=tf.bfloat16)
    results = cudnn.run(x, *layer.initial_state(2), *layer.cell_weights())
    for found, wanted in zip(results, layer(x), strict=True):
        assert found.dtype == tf.bfloat16
        np.testing.assert_allclose(
            tf.cast(found, tf.float32), tf.cast(wanted, tf.float32), atol=0.02
        )
