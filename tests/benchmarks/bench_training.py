"""Shows what our LSTM gains over stock Keras layers, side by side in one run.

For single layers and for whole translation steps (forward, backward, Adam), the same
model runs with our recurrence and with Keras's own, in turns. Figures are medians; what
matters are the ratios, since the machine may be shared.

    python tests/benchmarks/bench_training.py [--rounds N] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf

from nlp_speech.layers import LSTM
from nlp_speech.models.decoder import Decoder
from nlp_speech.models.encoder import Encoder
from nlp_speech.models.seq2seq import Seq2Seq, smoothed_cross_entropy

Run = Callable[[], Any]
LAYERS = [(64, 30, 256, 256), (64, 30, 512, 512), (16, 400, 80, 256)]
VOCABULARY, ROWS, STEPS = 6000, 64, 24


def medians(runs: dict[str, Run], rounds: int) -> dict[str, float]:
    """Seconds of each, measured in turns after a warm-up."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def matmul_roof(size: int = 1024) -> Run:
    """A square product: the most that this machine can do."""
    a = tf.random.normal([size, size])

    @tf.function
    def run() -> Any:
        return tf.reduce_sum(tf.matmul(a, a))

    return lambda: run().numpy()


def layer_run(kind: Any, shape: tuple[int, int, int, int], xla: bool) -> Run:
    """Forward and backward of one layer."""
    batch, steps, features, units = shape
    layer = kind(units, return_sequences=True)
    layer.build((None, None, features))
    x = tf.random.normal([batch, steps, features])

    @tf.function(jit_compile=xla or None)
    def run() -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x, training=True) ** 2)
        found: Any = tape.gradient(
            loss, [x, *(w.value for w in layer.trainable_weights)]
        )
        return tf.add_n([tf.reduce_sum(g) for g in found])

    return lambda: run().numpy()


def layers(rounds: int) -> list[dict[str, Any]]:
    """Our layer against Keras's, in GFLOP/s of the three products of each step."""
    rows = []
    for shape in LAYERS:
        batch, steps, features, units = shape
        runs = {
            "keras": layer_run(keras.layers.LSTM, shape, xla=False),
            "keras + XLA": layer_run(keras.layers.LSTM, shape, xla=True),
            "ours": layer_run(LSTM, shape, xla=False),
            "ours + XLA": layer_run(LSTM, shape, xla=True),
            "matmul": matmul_roof(),
        }
        seconds = medians(runs, rounds)
        work = 6 * batch * steps * 4 * units * (features + units) / 1e9
        speed = {n: (2.147 if n == "matmul" else work) / s for n, s in seconds.items()}
        name = f"{batch} x {steps} x {features} -> {units}"
        rows.append({"name": name, "speed": speed, "unit": "GFLOP/s"})
    return rows


def model_run(input_feeding: bool, stock: bool) -> Run:
    """One update of a translation model, on our recurrence or on Keras's."""
    encoder = Encoder(512, 2, 0.2, True, True, name="encoder")
    decoder = Decoder(
        units=512,
        layers=2,
        output_units=256,
        attention="luong",
        attention_units=256,
        input_feeding=input_feeding,
        dropout=0.2,
        output_dropout=0.2,
        layer_norm=True,
        residual=True,
        name="decoder",
    )
    model = Seq2Seq(
        VOCABULARY, VOCABULARY, 256, encoder, decoder, True, True, 0.2, name="model"
    )
    model.build()
    optimizer = keras.optimizers.Adam(1e-4)
    optimizer.build(model.trainable_variables)
    rng = np.random.default_rng(0)
    ids = tf.constant(rng.integers(4, VOCABULARY, (ROWS, STEPS)), tf.int32)
    lengths = tf.fill([ROWS], STEPS)
    batch = {"source": ids, "source_lengths": lengths, "target_inputs": ids}

    @tf.function
    def run() -> Any:
        with tf.GradientTape() as tape:
            loss, _ = smoothed_cross_entropy(
                model(batch, training=True), ids, lengths, 0.1
            )
        weights: Any = model.trainable_variables
        gradients: Any = tape.gradient(loss, [w.value for w in weights])
        optimizer.apply([tf.convert_to_tensor(g) for g in gradients], weights)
        return loss

    # Whatever is not standard is left to Keras: with this, everything is.
    standard = (lambda self: False) if stock else LSTM._is_standard
    with mock.patch.object(LSTM, "_is_standard", standard):
        run()
    return lambda: run().numpy()


def models(rounds: int) -> list[dict[str, Any]]:
    """Whole translation steps, in target tokens a second."""
    rows = []
    for input_feeding in (False, True):
        runs = {
            "keras": model_run(input_feeding, stock=True),
            "ours": model_run(input_feeding, stock=False),
        }
        seconds = medians(runs, rounds)
        speed = {name: ROWS * STEPS / s for name, s in seconds.items()}
        name = "translation step, 512 x 2" + (", input feeding" * input_feeding)
        rows.append({"name": name, "speed": speed, "unit": "tokens/s"})
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    lines = []
    for row in rows:
        base = row["speed"]["keras"]
        lines.append(f"{row['name']} ({row['unit']})")
        lines += [
            f"    {name:14}{speed:10,.1f}{speed / base:8.2f} x keras"
            for name, speed in row["speed"].items()
        ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Our LSTM against stock Keras.")
    parser.add_argument("--rounds", type=int, default=7, help="measurements of each")
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    arguments = parser.parse_args()
    rows = layers(arguments.rounds) + models(arguments.rounds)
    print(table(rows))
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
