"""The LSTM with any mask against the gate equations in float64 and against Keras."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from nlp_speech.layers import LSTM

ROWS, STEPS, FEATURES, UNITS = 4, 7, 3, 5
SHAPES = [(ROWS, STEPS, FEATURES), (ROWS, UNITS), (ROWS, UNITS)]


class Case(NamedTuple):
    x: np.ndarray
    mask: np.ndarray
    state: list[np.ndarray]
    options: dict[str, Any]


@st.composite
def cases(draw: Any) -> Case:
    """Masks with holes, padded on the left or right, and with blank and full rows."""
    row = st.lists(st.booleans(), min_size=STEPS, max_size=STEPS)
    rows = [draw(row) for _ in range(ROWS - 2)]
    rows.insert(draw(st.integers(0, ROWS - 2)), [False] * STEPS)
    rows.append(draw(st.sampled_from([[True] * STEPS, [False] * 3 + [True] * 4])))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    x, *state = (rng.normal(size=shape).astype(np.float32) for shape in SHAPES)
    names = ("go_backwards", "zero_output_for_mask", "use_bias")
    options = {name: draw(st.booleans()) for name in names}
    return Case(x, np.array(rows), state, options)


def make(kind: Any, options: dict[str, Any], **others: Any) -> Any:
    """A layer; all that are made for the same options have the same weights."""
    layer = kind(UNITS, **options, **others)
    layer.build((ROWS, STEPS, FEATURES))
    rng = np.random.default_rng(3)
    layer.set_weights([rng.normal(size=w.shape) for w in layer.get_weights()])
    return layer


EVERYTHING = {"return_sequences": True, "return_state": True}


def reference(case: Case, weights: list[np.ndarray], step: Any) -> list[np.ndarray]:
    """All outputs and the last states: one step of one row after the other."""
    h, c = (s.astype(np.float64) for s in case.state)
    outputs = np.zeros([ROWS, STEPS, UNITS])
    backwards, zero = case.options["go_backwards"], case.options["zero_output_for_mask"]
    order = range(STEPS)[:: -1 if backwards else 1]
    for row in range(ROWS):
        shown = np.zeros(UNITS)
        for place, t in enumerate(order):
            if case.mask[row, t]:
                h[row], c[row] = step(case.x[row, t], h[row], c[row], weights)
                shown = h[row].copy()
            real = case.mask[row, t] or not zero
            outputs[row, place] = shown if real else 0
    return [outputs, h, c]


def inference(layer: LSTM, case: Case) -> Any:
    return layer(case.x, initial_state=case.state, mask=case.mask)


def training(layer: LSTM, case: Case) -> Any:
    return layer(case.x, initial_state=case.state, mask=case.mask, training=True)


def graph(layer: LSTM, case: Case) -> Any:
    """With shapes that the graph does not know."""
    specs = [tf.TensorSpec([None, None, FEATURES]), tf.TensorSpec([None, None])]

    @tf.function(input_signature=[*specs, *2 * [tf.TensorSpec([None, UNITS])]])
    def run(x: Any, mask: Any, h: Any, c: Any) -> Any:
        return layer(x, initial_state=(h, c), mask=mask, training=True)

    return run(case.x, case.mask.astype(np.float32), *case.state)


def compiled(layer: LSTM, case: Case) -> Any:
    run = tf.function(lambda: training(layer, case), jit_compile=True, autograph=False)
    return run()


@pytest.mark.parametrize(
    ("run", "examples"), [(inference, 15), (training, 15), (graph, 10), (compiled, 3)]
)
def test_equals_the_equations(run: Any, examples: int, lstm_step: Any) -> None:
    @settings(max_examples=examples)
    @given(cases())
    def check(case: Case) -> None:
        layer = make(LSTM, case.options, **EVERYTHING)
        expected = reference(case, layer.get_weights(), lstm_step)
        for found, wanted in zip(run(layer, case), expected, strict=True):
            np.testing.assert_allclose(found, wanted, atol=3e-6)

    check()


@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("states", [False, True])
@settings(max_examples=10)
@given(cases(), st.booleans())
def test_gives_what_keras_gives(
    sequences: bool, states: bool, case: Case, started: bool
) -> None:
    wanted = {"return_sequences": sequences, "return_state": states}
    ours, theirs = (
        make(kind, case.options, **wanted) for kind in (LSTM, keras.layers.LSTM)
    )
    start = case.state if started else None
    for how in ({}, {"training": True}):
        pairs = zip(
            tf.nest.flatten(ours(case.x, initial_state=start, mask=case.mask, **how)),
            tf.nest.flatten(theirs(case.x, initial_state=start, mask=case.mask)),
            strict=True,
        )
        for found, expected in pairs:
            np.testing.assert_allclose(found, expected, atol=2e-6)


def gradients(layer: Any, case: Case, run: Any) -> list[np.ndarray]:
    """Of a loss that looks at outputs and both states, to inputs and weights."""
    x, h, c = (tf.constant(a) for a in (case.x, *case.state))
    with tf.GradientTape() as tape:
        tape.watch([x, h, c])
        outputs, last_h, last_c = run(layer, case._replace(x=x, state=[h, c]))
        loss = tf.reduce_sum(tf.sin(3 * outputs)) + tf.reduce_sum(last_h**2)
        loss += tf.reduce_sum(tf.cos(last_c))
    found: Any = tape.gradient(loss, [x, h, c, *(w.value for w in layer.weights)])
    return [g.numpy() for g in found]


@pytest.mark.parametrize("run", [inference, training])
@settings(max_examples=10)
@given(cases(), st.booleans())
def test_gradients_are_those_of_keras(run: Any, case: Case, compiled: bool) -> None:
    ours = make(LSTM, case.options, **EVERYTHING, jit_compile=compiled)
    theirs = make(keras.layers.LSTM, case.options, **EVERYTHING)
    pairs = zip(
        gradients(ours, case, run), gradients(theirs, case, inference), strict=True
    )
    for found, expected in pairs:
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=5e-6)


@settings(max_examples=5)
@given(cases())
def test_state_is_kept_between_calls_as_in_keras(case: Case) -> None:
    ours, theirs = (
        make(kind, case.options, **EVERYTHING, stateful=True)
        for kind in (LSTM, keras.layers.LSTM)
    )
    for x in (case.x, -case.x):
        pairs = zip(ours(x, mask=case.mask), theirs(x, mask=case.mask), strict=True)
        for found, expected in pairs:
            np.testing.assert_allclose(found, expected, atol=2e-6)
