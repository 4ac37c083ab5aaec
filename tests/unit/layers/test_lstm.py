"""The LSTM layer against Keras and against the equations in float64."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from nlp_speech.layers import LSTM, Bidirectional

FEATURES, UNITS = 5, 6


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def transcription(
    x: np.ndarray, lengths: np.ndarray, state: Any, weights: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The gate equations, one row and one step at a time, in float64."""
    kernel, recurrent, bias = (w.astype(np.float64) for w in weights)
    h, c = (np.array(s, np.float64) for s in state)
    outputs = np.zeros([*x.shape[:2], len(recurrent)])
    for row, length in enumerate(lengths):
        for t in range(length):
            z = x[row, t].astype(np.float64) @ kernel + h[row] @ recurrent + bias
            i, f, g, o = np.split(z, 4)
            c[row] = sigmoid(f) * c[row] + sigmoid(i) * np.tanh(g)
            h[row] = sigmoid(o) * np.tanh(c[row])
            outputs[row, t] = h[row]
    return outputs, h, c


def make(kind: Any, **options: Any) -> Any:
    layer = kind(UNITS, return_sequences=True, return_state=True, **options)
    layer.build((None, None, FEATURES))
    return layer


@st.composite
def batches(draw: Any) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    rows, steps = draw(st.integers(1, 4)), draw(st.integers(1, 9))
    lengths = draw(st.lists(st.integers(0, steps), min_size=rows, max_size=rows))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    x = rng.normal(size=(rows, steps, FEATURES)).astype(np.float32)
    h, c = rng.normal(size=(2, rows, UNITS)).astype(np.float32)
    return x, np.array(lengths), (h, c)


@settings(max_examples=25)
@given(batches(), st.booleans())
def test_equals_the_equations(batch: Any, training: bool) -> None:
    x, lengths, state = batch
    layer = make(LSTM)
    results = layer(x, initial_state=state, lengths=lengths, training=training)
    expected = transcription(x, lengths, state, layer.get_weights())
    for result, wanted in zip(results, expected, strict=True):
        np.testing.assert_allclose(result.numpy(), wanted, atol=2e-6)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("go_backwards", [False, True])
def test_equals_keras_with_its_weights(training: bool, go_backwards: bool) -> None:
    ours = make(LSTM, go_backwards=go_backwards)
    theirs = make(keras.layers.LSTM, go_backwards=go_backwards)
    theirs.set_weights(ours.get_weights())
    x = np.random.default_rng(1).normal(size=(3, 7, FEATURES)).astype(np.float32)
    for a, b in zip(ours(x, training=training), theirs(x), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-6)


def gradients(layer: Any, x: np.ndarray, **how: Any) -> list[np.ndarray]:
    """Of a loss that looks at outputs and both states, to input and weights."""
    mask = how.pop("real")[:, :, None]
    inputs = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs, h, c = layer(inputs, **how)
        loss = tf.reduce_sum(tf.sin(outputs * mask) + 0.1 * (outputs * mask) ** 2)
        loss += tf.reduce_sum(h * h) + tf.reduce_sum(tf.cos(c))
    sources = [inputs, *(w.value for w in layer.trainable_weights)]
    found: Any = tape.gradient(loss, sources)
    return [g.numpy() for g in found]


@pytest.mark.parametrize("lengths", [[7, 7, 7, 7], [7, 3, 0, 5]])
def test_gradients_equal_those_of_keras(lengths: list[int]) -> None:
    ours, theirs = make(LSTM), make(keras.layers.LSTM)
    theirs.set_weights(ours.get_weights())
    x = np.random.default_rng(2).normal(size=(4, 7, FEATURES)).astype(np.float32)
    real = np.arange(7)[None] < np.array(lengths)[:, None]
    a = gradients(ours, x, lengths=lengths, training=True, real=real)
    b = gradients(theirs, x, mask=tf.constant(real), real=real)
    for ours_gradient, keras_gradient in zip(a, b, strict=True):
        np.testing.assert_allclose(ours_gradient, keras_gradient, atol=3e-6)


def test_gradient_of_inference_is_that_of_training() -> None:
    layer = make(LSTM)
    x = np.random.default_rng(3).normal(size=(2, 4, FEATURES)).astype(np.float32)
    real = np.ones([2, 4])
    a = gradients(layer, x, training=True, real=real)
    b = gradients(layer, x, training=False, real=real)
    for scan, plain in zip(a, b, strict=True):
        np.testing.assert_allclose(scan, plain, atol=2e-6)


@pytest.mark.parametrize("training", [False, True])
def test_padding_changes_no_answer(training: bool) -> None:
    layer = make(LSTM)
    rng = np.random.default_rng(4)
    x = rng.normal(size=(1, 4, FEATURES)).astype(np.float32)
    noise = 100 * rng.normal(size=(1, 3, FEATURES)).astype(np.float32)
    alone = layer(x, lengths=[4], training=training)
    padded = layer(np.concatenate([x, noise], 1), lengths=[4], training=training)
    np.testing.assert_allclose(padded[0][:, :4], alone[0], atol=1e-6)
    np.testing.assert_array_equal(padded[0][:, 4:], 0)
    np.testing.assert_allclose(padded[1], alone[1], atol=1e-6)
    np.testing.assert_allclose(padded[2], alone[2], atol=1e-6)


def test_steps_equal_the_whole() -> None:
    layer = make(LSTM)
    x = np.random.default_rng(5).normal(size=(3, 6, FEATURES)).astype(np.float32)
    whole, h, c = layer(x)
    state = layer.initial_state(3)
    for t in range(6):
        y, state = layer.step(tf.constant(x[:, t]), state)
        np.testing.assert_allclose(y, whole[:, t], atol=1e-6)
    np.testing.assert_allclose(state[0], h, atol=1e-6)
    np.testing.assert_allclose(state[1], c, atol=1e-6)


def test_what_the_scan_cannot_do_is_left_to_keras() -> None:
    ours, theirs = make(LSTM, activation="relu"), make(keras.layers.LSTM)
    theirs = make(keras.layers.LSTM, activation="relu")
    theirs.set_weights(ours.get_weights())
    x = np.random.default_rng(6).normal(size=(3, 5, FEATURES)).astype(np.float32)
    lengths = np.array([5, 2, 0])
    mask = np.arange(5)[None] < lengths[:, None]
    by_lengths, by_mask = ours(x, lengths=lengths), theirs(x, mask=mask)
    np.testing.assert_allclose(by_lengths[0], by_mask[0] * mask[..., None], atol=1e-6)
    np.testing.assert_allclose(by_lengths[1], by_mask[1], atol=1e-6)


def test_mask_and_lengths_together_are_refused() -> None:
    with pytest.raises(ValueError, match="either a mask or lengths"):
        make(LSTM)(np.zeros([1, 2, FEATURES]), mask=np.ones([1, 2], bool), lengths=[2])


def test_bidirectional_reads_each_row_from_its_own_end() -> None:
    layer = Bidirectional(UNITS)
    x = np.random.default_rng(7).normal(size=(3, 6, FEATURES)).astype(np.float32)
    lengths = [6, 2, 0]
    batch = layer(x, lengths=lengths).numpy()
    for row, length in enumerate(lengths):
        np.testing.assert_array_equal(batch[row, length:], 0)
        if length:
            alone = layer(x[row : row + 1, :length]).numpy()
            np.testing.assert_allclose(batch[row, :length], alone[0], atol=1e-6)


def test_bidirectional_equals_keras() -> None:
    layer = Bidirectional(UNITS)
    layer.build((None, None, FEATURES))
    theirs = keras.layers.Bidirectional(keras.layers.LSTM(UNITS, return_sequences=True))
    theirs.build((None, None, FEATURES))
    theirs.set_weights(layer.get_weights())
    x = np.random.default_rng(8).normal(size=(2, 5, FEATURES)).astype(np.float32)
    np.testing.assert_allclose(layer(x), theirs(x), atol=1e-6)


@pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"  # h5py, inside Keras
)
def test_saved_in_a_keras_file(tmp_path: Any) -> None:
    inputs = keras.Input((None, FEATURES))
    model = keras.Model(inputs, LSTM(UNITS)(inputs))
    model.save(tmp_path / "model.keras")
    again: Any = keras.models.load_model(tmp_path / "model.keras")
    x = np.random.default_rng(9).normal(size=(2, 5, FEATURES)).astype(np.float32)
    assert isinstance(again.layers[1], LSTM)
    np.testing.assert_array_equal(model(x), again(x))
