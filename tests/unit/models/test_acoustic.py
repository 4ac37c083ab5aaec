"""The acoustic model: padding is inert, and a stream equals the whole."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from nlp_speech.models.acoustic import AcousticModel, LookAhead
from nlp_speech.models.subsampling import Subsampling

FEATURES, LABELS = 4, 6


def make(**changes: Any) -> AcousticModel:
    options: dict[str, Any] = {
        "units": 5,
        "layers": 2,
        "bidirectional": False,
        "subsampling": 3,
        "conv_channels": 0,
        "look_ahead": 2,
        "dropout": 0.3,
        "layer_norm": True,
        "residual": True,
    } | changes
    keras.utils.set_random_seed(1)
    model = AcousticModel(FEATURES, LABELS, **options, name="acoustic")
    model.build()
    return model


STREAMING: list[dict[str, Any]] = [
    {},
    {"conv_channels": 7, "look_ahead": 0},
    {"conv_channels": 5, "subsampling": 1, "look_ahead": 3, "layers": 1},
    {"conv_channels": 3, "subsampling": 4},
    {"layer_norm": False, "residual": False, "subsampling": 2},
]
VARIANTS = [*STREAMING, {"bidirectional": True}, {"bidirectional": True, "layers": 3}]


def frames(rows: int, time: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, time, FEATURES)).astype(np.float32)


@pytest.mark.parametrize("changes", VARIANTS)
def test_padding_and_batch_change_nothing(changes: dict[str, Any]) -> None:
    model, x = make(**changes), frames(4, 20)
    lengths = np.array([20, 0, 7, 14], np.int32)
    logits, steps = model(x, lengths)
    np.testing.assert_array_equal(steps, lengths // model.subsampling)
    for row, length in enumerate(lengths):
        alone, alone_steps = model(x[row : row + 1, :length], lengths[row : row + 1])
        assert alone_steps[0] == steps[row]
        np.testing.assert_allclose(
            logits[row, : steps[row]], alone[0, : steps[row]], atol=1e-6
        )
    x[2, 7:], x[3, 14:], x[1] = 1e3, -1e3, 77
    again, _ = model(x, lengths)
    for row in range(4):
        np.testing.assert_array_equal(
            logits[row, : steps[row]], again[row, : steps[row]]
        )


@pytest.mark.parametrize("changes", VARIANTS)
def test_every_weight_learns(changes: dict[str, Any]) -> None:
    model = make(**changes)
    with tf.GradientTape() as tape:
        logits, _ = model(frames(2, 18), np.array([18, 12]), training=True)
        loss = tf.reduce_sum(logits[:, :4] ** 2)
    gradients: Any = tape.gradient(loss, [v.value for v in model.trainable_variables])
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert gradient is not None, variable.path
        assert float(tf.reduce_max(tf.abs(gradient))) > 0, variable.path


def stream(model: AcousticModel, x: np.ndarray, cuts: list[int]) -> np.ndarray:
    """Logits of real steps, read in chunks; `cuts` are in steps."""
    time, group = x.shape[1], model.subsampling
    state, outputs = model.initial_state(len(x)), []
    edges = [0, *sorted(cuts), time // group]
    for start, end in pairwise(edges):
        logits, state = model.step(x[:, start * group : end * group], state)
        outputs.append(logits.numpy())
    rest = np.full([len(x), model.steps_ahead * group, FEATURES], 9, np.float32)
    logits, state = model.step(rest, state, lengths=np.zeros(len(x), np.int32))
    return np.concatenate([*outputs, logits.numpy()], axis=1)[:, model.steps_ahead :]


@pytest.mark.parametrize("changes", STREAMING)
@settings(max_examples=8)
@given(st.integers(3, 70), st.data())
def test_a_stream_in_any_chunks_equals_the_whole(
    changes: dict[str, Any], time: int, data: st.DataObject
) -> None:
    model, x = make(**changes), frames(2, time, seed=time)
    steps = time // model.subsampling
    # Cuts may be equal: an empty chunk is legal.
    cuts = data.draw(st.lists(st.integers(0, steps), max_size=5))
    whole, _ = model(x, np.array([time, time]))
    np.testing.assert_allclose(stream(model, x, cuts), whole, atol=1e-5)


def test_a_chunk_that_ends_in_padding_equals_the_whole() -> None:
    model, x = make(), frames(2, 24)
    lengths = np.array([24, 14], np.int32)
    whole, steps = model(x, lengths)
    state, outputs = model.initial_state(2), []
    for start in range(0, 30, 6):
        chunk = np.pad(x, [(0, 0), (0, 6), (0, 0)])[:, start : start + 6]
        logits, state = model.step(chunk, state, np.clip(lengths - start, 0, 6))
        outputs.append(logits)
    streamed = tf.concat(outputs, axis=1)[:, model.steps_ahead :]
    for row in range(2):
        real = slice(int(steps[row]))
        np.testing.assert_allclose(streamed[row, real], whole[row, real], atol=1e-5)


def test_the_future_is_seen_as_far_as_said() -> None:
    model, x = make(look_ahead=2), frames(1, 30)
    changed = x.copy()
    changed[:, 18:] += 1  # from step 6 on
    lengths = np.array([30])
    a, b = model(x, lengths)[0].numpy(), model(changed, lengths)[0].numpy()
    np.testing.assert_array_equal(a[:, :4], b[:, :4])
    assert (np.abs(a - b)[:, 4:].max(axis=-1) > 0).all()


def test_a_bidirectional_model_has_no_stream() -> None:
    with pytest.raises(ValueError, match="bidirectional"):
        make(bidirectional=True).initial_state(1)


@pytest.mark.parametrize("group", [1, 2, 3, 4, 5, 6, 8])
def test_subsampling_equals_keras_convolutions(group: int) -> None:
    layer = Subsampling(group, 7)
    layer.build((None, None, 9))
    first, second = layer.strides
    assert first * second == group
    x = np.random.default_rng(0).normal(size=[2, 6 * group + 1, 9]).astype(np.float32)
    y: Any = np.pad(x, [(0, 0), (layer.context, 0), (0, 0)])[..., None]
    for n, stride in enumerate(layer.strides):
        layer.biases[n].assign(np.linspace(-0.1, 0.2, 7))
        theirs = keras.layers.Conv2D(
            7, layer.kernels[n].shape[:2], (stride, 2), activation="relu"
        )
        y = np.pad(y, [(0, 0), (0, 0), (1, 1), (0, 0)])
        theirs.build(y.shape)
        theirs.set_weights([np.asarray(layer.kernels[n]), np.asarray(layer.biases[n])])
        y = theirs(y).numpy()
    answer = layer(x)
    # What is left over makes no step.
    assert answer.shape == (2, x.shape[1] // group, layer.size(9))
    np.testing.assert_allclose(answer, y.reshape(answer.shape), atol=1e-5)


@pytest.mark.parametrize("group", [1, 2, 3, 4, 6])
def test_a_step_sees_no_more_than_its_context(group: int) -> None:
    layer = Subsampling(group, 7)
    layer.build((None, None, 9))
    x = np.random.default_rng(0).normal(size=[1, 8 * group, 9]).astype(np.float32)
    before = layer(x).numpy()
    for frame in range(8 * group):
        changed = x.copy()
        changed[:, frame] += 1
        seen = np.abs(layer(changed).numpy() - before).max(axis=(0, 2)) > 0
        first = frame // group
        last = (frame + layer.context) // group
        assert not seen[:first].any()
        assert not seen[last + 1 :].any()


def test_look_ahead_equals_a_depthwise_convolution() -> None:
    layer = LookAhead(3)
    layer.build((None, None, FEATURES))
    x = frames(2, 9)
    theirs = keras.layers.DepthwiseConv1D(4, use_bias=False)
    theirs.build((None, None, FEATURES))
    theirs.set_weights([np.asarray(layer.kernel)[..., None]])
    expected = theirs(np.pad(x, [(0, 0), (0, 3), (0, 0)]))
    np.testing.assert_allclose(layer(x), expected, atol=1e-5)
