"""One update of a translation model, on our layers or on Keras's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import keras
import numpy as np
import tensorflow as tf

from nlp_speech.layers import LSTM
from nlp_speech.models import decoder as decoders
from nlp_speech.models.decoder import Decoder, Masks, Memory
from nlp_speech.models.encoder import Encoder
from nlp_speech.models.seq2seq import Seq2Seq, smoothed_cross_entropy
from nlp_speech.training.precision import dtype_policy


@dataclass(frozen=True)
class Size:
    """A model and its batch; every row is as long as the batch."""

    units: int = 512
    layers: int = 2
    embedding: int = 256
    vocabulary: int = 6000
    rows: int = 64
    steps: int = 24
    norms: bool = True  # layer norm and residuals

    @property
    def tokens(self) -> int:
        return self.rows * self.steps


class StockParts(decoders._Layers):
    """A decoder's step as Keras users write it, on the cells of `keras.layers`."""

    def cell(self, n: int, x: Any, state: tuple[Any, Any]) -> Any:
        y, new = self.decoder.lstms[n].cell(x, list(state))
        return y, tuple(new)


def stock_feed(
    decoder: Decoder, embedded: Any, memory: Memory, state: Any, masks: Masks, _: bool
) -> tuple[Any, Any]:
    """Input feeding as a plain loop that TensorFlow differentiates step by step."""
    steps, parts = tf.shape(embedded)[1], StockParts(decoder, memory)
    arrays = [tf.TensorArray(embedded.dtype, size=steps) for _ in range(2)]

    def body(t: Any, state: Any, outputs: Any, weights: Any) -> tuple:
        output, weight, state = decoder.advance(embedded[:, t], state, parts, masks)
        return t + 1, state, outputs.write(t, output), weights.write(t, weight)

    _, _, outputs, weights = tf.while_loop(
        lambda t, *_: t < steps,
        body,
        (tf.constant(0), state, *arrays),
        maximum_iterations=steps,
    )
    stacked = tf.transpose(outputs.stack(), [1, 0, 2])
    stacked = tf.ensure_shape(stacked, [None, None, decoder.output_units])
    return stacked, tf.transpose(weights.stack(), [1, 0, 2])


@contextmanager
def stock_layers() -> Iterator[None]:
    """Whatever is built inside is left to Keras's own LSTM."""
    standard = mock.patch.object(LSTM, "_is_standard", return_value=False)
    with standard, mock.patch.object(decoders, "feed", stock_feed):
        yield


def make_model(size: Size, fed: bool) -> Seq2Seq:
    """The model of the translation task, built."""
    encoder = Encoder(
        size.units, size.layers, 0.2, size.norms, size.norms, name="encoder"
    )
    decoder = Decoder(
        units=size.units,
        layers=size.layers,
        output_units=size.embedding,
        attention="luong",
        attention_units=size.embedding,
        input_feeding=fed,
        dropout=0.2,
        output_dropout=0.2,
        layer_norm=size.norms,
        residual=size.norms,
        name="decoder",
    )
    words = size.vocabulary
    model = Seq2Seq(
        words, words, size.embedding, encoder, decoder, True, True, 0.2, name="model"
    )
    model.build()
    return model


def make_batch(size: Size, seed: int) -> dict[str, Any]:
    """Random pieces; the model is to copy them."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(4, size.vocabulary, (size.rows, size.steps))
    ids = tf.constant(ids, tf.int32)
    lengths = tf.fill([size.rows], size.steps)
    return {"source": ids, "source_lengths": lengths, "target_inputs": ids}


def make_update(
    model: Seq2Seq, optimizer: keras.optimizers.Optimizer, size: Size, xla: bool
) -> Callable[[dict[str, Any]], Any]:
    """Forward, backward and Adam, compiled as one function; returns the loss."""
    optimizer.build(model.trainable_variables)

    @tf.function(jit_compile=xla or None)
    def update(batch: dict[str, Any]) -> Any:
        with tf.GradientTape() as tape:
            loss, count = smoothed_cross_entropy(
                model(batch, training=True),
                batch["source"],
                batch["source_lengths"],
                0.1,
            )
            loss = loss / count
        weights: Any = model.trainable_variables
        gradients: Any = tape.gradient(loss, [w.value for w in weights])
        optimizer.apply([tf.convert_to_tensor(g) for g in gradients], weights)
        return loss

    return update


def make_run(
    size: Size, fed: bool, stock: bool, xla: bool = False, dtype: str = "float32"
) -> Any:
    """A function that does one update, and the Keras objects behind it."""
    with dtype_policy(dtype):
        model, optimizer = make_model(size, fed), keras.optimizers.Adam(1e-4)
    update, batch = make_update(model, optimizer, size, xla), make_batch(size, 0)

    def run() -> float:
        if not stock:
            return float(update(batch))
        with stock_layers():  # matters while the function is traced
            return float(update(batch))

    return run, model, optimizer
