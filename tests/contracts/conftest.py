"""What the contracts of several layers are held against."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

Array = np.ndarray
LSTMStep = Callable[[Array, Array, Array, Sequence[Array]], tuple[Array, Array]]


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _step(
    x: Array, h: Array, c: Array, weights: Sequence[Array]
) -> tuple[Array, Array]:
    kernel, recurrent, *bias = (w.astype(np.float64) for w in weights)
    z = x.astype(np.float64) @ kernel + h @ recurrent + sum(bias)
    i, f, g, o = np.split(z, 4)
    c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
    return _sigmoid(o) * np.tanh(c), c


@pytest.fixture(scope="session")
def lstm_step() -> LSTMStep:
    """The gate equations of an LSTM in float64: one step of one row.

    Given are the input [features], h and c [units] and Keras's weights, with or without
    a bias; out come h and c. Source: Gers et al. 2000, without peepholes.
    """
    return _step
