"""Shows how fast our layers train beside stock Keras, torch and Joey NMT, in one run.

Single layers (forward, backward) and whole translation updates (forward, backward,
Adam) run in turns, the peers in a process and an environment of their own. The roof of
a layer is what the better of TensorFlow and torch needs for its matrix products alone,
over all steps at once. Figures are medians; what matters are the ratios, since the
machine may be shared.

    python tests/benchmarks/bench_training.py [--short] [--rounds N] [--only TEXT]
        [--json FILE]
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import tensorflow as tf
from peers import Peer
from side_by_side import Row, Run, arguments, report, speeds, timed
from translation_model import Size, make_run

from nlp_speech.layers import LSTM

LAYERS = [(64, 30, 256, 256), (64, 30, 512, 512), (16, 400, 80, 256)]
JOEY = Size(units=256, layers=1, norms=False)


def products(shape: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """The products [n, k] x [k, m] of a layer, forward and backward."""
    batch, steps, features, units = shape
    rows, gates = batch * steps, 4 * units
    return [
        product
        for size in (features, units)
        for product in ((rows, size, gates), (rows, gates, size), (size, rows, gates))
    ]


def products_run(shape: tuple[int, ...]) -> Run:
    """All products of a layer in TensorFlow."""
    pairs = [
        (tf.random.normal([n, k]), tf.random.normal([k, m]))
        for n, k, m in products(shape)
    ]

    @tf.function
    def run(pairs: Any) -> Any:
        return [tf.matmul(a, b)[0, 0] for a, b in pairs]

    return timed(lambda: [float(value) for value in run(pairs)])


def layer_run(kind: Any, shape: tuple[int, ...], xla: bool, **options: Any) -> Run:
    """Forward and backward of one layer."""
    batch, steps, features, units = shape
    layer = kind(units, return_sequences=True, **options)
    layer.build((None, None, features))
    x = tf.random.normal([batch, steps, features])

    @tf.function(jit_compile=xla or None)
    def run() -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(tf.cast(layer(x, training=True), tf.float32) ** 2)
        found: Any = tape.gradient(
            loss, [x, *(w.value for w in layer.trainable_weights)]
        )
        return tf.add_n([tf.reduce_sum(g) for g in found])

    return timed(lambda: float(run()))


def layer_row(shape: tuple[int, ...], peer: Peer, rounds: int) -> Row:
    """GFLOP/s of the three products of each step."""
    batch, steps, features, units = shape
    work = 6 * batch * steps * 4 * units * (features + units) / 1e9
    runs = {
        "keras": layer_run(keras.layers.LSTM, shape, xla=False),
        "keras + XLA": layer_run(keras.layers.LSTM, shape, xla=True),
        "torch": peer.run("layer", shape=shape),
        "products, TF": products_run(shape),
        "products, torch": peer.run("products", shapes=products(shape)),
        "ours": layer_run(LSTM, shape, xla=False),
        "ours, jit": layer_run(LSTM, shape, xla=False, jit_compile=True),
        "ours + XLA": layer_run(LSTM, shape, xla=True),
        "ours, bfloat16": layer_run(LSTM, shape, xla=False, dtype="mixed_bfloat16"),
        "ours, bf16 + XLA": layer_run(LSTM, shape, xla=True, dtype="mixed_bfloat16"),
    }
    name = f"layer {batch} x {steps} x {features} -> {units}"
    return speeds(name, runs, rounds, work, "GFLOP/s")


def torch_run(peer: Peer, size: Size, fed: bool) -> Run:
    """The same update in torch."""
    keys = ("vocabulary", "rows", "steps", "embedding", "units", "layers")
    options = {key: getattr(size, key) for key in keys}
    return peer.run("translation", **options, fed=fed)


def model_row(fed: bool, peer: Peer, rounds: int) -> Row:
    """Whole translation updates, in target tokens a second."""
    size = Size()

    def ours(**how: Any) -> Run:
        return timed(make_run(size, fed, **how)[0])

    runs = {
        "keras": ours(stock=True),
        "keras + XLA": ours(stock=True, xla=True),
        "torch": torch_run(peer, size, fed),
        "ours": ours(stock=False),
        "ours + XLA": ours(stock=False, xla=True),
        "ours, bfloat16": ours(stock=False, dtype="mixed_bfloat16"),
        "ours, bf16 + XLA": ours(stock=False, xla=True, dtype="mixed_bfloat16"),
    }
    name = f"translation update, {size.units} x {size.layers}"
    name += ", input feeding" * fed
    return speeds(name, runs, rounds, size.tokens, "target tokens/s")


def joey_row(peer: Peer, rounds: int) -> Row:
    """The model that Joey NMT has too: one layer, attention, input feeding."""
    size = replace(JOEY, embedding=JOEY.units)
    keys = ("vocabulary", "rows", "steps", "units")

    def ours(**how: Any) -> Run:
        return timed(make_run(size, True, **how)[0])

    runs = {
        "keras": ours(stock=True),
        "Joey NMT": peer.run("joey", **{key: getattr(size, key) for key in keys}),
        "ours": ours(stock=False),
        "ours + XLA": ours(stock=False, xla=True),
        "ours, bfloat16": ours(stock=False, dtype="mixed_bfloat16"),
        "ours, bf16 + XLA": ours(stock=False, xla=True, dtype="mixed_bfloat16"),
    }
    name = f"translation update, {size.units} x 1, input feeding, Joey NMT's model"
    return speeds(name, runs, rounds, size.tokens, "target tokens/s")


def main() -> None:
    given = arguments("Training speed beside Keras, torch and Joey NMT.", rounds=7)
    peer = Peer()
    makers = {
        **{
            "layer " + " x ".join(map(str, shape)): (
                lambda shape=shape: layer_row(shape, peer, given.rounds)
            )
            for shape in LAYERS
        },
        "model": lambda: model_row(False, peer, given.rounds),
        "model fed": lambda: model_row(True, peer, given.rounds),
        "joey": lambda: joey_row(peer, given.rounds),
    }
    chosen = [make for name, make in makers.items() if (given.only or "") in name]
    report([make() for make in chosen], given)
    peer.close()


if __name__ == "__main__":
    main()
