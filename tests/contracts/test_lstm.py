"""Every implementation of the LSTM against the gate equations in float64."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from nlp_speech.export.tflite import convert
from nlp_speech.layers import LSTM, choice
from nlp_speech.runtime.litert import LiteRTPredictor

Arrays = tuple[np.ndarray, ...]


class Batch(NamedTuple):
    x: np.ndarray
    lengths: np.ndarray
    state: Arrays
    weights: Arrays


Reference = Callable[[Batch, bool], Arrays]


@st.composite
def batches(draw: Any) -> Batch:
    """Shapes, lengths (0 included), weights and initial states."""
    rows, steps = draw(st.integers(1, 4)), draw(st.integers(1, 9))
    features, units = draw(st.integers(1, 5)), draw(st.integers(1, 6))
    lengths = draw(st.lists(st.integers(0, steps), min_size=rows, max_size=rows))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    weights = (normal(features, 4 * units), normal(units, 4 * units), normal(4 * units))
    state = (normal(rows, units), normal(rows, units))
    return Batch(normal(rows, steps, features), np.array(lengths), state, weights)


@pytest.fixture(scope="session")
def reference(lstm_step: Any) -> Reference:
    """The gate equations, one row and one step at a time, in float64."""

    def run(batch: Batch, backwards: bool) -> Arrays:
        h, c = (s.astype(np.float64) for s in batch.state)
        outputs = np.zeros([*batch.x.shape[:2], h.shape[-1]])
        for row, length in enumerate(batch.lengths):
            real = batch.x[row, :length]
            for t, x in enumerate(real[::-1] if backwards else real):
                h[row], c[row] = lstm_step(x, h[row], c[row], batch.weights)
                outputs[row, t] = h[row]
        return outputs, h, c

    return run


def make(batch: Batch, backwards: bool = False, **options: Any) -> LSTM:
    layer = LSTM(
        len(batch.weights[1]),
        return_sequences=True,
        return_state=True,
        go_backwards=backwards,
        **options,
    )
    layer.build((None, None, batch.x.shape[-1]))
    layer.set_weights(list(batch.weights))
    return layer


def inference(layer: LSTM, batch: Batch) -> Any:
    return layer(batch.x, initial_state=batch.state, lengths=batch.lengths)


def training(layer: LSTM, batch: Batch) -> Any:
    return layer(
        batch.x, initial_state=batch.state, lengths=batch.lengths, training=True
    )


def graph(layer: LSTM, batch: Batch) -> Any:
    """With shapes that the graph does not know."""
    free = [tf.TensorSpec([None, None, batch.x.shape[-1]]), tf.TensorSpec([None])]
    state = [tf.TensorSpec([None, s.shape[-1]]) for s in batch.state]

    @tf.function(input_signature=[*free, *state])
    def run(x: Any, lengths: Any, h: Any, c: Any) -> Any:
        lengths = tf.cast(lengths, tf.int32)
        return layer(x, initial_state=(h, c), lengths=lengths, training=True)

    return run(batch.x, batch.lengths.astype(np.float32), *batch.state)


def compiled(layer: LSTM, batch: Batch) -> Any:
    """Everything compiled by XLA."""
    run = tf.function(lambda: training(layer, batch), jit_compile=True, autograph=False)
    return run()


def outputs_only(layer: LSTM) -> LSTM:
    """The same layer, which gives no states."""
    other = LSTM(
        layer.units, return_sequences=True, go_backwards=bool(layer.go_backwards)
    )
    other.build((None, None, len(layer.get_weights()[0])))
    other.set_weights(layer.get_weights())
    return other


def without_states(layer: LSTM, batch: Batch) -> Any:
    """The recurrence that keeps no cell states for its caller."""
    return (training(outputs_only(layer), batch),)


CUDNN = "CudnnRNNV3"
IMPLEMENTATIONS = [inference, training, graph, without_states]


@pytest.mark.parametrize("run", IMPLEMENTATIONS)
@settings(max_examples=15)
@given(batches(), st.booleans())
def test_equals_the_equations(
    run: Any, reference: Reference, batch: Batch, backwards: bool
) -> None:
    results = run(make(batch, backwards), batch)
    expected = reference(batch, backwards)[: len(results)]
    for result, wanted in zip(results, expected, strict=True):
        np.testing.assert_allclose(result.numpy(), wanted, atol=3e-6)


@pytest.mark.parametrize(
    ("run", "options"), [(compiled, {}), (training, {"jit_compile": True})]
)
@settings(max_examples=3)  # each is compiled
@given(batches(), st.booleans())
def test_compiled_equals_the_equations(
    run: Any,
    options: dict[str, Any],
    reference: Reference,
    batch: Batch,
    backwards: bool,
) -> None:
    results = run(make(batch, backwards, **options), batch)
    for result, wanted in zip(results, reference(batch, backwards), strict=True):
        np.testing.assert_allclose(result.numpy(), wanted, atol=3e-6)


def device_file(
    layer: LSTM, function: Any, signature: dict[str, Any], path: Path
) -> bytes:
    """A function of named tensors that uses a layer, as a file for LiteRT."""
    module: Any = tf.Module()
    module.layer_weights = [w.value for w in layer.weights]
    module.run = tf.function(function, autograph=False)
    specs = {n: tf.TensorSpec(shape, kind) for n, (shape, kind) in signature.items()}
    concrete = module.run.get_concrete_function(**specs)
    tf.saved_model.save(module, str(path), signatures={"run": concrete})
    return convert(path, ["run"], "float")


def by_rows(predictor: Any, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Answers of a device file, which reads one row at a time."""
    count = len(arrays["x"])
    answers = [
        predictor("run", {name: a[n : n + 1] for name, a in arrays.items()})
        for n in range(count)
    ]
    return {name: np.concatenate([a[name] for a in answers]) for name in answers[0]}


@settings(max_examples=2)  # each is converted
@given(batches(), st.booleans())
def test_device_loop_equals_the_equations(
    reference: Reference, batch: Batch, backwards: bool
) -> None:
    layer = make(batch, backwards)

    def run(x: Any, lengths: Any, h: Any, c: Any) -> dict[str, Any]:
        results = layer(x, initial_state=(h, c), lengths=lengths)
        return dict(zip(("y", "last_h", "last_c"), results, strict=True))

    features, units = batch.x.shape[-1], layer.units
    state = ([1, units], tf.float32)
    signature = {
        "x": ([1, None, features], tf.float32),
        "lengths": ([1], tf.int32),
        "h": state,
        "c": state,
    }
    arrays = {"x": batch.x, "lengths": batch.lengths.astype(np.int32)}
    arrays |= dict(zip("hc", batch.state, strict=True))
    with tempfile.TemporaryDirectory() as folder, choice.traced_for("device"):
        content = device_file(layer, run, signature, Path(folder))
    found = by_rows(opened(content), arrays)
    expected = reference(batch, backwards)
    for name, wanted in zip(("y", "last_h", "last_c"), expected, strict=True):
        np.testing.assert_allclose(found[name], wanted, atol=3e-6)


def opened(content: bytes) -> LiteRTPredictor:
    with tempfile.NamedTemporaryFile(suffix=".tflite") as file:
        file.write(content)
        file.flush()
        return LiteRTPredictor(Path(file.name))


@settings(max_examples=10)
@given(batches(), st.booleans())
def test_steps_equal_the_equations(
    reference: Reference, batch: Batch, split: bool
) -> None:
    """Single steps, from a state that came out of the whole or of steps."""
    full = batch._replace(lengths=np.full(len(batch.x), batch.x.shape[1]))
    layer, y = make(batch), np.empty(0)
    state: Any = tuple(map(tf.constant, batch.state))
    for t in range(batch.x.shape[1]):
        y, state = layer.step(tf.constant(batch.x[:, t]), state)
        if split:
            _, *whole = layer(batch.x[:, : t + 1], initial_state=batch.state)
            state = tuple(whole)
    outputs, h, c = reference(full, False)
    for result, wanted in zip((y, *state), (outputs[:, -1], h, c), strict=True):
        np.testing.assert_allclose(result, wanted, atol=3e-6)


def loss_of(results: Any, functions: Any) -> Any:
    """Looks at outputs and both states, differently."""
    outputs, h, c = results
    total, sin, cos = functions
    return total(sin(outputs)) + total(h * h) + total(cos(c))


def differences(reference: Reference, batch: Batch) -> list[np.ndarray]:
    """Gradients of input, states and weights by central differences, in float64."""
    arrays = [batch.x, *batch.state, *batch.weights]
    wide = [a.astype(np.float64) for a in arrays]

    def loss() -> float:
        x, h, c, *weights = wide
        moved = Batch(x, batch.lengths, (h, c), tuple(weights))
        return loss_of(reference(moved, False), (np.sum, np.sin, np.cos))

    found = []
    for array in wide:
        gradient = np.zeros_like(array)
        for index in np.ndindex(array.shape):
            here, values = array[index], []
            for offset in (1e-5, -1e-5):
                array[index] = here + offset
                values.append(loss())
            array[index] = here
            gradient[index] = (values[0] - values[1]) / 2e-5
        found.append(gradient)
    return found


@pytest.mark.parametrize("run", [inference, training])
@settings(max_examples=3)
@given(batches().filter(lambda b: b.x.size < 60 and len(b.weights[1]) < 4))
def test_gradients_equal_differences(
    run: Any, reference: Reference, batch: Batch
) -> None:
    layer = make(batch)
    x, h, c = (tf.constant(a) for a in (batch.x, *batch.state))
    with tf.GradientTape() as tape:
        tape.watch([x, h, c])
        results = run(layer, batch._replace(x=x, state=(h, c)))
        total = tf.reduce_sum
        loss = loss_of(results, (total, tf.sin, tf.cos))
    sources = [x, h, c, *(w.value for w in layer.trainable_weights)]
    found: Any = tape.gradient(loss, sources)
    for gradient, wanted in zip(found, differences(reference, batch), strict=True):
        np.testing.assert_allclose(gradient, wanted, rtol=2e-4, atol=2e-4)


@pytest.fixture
def exact_products() -> Iterator[None]:
    """No products in TensorFloat-32, which has ten bits."""
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    yield
    tf.config.experimental.enable_tensor_float_32_execution(before)


def ran(function: Callable[[], Any], operations: set[str]) -> set[str]:
    """Which of these operations TensorFlow ran meanwhile, by its own profile."""
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        try:
            function()
        finally:
            tf.profiler.experimental.stop()
        [profile] = Path(folder).rglob("*.xplane.pb")
        content = profile.read_bytes()
    return {name for name in operations if name.encode() in content}


def test_it_can_be_seen_what_ran() -> None:
    a = tf.ones([8, 8])
    product = tf.function(lambda: tf.matmul(a, tf.random.normal([8, 8])))
    product()
    assert ran(product, {"MatMul", CUDNN}) == {"MatMul"}


@pytest.mark.gpu
@pytest.mark.usefixtures("exact_products")
@pytest.mark.parametrize("run", [inference, training, graph])
@settings(max_examples=25)
@given(batches(), st.booleans())
def test_cudnn_equals_the_equations(
    run: Any, reference: Reference, batch: Batch, backwards: bool
) -> None:
    layer = make(batch, backwards)
    for result, wanted in zip(
        run(layer, batch), reference(batch, backwards), strict=True
    ):
        np.testing.assert_allclose(result.numpy(), wanted, atol=1e-5)


@pytest.mark.gpu
@pytest.mark.usefixtures("exact_products")
@settings(max_examples=3)
@given(batches().filter(lambda b: b.x.size < 60 and len(b.weights[1]) < 4))
def test_gradients_of_cudnn_equal_differences(
    reference: Reference, batch: Batch
) -> None:
    checked: Any = test_gradients_equal_differences
    checked.hypothesis.inner_test(training, batch)


def large() -> Batch:
    rng, units = np.random.default_rng(0), 32

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    weights = (normal(16, 4 * units), normal(units, 4 * units), normal(4 * units))
    state = (normal(8, units), normal(8, units))
    lengths = np.array([20, 0, 3, 20, 7, 0, 1, 11])
    return Batch(normal(8, 20, 16), lengths, state, weights)


@pytest.mark.gpu
@pytest.mark.parametrize("dropped", [0.0, 0.3])
def test_cudnn_is_what_runs_on_a_gpu(dropped: float) -> None:
    batch = large()
    layer = make(batch, recurrent_weight_dropout=dropped)
    update = tf.function(lambda: gradients_of(layer, batch))
    update()
    # Neither has a kernel for a CPU.
    both = {CUDNN, "CudnnRNNBackpropV3"}
    assert ran(update, {*both, "MatMul"}) == both


def gradients_of(layer: LSTM, batch: Batch) -> Any:
    with tf.GradientTape() as tape:
        outputs, *_ = training(layer, batch)
        loss = tf.reduce_sum(outputs)
    return tape.gradient(loss, [w.value for w in layer.trainable_weights])


@pytest.mark.gpu
@pytest.mark.usefixtures("exact_products")
@pytest.mark.parametrize("device", ["GPU", "CPU"])
def test_a_saved_model_takes_cudnn_where_it_runs_on_a_gpu(
    device: str, reference: Reference, tmp_path: Path
) -> None:
    batch = large()
    layer = make(batch)
    module: Any = tf.Module()
    module.layer_weights = [w.value for w in layer.weights]
    specs = [tf.TensorSpec([None, None, 16]), tf.TensorSpec([None], tf.int32)]
    module.run = tf.function(lambda x, n: layer(x, lengths=n), input_signature=specs)
    with choice.traced_for("server"):
        tf.saved_model.save(module, str(tmp_path))
    with tf.device(device):
        loaded: Any = tf.saved_model.load(str(tmp_path))
        arguments = tf.constant(batch.x), tf.constant(batch.lengths, tf.int32)
        results = loaded.run(*arguments)
        found = ran(lambda: loaded.run(*arguments), {CUDNN})
    assert found == ({CUDNN} if device == "GPU" else set())
    state = tuple(np.zeros_like(s) for s in batch.state)
    expected = reference(batch._replace(state=state), False)
    for result, wanted in zip(results, expected, strict=True):
        np.testing.assert_allclose(result.numpy(), wanted, atol=1e-5)
