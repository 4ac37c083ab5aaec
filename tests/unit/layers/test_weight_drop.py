"""DropConnect on the recurrent kernel."""

from __future__ import annotations

import numpy as np
import pytest

from nlp_speech.layers import LSTM, WeightDropLSTM

X = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)


def make(rate: float) -> tuple[WeightDropLSTM, LSTM]:
    dropped = WeightDropLSTM(4, weight_dropout=rate, return_sequences=True)
    plain = LSTM(4, return_sequences=True)
    for layer in (dropped, plain):
        layer.build(X.shape)
    plain.set_weights(dropped.get_weights()[:3])
    return dropped, plain


@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_without_training_it_is_an_lstm(rate: float) -> None:
    dropped, plain = make(rate)
    np.testing.assert_array_equal(dropped(X), plain(X))


def test_in_training_recurrent_weights_are_left_out() -> None:
    dropped, plain = make(0.5)
    kernel, recurrent, bias = (np.asarray(w) for w in dropped._weights(training=True))
    before = [np.asarray(w) for w in plain._weights()]
    np.testing.assert_array_equal(kernel, before[0])
    np.testing.assert_array_equal(bias, before[2])
    kept = recurrent != 0
    assert 0.3 < kept.mean() < 0.7
    np.testing.assert_allclose(recurrent[kept], 2 * before[1][kept], rtol=1e-6)
    # The first step has no recurrence, and one draw serves all the others.
    outputs = [np.asarray(dropped(X, training=True)) for _ in range(2)]
    np.testing.assert_allclose(outputs[0][:, 0], outputs[1][:, 0])
    assert np.abs(outputs[0] - outputs[1])[:, 1:].max() > 1e-3


def test_rate_zero_trains_as_an_lstm() -> None:
    dropped, plain = make(0.0)
    np.testing.assert_array_equal(dropped(X, training=True), plain(X, training=True))
    assert dropped.get_config()["weight_dropout"] == 0.0
