"""A language model against Keras's LSTM, against itself step by step, and padded."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from nlp_speech.models.language_model import LanguageModel
from nlp_speech.models.recurrent import LSTMStack
from nlp_speech.models.sampled_softmax import Candidates

PIECES, UNITS = 30, 6
LENGTHS = np.array([20, 7, 1, 0], np.int32)
IDS = np.random.default_rng(0).integers(4, PIECES, size=(4, 21)).astype(np.int32)
IDS *= np.arange(21) <= LENGTHS[:, None]


def make(layers: int = 2, candidates: Candidates | None = None) -> LanguageModel:
    keras.utils.set_random_seed(1)
    model = LanguageModel(
        pieces=PIECES,
        embedding_units=5,
        forward=LSTMStack([UNITS] * layers, 0.3, 0.3, name="forward"),
        backward=LSTMStack([UNITS] * layers, 0.3, 0.3, name="backward"),
        window=8,
        word_dropout=0.2,
        embedding_dropout=0.2,
        output_dropout=0.2,
        candidates=candidates,
        name="language_model",
    )
    model.build()
    return model


def plain_log_probs(model: LanguageModel, ids: np.ndarray) -> np.ndarray:
    """Of the next piece after each of a row, [time, pieces], with Keras's own LSTM."""
    table = np.asarray(model.table, np.float64)
    y: Any = (table[ids] * 5**0.5)[None].astype(np.float32)
    for layer in model.forward.lstms:
        plain = keras.layers.LSTM(layer.units, return_sequences=True)
        plain.build(y.shape)
        plain.set_weights(layer.get_weights()[:3])
        y = np.asarray(plain(y))
    hidden = y[0].astype(np.float64) @ np.asarray(model.projections[0].kernel)
    logits = hidden @ table.T + np.asarray(model.bias)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def test_it_is_keras_lstms_and_a_softmax() -> None:
    model = make()
    model.bias.assign(np.linspace(-1, 1, PIECES))
    losses = np.asarray(model(IDS, LENGTHS))
    expected = plain_log_probs(model, IDS[0, :-1])
    right = IDS[0, 1:]
    np.testing.assert_allclose(
        -losses[0, 0], expected[np.arange(20), right], rtol=1e-5, atol=1e-5
    )
    scores = model.score(IDS, LENGTHS)
    np.testing.assert_allclose(scores, -losses[0].sum(axis=1), rtol=1e-5)
    assert losses.shape == (2, 4, 20)


def test_backward_is_forward_from_the_other_end() -> None:
    model, other = make(), make()
    assert model.backward is not None
    for a, b in zip(model.backward.weights, other.forward.weights, strict=True):
        b.assign(a)
    for a, b in zip(
        model.projections[1].weights, other.projections[0].weights, strict=True
    ):
        b.assign(a)
    losses = np.asarray(model(IDS, LENGTHS))[1]
    for row, length in enumerate(LENGTHS):
        turned = IDS[row : row + 1, length::-1] if length else IDS[row : row + 1, :1]
        expected = np.asarray(other(turned, np.array([length], np.int32)))[0, 0]
        np.testing.assert_allclose(losses[row, :length], expected[::-1], atol=1e-5)
        assert not losses[row, length:].any()
    scores = np.asarray(model.score_backward(IDS, LENGTHS))
    np.testing.assert_allclose(scores, -losses.sum(axis=1), rtol=1e-5, atol=1e-6)


def test_steps_are_the_whole() -> None:
    model = make()
    state = model.forward.initial_state(1)
    total = 0.0
    for now, following in zip(IDS[0], IDS[0, 1:], strict=False):
        log_probs, state = model.step(np.array([now], np.int32), state)
        assert np.exp(log_probs).sum() == pytest.approx(1, rel=1e-5)
        total += float(log_probs[0, following])
    assert total == pytest.approx(float(model.score(IDS, LENGTHS)[0]), rel=1e-5)


def test_what_is_not_read_does_not_count() -> None:
    model = make()
    spoilt = np.where(np.arange(21) <= LENGTHS[:, None], IDS, 9).astype(np.int32)
    for function in (model.score, model.score_backward):
        np.testing.assert_allclose(
            function(spoilt, LENGTHS), function(IDS, LENGTHS), rtol=1e-6
        )
    assert float(model.score(IDS, LENGTHS)[3]) == 0


def test_a_forward_model_has_one_direction() -> None:
    model = make()
    one = LanguageModel(
        PIECES, 5, LSTMStack([UNITS], 0, 0, name="forward"), None, 8, 0, 0, 0
    )
    one.build()
    assert one(IDS, LENGTHS).shape == (1, 4, 20)
    assert len(one.weights) < len(model.weights)


def test_training_can_be_repeated_and_has_gradients_everywhere() -> None:
    losses = []
    candidates = Candidates(1 / np.arange(1.0, PIECES + 1), 12)
    model, same = (make(candidates=candidates) for _ in range(2))
    for each in (model, same):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(each.losses_of(IDS, LENGTHS, training=True))
        variables = [v.value for v in each.trainable_variables]
        gradients = tape.gradient(loss, variables)
        assert all(np.abs(tf.convert_to_tensor(g)).max() > 0 for g in gradients)
        losses.append(float(loss))
    assert losses[0] == losses[1]
    again = float(tf.reduce_sum(model.losses_of(IDS, LENGTHS, training=True)))
    assert again != losses[0]
