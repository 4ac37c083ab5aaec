"""A stack of LSTMs against Keras's, and in portions."""

from __future__ import annotations

import keras
import numpy as np

from nlp_speech.models.recurrent import LSTMStack

X = np.random.default_rng(0).normal(size=(3, 9, 4)).astype(np.float32)
LENGTHS = np.array([9, 4, 0], np.int32)


def make() -> LSTMStack:
    stack = LSTMStack([5, 6], 0.5, 0.5)
    stack.build(X.shape)
    return stack


def test_it_is_keras_lstms() -> None:
    stack = make()
    found, _ = stack(X, LENGTHS)
    y = X
    for layer in stack.lstms:
        plain = keras.layers.LSTM(layer.units, return_sequences=True)
        plain.build(y.shape)
        plain.set_weights(layer.get_weights()[:3])
        y = np.asarray(plain(y))
    np.testing.assert_allclose(found[0], y[0], atol=1e-6)
    np.testing.assert_allclose(found[1, :4], y[1, :4], atol=1e-6)
    assert not np.asarray(found[1, 4:]).any()
    assert not np.asarray(found[2]).any()


def test_it_goes_on_where_it_stopped() -> None:
    stack = make()
    whole, end = stack(X, LENGTHS)
    state = stack.initial_state(3)
    parts = []
    for begin, size in ((0, 2), (2, 5), (7, 2)):
        lengths = np.clip(LENGTHS - begin, 0, size).astype(np.int32)
        y, state = stack(X[:, begin : begin + size], lengths, state)
        parts.append(y)
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, atol=1e-6)
    for found, expected in zip(state, end, strict=True):
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)
