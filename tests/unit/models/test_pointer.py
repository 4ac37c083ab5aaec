"""The mixture of writing and copying against its equations in float64."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from nlp_speech.models.pointer import (
    Pointer,
    Prediction,
    coverage_loss,
    pointer_cross_entropy,
)
from nlp_speech.models.seq2seq import parts
from nlp_speech.sections import Seq2SeqSection

SIZE, UNKNOWN = 9, 1


def make(copy: bool = True, coverage: bool = True, **changes: Any) -> Pointer:
    values = {"embedding_units": 6, "units": 8, "attention_units": 5} | changes
    section = Seq2SeqSection.model_validate(values)
    model = Pointer(
        copy=copy,
        unknown=UNKNOWN,
        source_size=SIZE,
        target_size=SIZE,
        name="pointer",
        **parts(section, coverage),
    )
    model.build()
    rng = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(rng.normal(0, 0.5, weight.shape).astype(np.float32))
    return model


def batch() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    source = rng.integers(1, SIZE, (3, 7)).astype(np.int32)
    source[1, 3:] = source[2, 1:] = 0
    return {
        "source": source,
        "source_lengths": np.array([7, 3, 1], np.int32),
        "target_inputs": rng.integers(1, SIZE, (3, 5)).astype(np.int32),
    }


def probabilities(prediction: Prediction, source: np.ndarray) -> np.ndarray:
    """See et al. 2017, equation 9: [batch, target time, vocabulary], float64."""
    logits, gate, attention = (np.asarray(x, np.float64) for x in prediction)
    written = np.exp(logits - logits.max(-1, keepdims=True))
    written /= written.sum(-1, keepdims=True)
    gate = 1 / (1 + np.exp(-gate))[..., None]
    copied = np.zeros_like(written)
    for row, ids in enumerate(source):
        for place, piece in enumerate(ids):
            copied[row, :, piece] += attention[row, :, place]
    return gate * written + (1 - gate) * copied


VARIANTS = [
    {},
    {"attention": "bahdanau"},
    {"input_feeding": True},
    {"input_feeding": True, "attention": "bahdanau", "decoder_layers": 1},
    {"coverage": False},
]


@pytest.mark.parametrize("changes", VARIANTS)
def test_the_loss_is_that_of_the_mixture(changes: dict[str, Any]) -> None:
    model, data = make(**changes), batch()
    prediction = model(data)
    ids = np.random.default_rng(2).integers(1, SIZE, (3, 5)).astype(np.int32)
    lengths = np.array([5, 2, 0])
    total, count = pointer_cross_entropy(prediction, data["source"], ids, lengths, 0.0)
    mixture = probabilities(prediction, data["source"])
    expected = [
        -np.log(mixture[row, t, ids[row, t]])
        for row, length in enumerate(lengths)
        for t in range(length)
    ]
    assert count == 7
    assert float(total) == pytest.approx(sum(expected), rel=1e-5)


@pytest.mark.parametrize("changes", VARIANTS)
def test_steps_equal_teacher_forcing(changes: dict[str, Any]) -> None:
    model, data = make(**changes), batch()
    prediction = model(data)
    # A step never writes what it can only copy.
    logits = np.array(prediction.logits)
    logits[..., UNKNOWN] = -1e9
    expected = probabilities(prediction._replace(logits=logits), data["source"])
    memory = model.encode(data["source"], data["source_lengths"])
    state = model.initial_state(memory)
    found = np.zeros(0)
    for t in range(5):
        ids = data["target_inputs"][:, t]
        found, attention, state = model.step_over(ids, state, memory, data["source"])
        np.testing.assert_allclose(np.exp(found), expected[:, t], atol=1e-5)
        np.testing.assert_allclose(attention, prediction.attention[:, t], atol=1e-5)
    np.testing.assert_allclose(np.exp(found).sum(1), 1, atol=1e-5)


def test_hypotheses_of_a_beam_do_not_mix() -> None:
    model, data = make(), batch()
    memory = model.encode(data["source"], data["source_lengths"])
    state = model.initial_state(memory)
    twice = [tf.repeat(x, 2, axis=0) for x in state]
    ids = data["target_inputs"][:, :2].reshape(-1)
    found, _, _ = model.step_over(ids, tuple(twice), memory, data["source"])
    for n in range(2):
        alone, _, _ = model.step_over(ids[n::2], state, memory, data["source"])
        np.testing.assert_allclose(found[n::2], alone, rtol=1e-4, atol=1e-4)


def test_without_copying_it_is_the_plain_softmax() -> None:
    model, data = make(copy=False), batch()
    prediction = model(data)
    ids = np.full([3, 5], 4, np.int32)
    total, _ = pointer_cross_entropy(
        prediction, data["source"], ids, np.array([5, 5, 5]), 0.1
    )
    plain = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=0.1, reduction="sum"
    )
    expected: Any = plain(
        np.eye(SIZE)[ids].reshape(-1, SIZE), np.reshape(prediction[0], [-1, SIZE])
    )
    assert float(total) == pytest.approx(float(expected), rel=1e-5)


def test_coverage_loss_counts_what_is_read_again() -> None:
    attention = np.array([[[1, 0, 0], [0.5, 0.5, 0], [0.6, 0.2, 0.2]]])
    # Step 2 reads 0.5 again; step 3 reads 0.6 and 0.2 again.
    assert float(coverage_loss(attention, np.array([3]))) == pytest.approx(1.3)
    assert float(coverage_loss(attention, np.array([2]))) == pytest.approx(0.5)


def test_learns_to_copy_symbols_it_has_never_seen() -> None:
    keras.utils.set_random_seed(3)
    size, length, mark = 60, 8, 4
    section = Seq2SeqSection(
        embedding_units=24,
        units=24,
        decoder_layers=1,
        dropout=0.0,
        embedding_dropout=0.0,
        output_dropout=0.0,
    )
    model = Pointer(
        copy=True,
        unknown=UNKNOWN,
        source_size=size,
        target_size=size,
        name="pointer",
        **parts(section, True),
    )
    model.build()
    optimizer = keras.optimizers.Adam(0.01)
    rng = np.random.default_rng(0)

    def draw(low: int, high: int) -> tuple[dict[str, Any], np.ndarray]:
        source = rng.integers(5, 40, (64, length)).astype(np.int32)
        place = rng.integers(0, length - 1, 64)
        answer = rng.integers(low, high, 64).astype(np.int32)
        source[np.arange(64), place] = mark
        source[np.arange(64), place + 1] = answer
        inputs = {
            "source": tf.constant(source),
            "source_lengths": tf.fill([64], length),
            "target_inputs": tf.fill([64, 1], 2),
        }
        return inputs, answer[:, None]

    @tf.function
    def update(inputs: dict[str, Any], answer: Any) -> None:
        with tf.GradientTape() as tape:
            prediction = model(inputs, training=True)
            loss, count = pointer_cross_entropy(
                prediction, inputs["source"], answer, tf.fill([64], 1), 0.0
            )
            loss /= count
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(loss, [v.value for v in variables]), variables)

    for _ in range(250):
        update(*draw(5, 40))
    inputs, answer = draw(40, size)  # what comes after the mark is new
    mixture = probabilities(model(inputs), inputs["source"].numpy())
    assert (mixture[:, 0].argmax(1) == answer[:, 0]).mean() > 0.95
