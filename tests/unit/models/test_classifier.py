"""The classifier: windows read one after the other are the text read at once."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from nlp_speech.models.calibration import fit_temperature
from nlp_speech.models.classifier import (
    Classifier,
    weighted_cross_entropy,
    worst_case,
)
from nlp_speech.models.pooling import Pooling
from nlp_speech.models.recurrent import LSTMStack
from nlp_speech.training.precision import dtype_policy

SIZE, WINDOW = 30, 8


def make(layers: int = 1, backward: bool = True, **changes: Any) -> Classifier:
    def stack(name: str, units: int) -> LSTMStack:
        return LSTMStack([units] * layers, 0.3, 0.3, name=name)

    options: dict[str, Any] = {
        "pieces": SIZE,
        "classes": 3,
        "embedding_units": 6,
        "forward": stack("forward", 7),
        "backward": stack("backward", 5) if backward else None,
        "pooling": Pooling(4, name="pooling"),
        "window": WINDOW,
        "hidden_units": 9,
        "word_dropout": 0.3,
        "embedding_dropout": 0.3,
        "output_dropout": 0.3,
        "name": "c",
    } | changes
    keras.utils.set_random_seed(1)
    model = Classifier(**options)
    model.build()
    return model


def batch(*lengths: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    ids = rng.integers(4, SIZE, (len(lengths), max(lengths))).astype(np.int32)
    for row, length in zip(ids, lengths, strict=True):
        row[length:] = 0
    return ids, np.array(lengths, np.int32)


VARIANTS = [
    {},
    {"layers": 2},
    {"layers": 2, "backward": False},
    {"hidden_units": 0},
]
LENGTHS = (27, 0, 8, 9, 1, 16)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("changes", VARIANTS)
def test_half_precision_is_near_single(changes: dict[str, Any], policy: str) -> None:
    single = make(**changes)
    with dtype_policy(policy):
        half = make(**changes)
    half.set_weights(single.get_weights())
    ids, lengths = batch(*LENGTHS)
    expected = single(ids, lengths)
    np.testing.assert_allclose(half(ids, lengths), expected, atol=0.05)
    assert half(ids, lengths, training=True).dtype == tf.float32
    np.testing.assert_allclose(half.read(ids, lengths), expected, atol=0.05)


@pytest.mark.parametrize("changes", VARIANTS)
def test_window_by_window_is_all_at_once(changes: dict[str, Any]) -> None:
    model = make(**changes)
    ids, lengths = batch(*LENGTHS)
    expected = model(ids, lengths)
    assert np.ptp(expected.numpy(), axis=0).min() > 1e-3
    np.testing.assert_allclose(model.read(ids, lengths), expected, atol=1e-6)
    graph = tf.function(
        model,
        input_signature=[
            tf.TensorSpec([None, None], tf.int32),
            tf.TensorSpec([None], tf.int32),
        ],
    )
    np.testing.assert_allclose(graph(ids, lengths), expected, atol=1e-6)
    compiled = tf.function(model, jit_compile=True)
    np.testing.assert_allclose(compiled(ids, lengths), expected, atol=1e-5)


@pytest.mark.parametrize("length", [1, 5, 8, 9, 24])
def test_padding_and_other_rows_change_nothing(length: int) -> None:
    model = make(layers=2)
    ids, lengths = batch(length)
    alone = model(ids, lengths)
    for extra in (1, 3, 11):
        padded = np.pad(ids, ((0, 1), (0, extra)), constant_values=7)
        both = np.array([length, length + extra], np.int32)
        for run in (model, model.read):
            np.testing.assert_allclose(run(padded, both)[:1], alone, atol=1e-6)


def test_every_piece_counts_in_a_long_text() -> None:
    model = make()
    ids, lengths = batch(5 * WINDOW)
    base = model(ids, lengths).numpy()
    for place in range(5 * WINDOW):
        changed = ids.copy()
        changed[0, place] = 4 if ids[0, place] != 4 else 5
        assert not np.allclose(model(changed, lengths), base, atol=1e-7)


def test_the_forward_state_is_carried_and_the_backward_is_not() -> None:
    model = make()
    ids, lengths = batch(2 * WINDOW)
    x = model.embed(ids)

    def steps(embedded: Any) -> tuple[Any, Any]:
        forward, _ = model.forward(embedded, lengths)
        return forward, model._backward_windows(embedded, lengths, False)

    before = steps(x)
    first = np.ones(x.shape, np.float32)
    first[:, :WINDOW] = 0
    after = steps(x * first)
    # Without the first window the second one differs to the one side only.
    assert np.abs(before[0] - after[0])[:, WINDOW:].max() > 1e-4
    np.testing.assert_array_equal(before[1][:, WINDOW:], after[1][:, WINDOW:])
    last = steps(x * first[:, ::-1])
    np.testing.assert_array_equal(before[1][:, :WINDOW], last[1][:, :WINDOW])


def test_pooling_against_numpy() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 6, 5)).astype(np.float32)
    lengths = [6, 2, 0]
    pooling = Pooling(4)
    pooling.build(x.shape)
    found = pooling(x, np.array(lengths, np.int32)).numpy()
    kernel, bias, vector = (w.numpy().astype(np.float64) for w in pooling.weights)
    for row, length in enumerate(lengths[:2]):
        steps = x[row, :length].astype(np.float64)
        scores = np.exp(np.tanh(steps @ kernel + bias) @ vector)
        parts = [
            (steps * scores / scores.sum()).sum(axis=0),
            steps.max(axis=0),
            steps.mean(axis=0),
        ]
        np.testing.assert_allclose(found[row], np.concatenate(parts), atol=1e-5)
    assert not found[2].any()


def test_pooling_takes_steps_in_any_portions() -> None:
    rng = np.random.default_rng(0)
    # Scores so large that their exponentials alone would overflow.
    x = 300 * rng.normal(size=(2, 9, 3)).astype(np.float32)
    pooling = Pooling(4)
    pooling.build(x.shape)
    pooling.vector.assign(100 * pooling.vector)
    whole = pooling(x, np.array([9, 5], np.int32))
    state = pooling.initial_state(2)
    for begin, end in ((0, 4), (4, 5), (5, 9)):
        lengths = np.clip(np.array([9, 5]) - begin, 0, end - begin).astype(np.int32)
        state = pooling.add(state, x[:, begin:end], lengths)
    np.testing.assert_allclose(pooling.result(state), whole, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("xla", [False, True])
def test_gradients_are_finite_and_reach_everything(xla: bool) -> None:
    model = make(layers=2)
    ids, lengths = batch(*LENGTHS)
    targets = tf.one_hot([0, 0, 1, 2, 1, 0], 3)

    @tf.function(jit_compile=xla)
    def gradients() -> Any:
        with tf.GradientTape() as tape:
            logits = model(ids, lengths, training=True)
            weights = tf.cast(lengths > 0, tf.float32)
            total, _ = weighted_cross_entropy(logits, targets, weights, 0.1)
        values = [v.value for v in model.trainable_variables]
        return [tf.convert_to_tensor(g) for g in tape.gradient(total, values)]

    for variable, gradient in zip(model.trainable_variables, gradients(), strict=True):
        assert np.isfinite(gradient).all(), variable.path
        assert np.abs(gradient).max() > 0, variable.path


def test_the_temperature_is_a_weight_that_is_not_trained() -> None:
    model = make()
    ids, lengths = batch(5, 3)
    assert model.temperature.path in {w.path for w in model.weights}
    assert model.temperature.path not in {w.path for w in model.trainable_weights}
    logits = model(ids, lengths).numpy()
    model.temperature.assign(2.5)
    expected = tf.nn.softmax(logits / 2.5)
    np.testing.assert_allclose(model.probabilities(ids, lengths), expected, rtol=1e-5)
    np.testing.assert_array_equal(model(ids, lengths), logits)


def test_words_are_left_out_in_training_only() -> None:
    model = make(embedding_dropout=0.0, word_dropout=0.5)
    ids = np.tile(np.arange(SIZE, dtype=np.int32), (2, 2))
    plain, dropped = model.embed(ids).numpy(), model.embed(ids, training=True).numpy()
    out = ~dropped.any(axis=-1)
    assert 5 < out[0, :SIZE].sum() < SIZE - 5
    # The same words in all rows and at all places; the others weigh more for it.
    assert (out == out[:1, list(range(SIZE)) * 2]).all()
    np.testing.assert_allclose(dropped[~out], 2 * plain[~out], rtol=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_weighted_cross_entropy_against_keras(smoothing: float) -> None:
    logits = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    targets = np.array([[1, 0, 0], [0, 0, 1], [0.1, 0.7, 0.2], [0, 0, 1]], np.float32)
    weights = np.array([1, 0.5, 2, 0], np.float32)
    total, count = weighted_cross_entropy(
        tf.constant(logits), targets, tf.constant(weights), smoothing
    )
    loss: Any = keras.losses.CategoricalCrossentropy(True, smoothing, reduction="sum")
    expected = loss(targets, logits, sample_weight=weights)
    assert float(total) == pytest.approx(float(expected), rel=1e-5)
    assert float(count) == 3.5


def test_the_temperature_undoes_what_was_done() -> None:
    rng = np.random.default_rng(0)
    logits = 2 * rng.normal(size=(20_000, 4))
    chances = tf.nn.softmax(logits).numpy()
    labels = np.array([rng.choice(4, p=p) for p in chances])
    for factor in (0.5, 1.0, 3.0):
        assert fit_temperature(factor * logits, labels) == pytest.approx(
            factor, rel=0.05
        )
    assert fit_temperature(logits[:0], labels[:0]) == 1.0
    # All right: nothing tells how much doubt is due.
    assert fit_temperature(0.1 * np.eye(3), np.arange(3)) == 1.0


def test_the_worst_case_is_as_far_as_asked_and_worse() -> None:
    model = make()
    ids, lengths = batch(*LENGTHS)
    labels = np.array([0, 0, 1, 2, 1, 0], np.int32)

    def losses(embedded: Any) -> Any:
        logits = model.classify(embedded, lengths)
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)

    embedded = model.embed(ids)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(embedded)
        before = losses(embedded)
        total = tf.reduce_sum(before)
        moved = worst_case(embedded, tape.gradient(total, embedded), lengths, 0.01)
    real = lengths > 0
    assert (losses(moved).numpy()[real] > before.numpy()[real]).all()
    vectors = [row[:n] for row, n in zip(embedded.numpy(), lengths, strict=True)]
    mean = np.sqrt((np.concatenate(vectors) ** 2).sum(-1).mean())
    steps = np.sqrt(((moved - embedded).numpy() ** 2).sum((1, 2)))
    np.testing.assert_allclose(steps[real], 0.01 * mean, rtol=1e-3)
    assert not (moved - embedded).numpy()[1].any()
    assert not (moved - embedded).numpy()[4, 1:].any()
    # Training does not see through the step.
    through = tape.gradient(moved, embedded)
    np.testing.assert_array_equal(through, np.ones_like(through))
