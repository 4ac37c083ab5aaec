"""Implementations by device; what a GPU computes is in `tests/contracts/test_lstm.py`.

Where there is no GPU, Grappler can still be watched: a call of the function for a GPU
is exchanged for the one for a CPU.
"""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from nlp_speech.layers import LSTM, Bidirectional, choice, cudnn

FEATURES, UNITS = 5, 6
FREE = tf.TensorSpec([None, None, FEATURES])
ROWS = tf.TensorSpec([None], tf.int32)


def batch() -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).normal(size=(3, 7, FEATURES)).astype(np.float32)
    return x, np.array([7, 0, 4], np.int32)


def make(**options: Any) -> LSTM:
    layer = LSTM(UNITS, return_sequences=True, return_state=True, **options)
    layer.build((None, None, FEATURES))
    return layer


def export(layer: Any, directory: Path, target: Any) -> tf.Module:
    """A SavedModel of a layer with its lengths."""
    module: Any = tf.Module()
    module.layer_weights = [w.value for w in layer.weights]
    module.run = tf.function(
        lambda x, lengths: layer(x, lengths=lengths), input_signature=[FREE, ROWS]
    )
    with choice.traced_for(target):
        module.run.get_concrete_function()
        tf.saved_model.save(module, str(directory))
    return module


def graph_of(directory: Path) -> Any:
    saved = SavedModel.FromString((directory / "saved_model.pb").read_bytes())
    return saved.meta_graphs[0].graph_def


def called(function: Any) -> set[str]:
    """The functions that a function calls."""
    values = [attr for node in function.node_def for attr in node.attr.values()]
    return {attr.func.name for attr in values if attr.HasField("func")}


@pytest.mark.parametrize("kind", [LSTM, Bidirectional])
def test_servers_hold_cudnn_only_in_the_function_for_a_gpu(
    kind: Any, tmp_path: Path
) -> None:
    layer = make() if kind is LSTM else Bidirectional(UNITS)
    layer.build((None, None, FEATURES))
    export(layer, tmp_path, "server")
    graph = graph_of(tmp_path)
    assert not any("Cudnn" in node.op for node in graph.node)
    functions = {f.signature.name: f for f in graph.library.function}
    pairs: dict[bytes, list[bytes]] = {}
    for function in functions.values():
        if "api_implements" in function.attr:
            devices = pairs.setdefault(function.attr["api_implements"].s, [])
            devices.append(function.attr["api_preferred_device"].s)
    layers = 1 if kind is LSTM else 2
    assert [sorted(p) for p in pairs.values()] == [[b"CPU", b"GPU"]] * layers
    holding = {
        name
        for name, function in functions.items()
        if any("Cudnn" in node.op for node in function.node_def)
    }
    assert len(holding) == layers
    for name, function in functions.items():
        assert not called(function) & holding
        if name in holding:
            assert function.attr["api_preferred_device"].s == b"GPU"


@pytest.mark.parametrize("target", ["here", "device"])
def test_nothing_else_holds_cudnn_on_a_cpu(target: Any, tmp_path: Path) -> None:
    export(make(), tmp_path, target)
    assert b"CudnnRNN" not in (tmp_path / "saved_model.pb").read_bytes()


def test_a_server_without_gpu_gives_the_same_answers(tmp_path: Path) -> None:
    layer = make()
    export(layer, tmp_path / "model", "server")
    x, lengths = batch()
    np.savez(tmp_path / "batch.npz", x=x, lengths=lengths)
    code = (
        "import sys, numpy as np, tensorflow as tf\n"
        "folder = sys.argv[1]\n"
        "batch = np.load(folder + '/batch.npz')\n"
        "model = tf.saved_model.load(folder + '/model')\n"
        "results = model.run(batch['x'], batch['lengths'])\n"
        "np.savez(folder + '/results.npz', *results)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    with np.load(tmp_path / "results.npz") as results:
        for name, expected in zip(
            results.files, layer(x, lengths=lengths), strict=True
        ):
            np.testing.assert_allclose(results[name], expected, atol=1e-6)


def test_grappler_takes_the_function_for_the_device_at_hand() -> None:
    """Neither function is called by a CPU's graph other than through the exchange."""
    layer = make()
    x, lengths = batch()
    weights = layer.cell_weights()
    inputs = (tf.constant(x), *layer.initial_state(3), *weights, tf.constant(lengths))
    name = "nlp_speech_test_exchange"

    @tf.function(autograph=False)
    def run(*inputs: Any) -> Any:
        on_cpu = choice._implementation(
            lambda *i: layer._scan(*i, training=False), name, "CPU"
        )
        other = on_cpu.get_concrete_function(
            *(tf.TensorSpec(i.shape, i.dtype) for i in inputs)
        )
        other.add_to_graph(tf.compat.v1.get_default_graph())
        return choice._implementation(cudnn.run, name, "GPU")(*inputs)

    function: Any = run
    graph = function.get_concrete_function(*inputs).graph.as_graph_def()
    assert "CudnnRNNV3" in str(graph)
    outputs, h, c = function(*inputs)
    expected = layer(x, lengths=lengths)
    mask = np.arange(7)[None, :, None] < lengths[:, None, None]
    np.testing.assert_allclose(outputs.numpy() * mask, expected[0], atol=1e-6)
    np.testing.assert_allclose(h, expected[1], atol=1e-6)
    np.testing.assert_allclose(c, expected[2], atol=1e-6)


def test_two_servers_models_live_in_one_process(tmp_path: Path) -> None:
    """Exchangeable functions of one layer are never taken for another's."""
    layers = [make(), make()]
    for n, layer in enumerate(layers):
        export(layer, tmp_path / str(n), "server")
    x, lengths = batch()
    models: list[Any] = [tf.saved_model.load(str(tmp_path / str(n))) for n in (0, 1)]
    for layer, model in zip(layers, models, strict=True):
        result = model.run(x, lengths)[0]
        np.testing.assert_allclose(result, layer(x, lengths=lengths)[0], atol=1e-6)


def test_targets_end_with_their_block() -> None:
    with pytest.raises(KeyError), choice.traced_for("server"):
        raise KeyError
    assert choice._target.get() == "here"


@pytest.fixture
def gpu_in_sight(monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorFlow tells of a GPU; nothing runs on it."""
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: ["one"])


def operations_in(run: Any, *arguments: Any, **options: Any) -> set[str]:
    graph = tf.function(run, autograph=False, **options).get_concrete_function(
        *arguments
    )
    return {op.type for op in graph.graph.get_operations()}


@pytest.mark.usefixtures("gpu_in_sight")
def test_a_graph_is_traced_for_the_gpu_in_sight() -> None:
    layer = make(recurrent_weight_dropout=0.5)
    x, lengths = batch()
    for training in (False, True):
        found = operations_in(
            lambda training=training: layer(x, lengths=lengths, training=training)
        )
        assert "CudnnRNNV3" in found
        assert "While" not in found


@pytest.mark.usefixtures("gpu_in_sight")
def test_a_device_scope_and_xla_have_no_cudnn() -> None:
    layer, (x, lengths) = make(), batch()

    def on_cpu() -> Any:
        with tf.device("CPU:0"):
            return layer(x, lengths=lengths)

    assert "CudnnRNNV3" not in operations_in(on_cpu)
    assert "CudnnRNNV3" not in operations_in(lambda: layer(x), jit_compile=True)
    with choice.traced_for("device"):
        assert "CudnnRNNV3" not in operations_in(lambda: layer(x))
    plain = make(use_cudnn=False)
    assert "CudnnRNNV3" not in operations_in(lambda: plain(x))
    assert LSTM.from_config(plain.get_config()).use_cudnn is False


@pytest.mark.usefixtures("gpu_in_sight")
def test_gradients_are_cudnns_too() -> None:
    layer, (x, lengths) = make(), batch()

    def gradients() -> Any:
        inputs = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs, h, c = layer(inputs, lengths=lengths, training=True)
            loss = tf.reduce_sum(outputs) + tf.reduce_sum(h * c)
        return tape.gradient(loss, [inputs, *(w.value for w in layer.weights)])

    found = operations_in(gradients)
    assert {"CudnnRNNV3", "CudnnRNNBackpropV3"} <= found


@pytest.mark.usefixtures("gpu_in_sight")
@pytest.mark.parametrize("options", [{}, {"activation": "relu"}, {"stateful": True}])
def test_masks_never_reach_cudnn_and_that_is_told_once(options: Any) -> None:
    layer, (x, lengths) = LSTM(UNITS, name="slow", **options), batch()
    layer.build((3, 7, FEATURES))
    right = np.arange(7) < lengths[:, None]
    told: list[Any] = []
    for mask in (right, ~right):
        with warnings.catch_warnings(record=True) as now:
            warnings.simplefilter("always")
            found = operations_in(lambda mask=mask: layer(x, mask=mask, training=True))
        told += now
        assert "CudnnRNNV3" not in found
    assert [str(w.message)[:13] for w in told] == ["slow: a mask,"]


@pytest.mark.usefixtures("gpu_in_sight")
def test_no_bias_is_no_hindrance_to_cudnn() -> None:
    layer, (x, lengths) = make(use_bias=False), batch()
    assert "CudnnRNNV3" in operations_in(lambda: layer(x, lengths=lengths))


@pytest.mark.usefixtures("gpu_in_sight")
def test_what_keeps_an_lstm_from_cudnn_is_told() -> None:
    layer, (x, lengths) = make(activation="relu", name="slow"), batch()
    with pytest.warns(UserWarning, match="slow: a mask, other activations"):
        found = operations_in(lambda: layer(x, lengths=lengths))
    assert "CudnnRNNV3" not in found


@pytest.mark.usefixtures("gpu_in_sight")
def test_nothing_is_told_where_cudnn_runs() -> None:
    layer, (x, _) = LSTM(UNITS, dropout=0.2, return_sequences=True), batch()
    layer.build((3, 7, FEATURES))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = operations_in(lambda: layer(x, training=True))
    assert "CudnnRNNV3" in found
    assert not told
