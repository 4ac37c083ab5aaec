"""Input feeding as one operation against steps that TensorFlow differentiates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from nlp_speech.models.decoder import Decoder, Masks, Memory, _Layers

BATCH, STEPS, SOURCE, EMBEDDING, MEMORY, UNITS = 3, 5, 4, 6, 7, 8

VARIANTS = [
    {},
    {"attention": "bahdanau"},
    {"layers": 1, "layer_norm": False},
    {"layers": 3, "residual": False},
]


def make(**changes: Any) -> Decoder:
    options: dict[str, Any] = {
        "units": UNITS,
        "layers": 2,
        "output_units": EMBEDDING,
        "attention": "luong",
        "attention_units": 5,
        "input_feeding": True,
        "dropout": 0.3,
        "output_dropout": 0.3,
        "layer_norm": True,
        "residual": True,
    } | changes
    decoder = Decoder(**options)
    decoder.build((None, None, EMBEDDING), (None, None, MEMORY))
    return decoder


def data() -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    rng = np.random.default_rng(0)
    embedded = rng.normal(size=(BATCH, STEPS, EMBEDDING)).astype(np.float32)
    outputs = rng.normal(size=(BATCH, SOURCE, MEMORY)).astype(np.float32)
    return tf.constant(embedded), tf.constant(outputs), tf.constant([4, 2, 1])


def masks(decoder: Decoder) -> Masks:
    """Dropout factors like those of training, the same in every call."""
    rng = np.random.default_rng(1)

    def draw(size: int) -> tf.Tensor:
        return tf.constant(rng.integers(0, 2, (BATCH, 1, size)) * 2.0, tf.float32)

    return Masks(tuple(draw(UNITS) for _ in decoder.lstms), draw(EMBEDDING))


def by_steps(
    decoder: Decoder, embedded: tf.Tensor, memory: Memory, factors: Masks
) -> tuple[Any, Any]:
    state, parts = decoder.initial_state(memory), _Layers(decoder, memory)
    outputs, weights = [], []
    for t in range(STEPS):
        output, weight, state = decoder.advance(embedded[:, t], state, parts, factors)
        outputs.append(output)
        weights.append(weight)
    return tf.stack(outputs, axis=1), tf.stack(weights, axis=1)


def gradients(decoder: Decoder, run: Any) -> list[np.ndarray]:
    embedded, outputs, lengths = data()
    with tf.GradientTape() as tape:
        tape.watch([embedded, outputs])
        memory = decoder.remember(outputs, lengths)
        vectors, weights = run(embedded, memory)
        loss = tf.reduce_sum(tf.sin(3 * vectors)) + tf.reduce_sum(weights**2)
    variables: list[Any] = decoder.trainable_variables
    found: Any = tape.gradient(loss, [embedded, outputs, *(v.value for v in variables)])
    return [tf.convert_to_tensor(g).numpy() for g in (loss, *found)]


@pytest.mark.parametrize("changes", VARIANTS)
def test_gradients_equal_those_of_single_steps(
    changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = make(**changes)
    factors = masks(decoder)
    monkeypatch.setattr(decoder, "_masks", lambda *_: factors)

    def whole(embedded: Any, memory: Memory) -> Any:
        return decoder(embedded, memory, training=True)

    ours = gradients(decoder, tf.function(whole, reduce_retracing=True))
    plain = gradients(decoder, lambda e, m: by_steps(decoder, e, m, factors))
    for a, b in zip(ours, plain, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_unknown_shapes_are_legal() -> None:
    decoder = make()
    embedded, outputs, lengths = data()
    free = [tf.TensorSpec([None, None, x.shape[-1]]) for x in (embedded, outputs)]

    @tf.function(input_signature=[*free, tf.TensorSpec([None], tf.int32)])
    def run(embedded: Any, outputs: Any, lengths: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(embedded)
            vectors, _ = decoder(embedded, decoder.remember(outputs, lengths))
            loss = tf.reduce_sum(vectors**2)
        return vectors, tape.gradient(loss, embedded)

    vectors, gradient = run(embedded, outputs, lengths)
    expected, _ = decoder(embedded, decoder.remember(outputs, lengths))
    np.testing.assert_allclose(vectors, expected, atol=1e-5)
    assert gradient.shape == embedded.shape
