"""The LSTM layer against Keras; the equations are in `tests/contracts/test_lstm.py`."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from nlp_speech.layers import LSTM, Bidirectional

FEATURES, UNITS = 5, 6


def make(kind: Any, **options: Any) -> Any:
    layer = kind(UNITS, return_sequences=True, return_state=True, **options)
    layer.build((None, None, FEATURES))
    return layer


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("go_backwards", [False, True])
def test_equals_keras_with_its_weights(training: bool, go_backwards: bool) -> None:
    ours = make(LSTM, go_backwards=go_backwards)
    theirs = make(keras.layers.LSTM, go_backwards=go_backwards)
    theirs.set_weights(ours.get_weights())
    x = np.random.default_rng(1).normal(size=(3, 7, FEATURES)).astype(np.float32)
    for a, b in zip(ours(x, training=training), theirs(x), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-6)


def gradients(layer: Any, x: np.ndarray, **how: Any) -> list[np.ndarray]:
    """Of a loss that looks at outputs and both states, to input and weights."""
    mask = how.pop("real")[:, :, None]
    inputs = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs, h, c = layer(inputs, **how)
        loss = tf.reduce_sum(tf.sin(outputs * mask) + 0.1 * (outputs * mask) ** 2)
        loss += tf.reduce_sum(h * h) + tf.reduce_sum(tf.cos(c))
    sources = [inputs, *(w.value for w in layer.trainable_weights)]
    found: Any = tape.gradient(loss, sources)
    return [g.numpy() for g in found]


@pytest.mark.parametrize("lengths", [[7, 7, 7, 7], [7, 3, 0, 5]])
def test_gradients_equal_those_of_keras(lengths: list[int]) -> None:
    ours, theirs = make(LSTM), make(keras.layers.LSTM)
    theirs.set_weights(ours.get_weights())
    x = np.random.default_rng(2).normal(size=(4, 7, FEATURES)).astype(np.float32)
    real = np.arange(7)[None] < np.array(lengths)[:, None]
    a = gradients(ours, x, lengths=lengths, training=True, real=real)
    b = gradients(theirs, x, mask=tf.constant(real), real=real)
    for ours_gradient, keras_gradient in zip(a, b, strict=True):
        np.testing.assert_allclose(ours_gradient, keras_gradient, atol=3e-6)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_gradient_of_inference_is_that_of_training(jit_compile: bool) -> None:
    layer = make(LSTM, jit_compile=jit_compile)
    x = np.random.default_rng(3).normal(size=(2, 4, FEATURES)).astype(np.float32)
    real = np.ones([2, 4])
    a = gradients(layer, x, training=True, real=real)
    b = gradients(layer, x, training=False, real=real)
    for scan, plain in zip(a, b, strict=True):
        np.testing.assert_allclose(scan, plain, atol=2e-6)


@pytest.mark.parametrize("training", [False, True])
def test_padding_changes_no_answer(training: bool) -> None:
    layer = make(LSTM)
    rng = np.random.default_rng(4)
    x = rng.normal(size=(1, 4, FEATURES)).astype(np.float32)
    noise = 100 * rng.normal(size=(1, 3, FEATURES)).astype(np.float32)
    alone = layer(x, lengths=[4], training=training)
    padded = layer(np.concatenate([x, noise], 1), lengths=[4], training=training)
    np.testing.assert_allclose(padded[0][:, :4], alone[0], atol=1e-6)
    np.testing.assert_array_equal(padded[0][:, 4:], 0)
    np.testing.assert_allclose(padded[1], alone[1], atol=1e-6)
    np.testing.assert_allclose(padded[2], alone[2], atol=1e-6)


def test_steps_equal_the_whole() -> None:
    layer = make(LSTM)
    x = np.random.default_rng(5).normal(size=(3, 6, FEATURES)).astype(np.float32)
    whole, h, c = layer(x)
    state = layer.initial_state(3)
    for t in range(6):
        y, state = layer.step(tf.constant(x[:, t]), state)
        np.testing.assert_allclose(y, whole[:, t], atol=1e-6)
    np.testing.assert_allclose(state[0], h, atol=1e-6)
    np.testing.assert_allclose(state[1], c, atol=1e-6)


def test_what_the_scan_cannot_do_is_left_to_keras() -> None:
    ours, theirs = make(LSTM, activation="relu"), make(keras.layers.LSTM)
    theirs = make(keras.layers.LSTM, activation="relu")
    theirs.set_weights(ours.get_weights())
    x = np.random.default_rng(6).normal(size=(3, 5, FEATURES)).astype(np.float32)
    lengths = np.array([5, 2, 0])
    mask = np.arange(5)[None] < lengths[:, None]
    by_lengths, by_mask = ours(x, lengths=lengths), theirs(x, mask=mask)
    np.testing.assert_allclose(by_lengths[0], by_mask[0] * mask[..., None], atol=1e-6)
    np.testing.assert_allclose(by_lengths[1], by_mask[1], atol=1e-6)


@pytest.mark.parametrize("options", [{"activation": "relu"}, {"dropout": 0.3}, {}])
@pytest.mark.parametrize("return_state", [False, True])
def test_a_row_without_steps_keeps_its_state(
    options: dict[str, Any], return_state: bool
) -> None:
    layer = LSTM(UNITS, return_state=return_state, **options)
    layer.build((None, None, FEATURES))
    x = np.ones((2, 4, FEATURES), np.float32)
    start = [tf.fill([2, UNITS], 0.5), tf.fill([2, UNITS], 0.25)]
    results: Any = layer(x, initial_state=start, lengths=np.array([0, 3]))
    first = results[0] if return_state else results
    np.testing.assert_array_equal(first[0], 0.5)
    assert (first[1].numpy() != 0.5).all()
    if return_state:
        np.testing.assert_array_equal(first, results[1])
        np.testing.assert_array_equal(results[2][0], 0.25)


def test_single_steps_of_another_activation_are_refused() -> None:
    layer = make(LSTM, activation="relu")
    state = layer.initial_state(1)
    with pytest.raises(ValueError, match="single steps need the standard activations"):
        layer.step(tf.zeros([1, FEATURES]), state)
    with pytest.raises(ValueError, match="single steps need the standard activations"):
        layer.steps(tf.zeros([1, 3, FEATURES]), state)


@pytest.mark.parametrize("dtype", ["float64", "float16", "mixed_float16"])
def test_types_are_those_of_the_layer(dtype: str) -> None:
    layer, both = make(LSTM, dtype=dtype), Bidirectional(UNITS, dtype=dtype)
    theirs = keras.layers.LSTM(UNITS, return_sequences=True, dtype=dtype)
    x = tf.ones([2, 3, FEATURES])
    expected = theirs(x).dtype
    state = (tf.zeros([2, UNITS]), tf.zeros([2, UNITS]))
    results = (
        layer(x)[0],
        layer.step(x[:, 0], state)[0],
        layer.steps(x, state)[0],
        layer.steps(tf.ones([2, 30, FEATURES]), state)[0],
        both(x),
        Bidirectional.from_config(both.get_config())(x),
    )
    assert [y.dtype for y in results] == [expected] * len(results)
    weights = {w.dtype for w in both.weights}
    assert weights == {w.dtype for w in theirs.weights}


@pytest.fixture
def without_keras_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may be left to Keras's own loop."""

    def loop(*_: Any, **__: Any) -> Any:
        raise AssertionError("left to Keras")

    monkeypatch.setattr(LSTM, "inner_loop", loop)


@pytest.mark.usefixtures("without_keras_loop")
@pytest.mark.parametrize("training", [False, True])
def test_masks_and_no_bias_run_on_the_scan(training: bool) -> None:
    layer = make(LSTM, use_bias=False)
    x = np.random.default_rng(14).normal(size=(2, 4, FEATURES)).astype(np.float32)
    mask = np.array([[False, True, False, True], [True] * 4])
    masked = layer(x, mask=mask, training=training)
    alone = layer(x[:1, 1::2], training=training)
    np.testing.assert_allclose(masked[0][:1, 1::2], alone[0], atol=1e-6)
    np.testing.assert_allclose(masked[1][:1], alone[1], atol=1e-6)


def test_weights_without_bias_are_exchanged_with_keras() -> None:
    ours, theirs = (make(kind, use_bias=False) for kind in (LSTM, keras.layers.LSTM))
    assert [w.shape for w in ours.weights] == [w.shape for w in theirs.weights]
    x = np.random.default_rng(15).normal(size=(3, 6, FEATURES)).astype(np.float32)
    for giver, taker in ((ours, theirs), (theirs, ours)):
        giver.set_weights([w + 0.1 for w in giver.get_weights()])
        taker.set_weights(giver.get_weights())
        for a, b in zip(ours(x, training=True), theirs(x), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)
    by_steps, state = ours.steps(tf.constant(x), ours.initial_state(3))
    np.testing.assert_allclose(by_steps, theirs(x)[0], atol=1e-6)
    np.testing.assert_allclose(state[1], theirs(x)[2], atol=1e-6)


def test_gradients_without_bias_equal_those_of_keras() -> None:
    ours, theirs = (make(kind, use_bias=False) for kind in (LSTM, keras.layers.LSTM))
    theirs.set_weights(ours.get_weights())
    x = np.random.default_rng(16).normal(size=(4, 7, FEATURES)).astype(np.float32)
    real = np.arange(7)[None] < np.array([7, 3, 0, 5])[:, None]
    a = gradients(ours, x, lengths=[7, 3, 0, 5], training=True, real=real)
    b = gradients(theirs, x, mask=tf.constant(real), real=real)
    for found, expected in zip(a, b, strict=True):
        np.testing.assert_allclose(found, expected, atol=3e-6)


def test_the_mask_of_an_embedding_reaches_the_layer() -> None:
    inputs = keras.Input((None,), dtype="int32")
    table = keras.layers.Embedding(9, FEATURES, mask_zero=True)
    model = keras.Model(inputs, LSTM(UNITS)(table(inputs)))
    left, right = model(np.array([[0, 0, 4, 7], [4, 7, 0, 0]]))
    np.testing.assert_allclose(left, model(np.array([[4, 7]]))[0], atol=1e-6)
    np.testing.assert_allclose(right, left, atol=1e-6)


@pytest.mark.parametrize("zero", [False, True])
def test_masks_in_sixteen_bits(zero: bool) -> None:
    wide, narrow = (
        make(LSTM, dtype=policy, zero_output_for_mask=zero)
        for policy in ("float32", "mixed_bfloat16")
    )
    narrow.set_weights(wide.get_weights())
    x = np.random.default_rng(17).normal(size=(2, 5, FEATURES)).astype(np.float32)
    mask = np.array([[[True], [False], [True], [True], [False]], [[False]] * 5])
    for a, b in zip(wide(x, mask=mask), narrow(x, mask=mask), strict=True):
        assert b.dtype == tf.bfloat16
        np.testing.assert_allclose(a, tf.cast(b, tf.float32), atol=0.03)


def test_mask_and_lengths_together_are_refused() -> None:
    with pytest.raises(ValueError, match="either a mask or lengths"):
        make(LSTM)(np.zeros([1, 2, FEATURES]), mask=np.ones([1, 2], bool), lengths=[2])


def test_bidirectional_reads_each_row_from_its_own_end() -> None:
    layer = Bidirectional(UNITS)
    x = np.random.default_rng(7).normal(size=(3, 6, FEATURES)).astype(np.float32)
    lengths = [6, 2, 0]
    batch = layer(x, lengths=lengths).numpy()
    for row, length in enumerate(lengths):
        np.testing.assert_array_equal(batch[row, length:], 0)
        if length:
            alone = layer(x[row : row + 1, :length]).numpy()
            np.testing.assert_allclose(batch[row, :length], alone[0], atol=1e-6)


@pytest.mark.parametrize("states", [False, True])
@pytest.mark.parametrize("started", [False, True])
def test_bidirectional_equals_keras(states: bool, started: bool) -> None:
    layer = Bidirectional(UNITS, return_state=states)
    layer.build((None, None, FEATURES))
    inner = keras.layers.LSTM(UNITS, return_sequences=True, return_state=states)
    theirs = keras.layers.Bidirectional(inner)
    theirs.build((None, None, FEATURES))
    theirs.set_weights(layer.get_weights())
    rng = np.random.default_rng(8)
    x = rng.normal(size=(3, 5, FEATURES)).astype(np.float32)
    state = list(tf.unstack(tf.constant(rng.normal(size=(4, 3, UNITS)), tf.float32)))
    start = state if started else None
    lengths = np.array([5, 2, 0])
    mask = tf.sequence_mask(lengths, 5)
    pairs = zip(
        tf.nest.flatten(layer(x, lengths=lengths, initial_state=start)),
        tf.nest.flatten(theirs(x, mask=mask, initial_state=start)),
        strict=True,
    )
    for ours, keras_result in pairs:
        np.testing.assert_allclose(ours, keras_result, atol=1e-6)


def test_bidirectional_in_a_model_with_a_state() -> None:
    inputs = keras.Input((None, FEATURES))
    state = [keras.Input((UNITS,)) for _ in range(4)]
    layer = Bidirectional(UNITS, return_state=True)
    model = keras.Model([inputs, *state], layer(inputs, initial_state=state))
    x = np.random.default_rng(18).normal(size=(2, 5, FEATURES)).astype(np.float32)
    ones = [np.full([2, UNITS], n, np.float32) for n in range(4)]
    for found, expected in zip(
        model([x, *ones]), layer(x, initial_state=ones), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"  # h5py, inside Keras
)
def test_saved_in_a_keras_file(tmp_path: Any) -> None:
    inputs = keras.Input((None, FEATURES))
    model = keras.Model(inputs, LSTM(UNITS)(inputs))
    model.save(tmp_path / "model.keras")
    again: Any = keras.models.load_model(tmp_path / "model.keras")
    x = np.random.default_rng(9).normal(size=(2, 5, FEATURES)).astype(np.float32)
    assert isinstance(again.layers[1], LSTM)
    np.testing.assert_array_equal(model(x), again(x))


def dropped(layer: LSTM, x: np.ndarray) -> np.ndarray:
    return layer(x, training=True)[0].numpy()


def test_dropped_recurrent_weights_are_the_same_at_every_step() -> None:
    layer = make(LSTM, recurrent_weight_dropout=0.5)
    plain = make(LSTM)
    x = np.random.default_rng(10).normal(size=(2, 6, FEATURES)).astype(np.float32)
    state = layer.weight_seed.state.numpy()
    _, recurrent, _ = layer.cell_weights(training=True)
    layer.weight_seed.state.assign(state)
    kernel, full, bias = layer.get_weights()[:3]
    kept = np.isclose(recurrent, 2 * full)
    assert 0.3 < kept.mean() < 0.7
    np.testing.assert_array_equal(recurrent.numpy()[~kept], 0)
    plain.set_weights([kernel, recurrent.numpy(), bias])
    np.testing.assert_allclose(dropped(layer, x), dropped(plain, x), atol=1e-6)


def test_recurrent_weights_are_dropped_in_training_only() -> None:
    layer, plain = make(LSTM, recurrent_weight_dropout=0.5), make(LSTM)
    plain.set_weights(layer.get_weights()[:3])
    x = np.random.default_rng(11).normal(size=(2, 6, FEATURES)).astype(np.float32)
    np.testing.assert_array_equal(layer(x)[0], plain(x)[0])
    assert np.abs(dropped(layer, x) - dropped(layer, x)).max() > 1e-3


def test_gradients_of_dropped_recurrent_weights_are_zero() -> None:
    layer = make(LSTM, recurrent_weight_dropout=0.5)
    x = np.random.default_rng(12).normal(size=(2, 6, FEATURES)).astype(np.float32)
    state = layer.weight_seed.state.numpy()
    _, recurrent, _ = layer.cell_weights(training=True)
    layer.weight_seed.state.assign(state)
    found = gradients(layer, x, training=True, real=np.ones([2, 6]))
    zero = recurrent.numpy() == 0
    np.testing.assert_array_equal(found[2][zero], 0)
    assert (found[2][~zero] != 0).all()


@pytest.mark.parametrize("options", [{"activation": "relu"}, {"dropout": 0.1}])
def test_dropped_recurrent_weights_need_the_scan(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="recurrent_weight_dropout needs"):
        LSTM(UNITS, recurrent_weight_dropout=0.5, **options)


def test_options_come_back_from_a_config() -> None:
    layer = LSTM(UNITS, recurrent_weight_dropout=0.25, jit_compile=True)
    again = LSTM.from_config(layer.get_config())
    assert (again.recurrent_weight_dropout, again.jit_compile) == (0.25, True)
    both = Bidirectional(
        UNITS, recurrent_weight_dropout=0.25, jit_compile=True, return_state=True
    )
    again = Bidirectional.from_config(both.get_config())
    assert len(again(np.zeros([1, 2, FEATURES]))) == 5
    assert again.backward_layer.recurrent_weight_dropout == 0.25


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_sixteen_bits_stay_near_thirty_two(policy: str) -> None:
    """Products are 16-bit, the cell state is not: errors do not grow with time."""
    wide, narrow = make(LSTM), make(LSTM, dtype=policy)
    narrow.set_weights(wide.get_weights())
    x = np.random.default_rng(13).normal(size=(3, 200, FEATURES)).astype(np.float32)
    for training in (False, True):
        a, b = wide(x, training=training)[0], narrow(x, training=training)[0]
        assert b.dtype == tf.as_dtype(policy.removeprefix("mixed_"))
        error = np.abs(a.numpy() - tf.cast(b, tf.float32).numpy())
        bound = 0.03 if "bfloat" in policy else 0.004
        assert error.max() < bound
        assert error[:, 100:].mean() < 2 * error[:, :100].mean()
