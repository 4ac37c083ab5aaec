"""The encoder-decoder: one cell for training, greedy and beam; padding is inert."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from nlp_speech.models.decoder import Decoder
from nlp_speech.models.encoder import Encoder
from nlp_speech.models.seq2seq import Seq2Seq, smoothed_cross_entropy
from nlp_speech.training.precision import dtype_policy

SIZE = 11


def make(**changes: Any) -> Seq2Seq:
    options: dict[str, Any] = {
        "units": 8,
        "layers": 2,
        "output_units": 6,
        "attention": "luong",
        "attention_units": 5,
        "input_feeding": False,
        "dropout": 0.3,
        "output_dropout": 0.3,
        "layer_norm": True,
        "residual": True,
    } | changes
    encoder = Encoder(8, 2, 0.3, options["layer_norm"], True, name="encoder")
    decoder = Decoder(**options, name="decoder")
    model = Seq2Seq(SIZE, SIZE, 6, encoder, decoder, True, True, 0.3, name="m")
    model.build()
    return model


VARIANTS = [
    {},
    {"input_feeding": True},
    {"attention": "bahdanau"},
    {"attention": "bahdanau", "input_feeding": True, "layers": 1},
    {"layers": 1, "layer_norm": False},
    {"layers": 3, "residual": False},
]


def batch(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "source": rng.integers(4, SIZE, (3, 7)).astype(np.int32),
        "source_lengths": np.array([7, 3, 1], np.int32),
        "target_inputs": rng.integers(4, SIZE, (3, 5)).astype(np.int32),
    }


@pytest.mark.parametrize("changes", VARIANTS)
def test_steps_equal_teacher_forcing(changes: dict[str, Any]) -> None:
    model, data = make(**changes), batch()
    logits = model(data)
    memory = model.encode(data["source"], data["source_lengths"])
    state = model.initial_state(memory)
    for t in range(5):
        step, _, state = model.step(data["target_inputs"][:, t], state, memory)
        expected = tf.nn.log_softmax(logits[:, t])
        np.testing.assert_allclose(step, expected, atol=1e-5)


@pytest.mark.parametrize("changes", VARIANTS)
def test_half_precision_is_near_single(changes: dict[str, Any]) -> None:
    single, data = make(**changes), batch()
    with dtype_policy("mixed_bfloat16"):
        half = make(**changes)
    half.set_weights(single.get_weights())
    with tf.GradientTape() as tape:
        logits = half(data)
        loss, _ = smoothed_cross_entropy(
            logits, data["target_inputs"], np.array([5, 4, 1]), 0.1
        )
    assert logits.dtype == tf.bfloat16
    np.testing.assert_allclose(tf.cast(logits, tf.float32), single(data), atol=0.15)
    weights: Any = half.trainable_variables
    for gradient in tape.gradient(loss, [w.value for w in weights]):
        assert np.isfinite(tf.convert_to_tensor(gradient)).all()


@pytest.mark.parametrize("changes", VARIANTS)
def test_hypotheses_of_a_source_do_not_mix(changes: dict[str, Any]) -> None:
    model, data = make(**changes), batch()
    memory = model.encode(data["source"], data["source_lengths"])
    start = model.initial_state(memory)
    alone, _, _ = model.step(data["target_inputs"][:, 0], start, memory)
    beam = [tf.repeat(s, 4, axis=0) for s in start]
    ids = np.repeat(data["target_inputs"][:, 0], 4)
    ids[1::4] = 5  # another hypothesis beside it
    beamed, weights, _ = model.step(ids, tuple(beam), memory)
    np.testing.assert_allclose(beamed[::4], alone, atol=1e-5)
    np.testing.assert_allclose(tf.reduce_sum(weights, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("changes", VARIANTS[:4])
def test_padding_and_neighbours_change_nothing(changes: dict[str, Any]) -> None:
    model, data = make(**changes), batch()
    together = model(data)
    for row, length in enumerate(data["source_lengths"]):
        alone = model(
            {
                "source": data["source"][row : row + 1, :length],
                "source_lengths": [length],
                "target_inputs": data["target_inputs"][row : row + 1],
            }
        )
        np.testing.assert_allclose(together[row], alone[0], atol=1e-5)


@pytest.mark.parametrize("changes", VARIANTS[:2])
def test_every_weight_is_trained(changes: dict[str, Any]) -> None:
    model, data = make(**changes), batch()
    with tf.GradientTape() as tape:
        loss, _ = smoothed_cross_entropy(
            model(data, training=True), data["target_inputs"], [5, 4, 2], 0.1
        )
    gradients = tape.gradient(loss, [w.value for w in model.trainable_weights])
    for weight, gradient in zip(model.trainable_weights, gradients, strict=True):
        assert gradient is not None, weight.path
        assert np.abs(tf.convert_to_tensor(gradient)).max() > 0, weight.path


def test_dropout_is_on_in_training_only() -> None:
    model, data = make(), batch()
    np.testing.assert_array_equal(model(data), model(data))
    assert np.abs(model(data, training=True) - model(data, training=True)).max() > 1e-3


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_equals_its_definition(smoothing: float) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 4, SIZE)).astype(np.float32)
    ids = rng.integers(0, SIZE, (2, 4)).astype(np.int32)
    lengths = [4, 2]
    total, count = smoothed_cross_entropy(logits, ids, lengths, smoothing)
    expected = 0.0
    for row, length in enumerate(lengths):
        for t in range(length):
            z = logits[row, t].astype(np.float64)
            log_probs = z - np.log(np.exp(z).sum())
            wanted = np.full(SIZE, smoothing / SIZE)
            wanted[ids[row, t]] += 1 - smoothing
            expected -= (wanted * log_probs).sum()
    assert float(total) == pytest.approx(expected, rel=1e-5)
    assert float(count) == 6
