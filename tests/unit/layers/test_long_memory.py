"""What LSTMs are for: memory over a thousand steps.

The adding problem (Hochreiter and Schmidhuber 1997) and the copy task (Arjovsky et
al. 2016), with gate biases for the expected spans (Tallec and Ollivier 2018), drawn by
their logarithm: with long spans only, a network soon knows which symbols there were,
and not in what order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from nlp_speech.layers import LSTM

STEPS = 1000
SYMBOLS, KINDS = 3, 4  # to be copied; the paper has 10 of 8
Data = tuple[np.ndarray, np.ndarray]


def make(features: int, units: int, outputs: int, sequences: bool) -> Any:
    """An LSTM that remembers for 3 to 3 * `STEPS` steps from the start, and a head."""
    keras.utils.set_random_seed(1)
    lstm = LSTM(units, return_sequences=sequences, jit_compile=True)
    lstm.build((None, None, features))
    exponents = np.random.default_rng(0).uniform(np.log(3), np.log(3 * STEPS), units)
    spans = np.exp(exponents)
    kernel, recurrent, bias = lstm.get_weights()
    bias[:units], bias[units : 2 * units] = -np.log(spans), np.log(spans)
    lstm.set_weights([kernel, recurrent, bias])
    head = keras.layers.Dense(outputs)
    head.build((None, units))
    return lstm, head


def trained_until(
    parts: Any,
    draw: Callable[[], Data],
    loss_of: Callable[[Any, Any], Any],
    solved: float,
    updates: int,
    rate: float,
) -> list[float]:
    """Losses of training on fresh data, until ten in a row are below `solved`."""
    lstm, head = parts
    weights = [*lstm.trainable_variables, *head.trainable_variables]
    optimizer = keras.optimizers.Adam(rate, clipnorm=1.0)
    optimizer.build(weights)

    @tf.function
    def update(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = loss_of(head(lstm(x, training=True)), y)
        gradients: Any = tape.gradient(loss, [w.value for w in weights])
        optimizer.apply(gradients, weights)
        return loss

    losses: list[float] = []
    for _ in range(updates):
        losses.append(float(update(*map(tf.constant, draw()))))
        if len(losses) >= 10 and max(losses[-10:]) < solved:
            break
    return losses


def adding(rng: np.random.Generator, rows: int) -> Data:
    """Numbers in [0, 1), two of them marked, one in each half: their sum is asked."""
    values, marks = rng.random((rows, STEPS)), np.zeros((rows, STEPS))
    first = rng.integers(0, STEPS // 2, rows)
    second = rng.integers(STEPS // 2, STEPS, rows)
    marks[np.arange(rows), first] = marks[np.arange(rows), second] = 1
    x = np.stack([values, marks], -1).astype(np.float32)
    return x, (values * marks).sum(1, keepdims=True).astype(np.float32)


def copying(rng: np.random.Generator, rows: int) -> Data:
    """Symbols of a few kinds, `STEPS` blanks, a sign: then the symbols are asked."""
    ids = np.zeros((rows, STEPS + 2 * SYMBOLS), int)
    ids[:, :SYMBOLS] = rng.integers(1, KINDS + 1, (rows, SYMBOLS))
    ids[:, -SYMBOLS - 1] = KINDS + 1
    x = np.eye(KINDS + 2, dtype=np.float32)[ids]
    return x, ids[:, :SYMBOLS].astype(np.int32)


def squared(output: Any, y: Any) -> Any:
    return tf.reduce_mean((output - y) ** 2)


def recalled(logits: Any, y: Any) -> Any:
    """Mean cross-entropy of the symbols, in nats; guessing gives log 4 = 1.39."""
    last = logits[:, -y.shape[1] :]
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, last))


@pytest.mark.slow
def test_adding_problem() -> None:
    """Always answering 1 has an error of 0.167; the known solution's goes to 0."""
    rng = np.random.default_rng(2)
    parts = make(features=2, units=64, outputs=1, sequences=False)
    losses = trained_until(parts, lambda: adding(rng, 32), squared, 0.01, 4000, 3e-3)
    assert max(losses[-10:]) < 0.01, f"{len(losses)} updates: {losses[-10:]}"
    lstm, head = parts
    x, y = adding(np.random.default_rng(3), 200)
    assert np.mean((head(lstm(x)) - y) ** 2) < 0.015


@pytest.mark.slow
def test_copy_task() -> None:
    """Symbols are still known a thousand steps later."""
    rng = np.random.default_rng(4)
    parts = make(KINDS + 2, units=64, outputs=KINDS + 1, sequences=True)
    losses = trained_until(parts, lambda: copying(rng, 32), recalled, 0.1, 3000, 1e-2)
    assert max(losses[-10:]) < 0.1, f"{len(losses)} updates: {losses[-10:]}"


def test_gradient_reaches_the_first_of_a_thousand_steps() -> None:
    """The last output's, by the first input: finite, and not 0."""
    lstm, _ = make(features=2, units=32, outputs=1, sequences=False)
    x = tf.constant(adding(np.random.default_rng(5), 4)[0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(lstm(x, training=True) ** 2)
    gradient: Any = tape.gradient(loss, x)
    gradient = np.abs(gradient.numpy())
    assert np.isfinite(gradient).all()
    assert (gradient[:, 0].max(axis=-1) > 1e-8).all()
    assert gradient[:, 0].max() > 1e-4 * gradient.max()
