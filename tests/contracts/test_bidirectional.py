"""Both directions against the gate equations in float64, however they are run."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from nlp_speech.layers import Bidirectional


class Batch(NamedTuple):
    x: np.ndarray
    lengths: np.ndarray
    states: list[np.ndarray]  # h and c forwards, h and c backwards
    weights: list[np.ndarray]  # three forwards, three backwards


@st.composite
def batches(draw: Any) -> Batch:
    """Shapes, lengths (0 included), weights and initial states."""
    rows, steps = draw(st.integers(1, 4)), draw(st.integers(1, 9))
    features, units = draw(st.integers(1, 5)), draw(st.integers(1, 6))
    lengths = draw(st.lists(st.integers(0, steps), min_size=rows, max_size=rows))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    shapes = 2 * [(features, 4 * units), (units, 4 * units), (4 * units,)]
    return Batch(
        normal(rows, steps, features),
        np.array(lengths, np.int32),
        [normal(rows, units) for _ in range(4)],
        [normal(*shape) for shape in shapes],
    )


def reference(batch: Batch, step: Any) -> list[np.ndarray]:
    """Outputs and four states: one row, one direction and one step at a time."""
    states = [s.astype(np.float64) for s in batch.states]
    units = states[0].shape[-1]
    outputs = np.zeros([*batch.x.shape[:2], 2 * units])
    for row, length in enumerate(batch.lengths):
        for side, order in enumerate((range(length), range(length)[::-1])):
            weights = batch.weights[3 * side : 3 * side + 3]
            h, c = (s[row] for s in states[2 * side : 2 * side + 2])
            for t in order:
                h[:], c[:] = step(batch.x[row, t], h, c, weights)
                outputs[row, t, side * units : (side + 1) * units] = h
    return [outputs, *states]


def make(batch: Batch, **options: Any) -> Bidirectional:
    layer = Bidirectional(batch.states[0].shape[-1], return_state=True, **options)
    layer.build((None, None, batch.x.shape[-1]))
    layer.set_weights(batch.weights)
    return layer


def called(layer: Bidirectional, batch: Batch, training: bool) -> Any:
    how: Any = {"lengths": batch.lengths, "training": training}
    return layer(batch.x, initial_state=batch.states, **how)


def graph(layer: Bidirectional, batch: Batch, training: bool) -> Any:
    """With shapes that the graph does not know."""
    x = tf.TensorSpec([None, None, batch.x.shape[-1]])
    state = tf.TensorSpec([None, layer.units])

    @tf.function(input_signature=[x, tf.TensorSpec([None], tf.int32), *4 * [state]])
    def run(x: Any, lengths: Any, *states: Any) -> Any:
        return layer(x, lengths=lengths, training=training, initial_state=states)

    return run(batch.x, batch.lengths, *batch.states)


def compiled(layer: Bidirectional, batch: Batch, training: bool) -> Any:
    """Everything compiled by XLA."""
    call = functools.partial(called, layer, batch, training)
    return tf.function(call, jit_compile=True, autograph=False)()


@pytest.mark.parametrize(
    ("run", "options", "examples"),
    [
        (called, {}, 10),
        (graph, {}, 5),
        (compiled, {}, 3),
        (called, {"jit_compile": True}, 3),
    ],
)
def test_equals_the_equations(
    run: Any, options: dict[str, Any], examples: int, lstm_step: Any
) -> None:
    @settings(max_examples=examples)
    @given(batches(), st.booleans())
    def check(batch: Batch, training: bool) -> None:
        results = run(make(batch, **options), batch, training)
        for result, wanted in zip(results, reference(batch, lstm_step), strict=True):
            np.testing.assert_allclose(result, wanted, atol=3e-6)

    check()


def test_outputs_alone_are_the_same() -> None:
    rng = np.random.default_rng(0)
    x, lengths = rng.normal(size=(3, 5, 2)).astype(np.float32), np.array([5, 0, 2])
    layer = Bidirectional(4, return_state=True)
    alone = Bidirectional(4)
    for each in (layer, alone):
        each.build((None, None, 2))
    alone.set_weights(layer.get_weights())
    for training in (False, True):
        outputs, *_ = layer(x, lengths=lengths, training=training)
        found = alone(x, lengths=lengths, training=training)
        np.testing.assert_allclose(found, outputs, atol=1e-6)
