"""The TensorFlow side of the toy task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from nlp_speech.contract import Endpoint, TrainingExtras

from . import DEVICE_ENDPOINT, SERVER_ENDPOINT


def prepare(config: Any, directory: Path) -> None:
    del config
    (directory / "letters.txt").write_text("abcdefghijklmnopqrstuvwxyz|", "utf-8")


EXTRAS = TrainingExtras()


class Toy(keras.Model):
    def __init__(self, letters: int, units: int) -> None:
        super().__init__()
        self.embed = keras.layers.Embedding(letters, units, name="embed")
        self.dropout = keras.layers.Dropout(0.5)
        self.out = keras.layers.Dense(letters, name="out")

    def call(self, ids: Any, training: bool = False) -> Any:
        return self.out(self.dropout(self.embed(ids), training=training))


def build(config: Any, assets: str) -> keras.Model:
    keras.utils.set_random_seed(config.seed)
    model = Toy(len(assets) + 1, config.units)
    model(tf.zeros([1, 1], tf.int32))
    return model


def endpoints(config: Any, assets: str, model: keras.Model) -> dict[str, Endpoint]:
    del config
    letters = ["?", *assets]
    numbers = tf.range(len(letters))
    to_ids = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(letters, numbers), 0
    )

    def answer(ids: tf.Tensor, lengths: tf.Tensor) -> dict[str, tf.Tensor]:
        """Another letter for each one."""
        logits = model(ids, training=False)
        best = tf.reduce_max(logits, -1)
        real = tf.sequence_mask(lengths, tf.shape(ids)[1], best.dtype)
        changed = tf.argmax(logits, -1, tf.int32)
        return {"ids": changed, "score": tf.reduce_sum(best * real, 1)}

    def answer_text(text: tf.Tensor) -> dict[str, tf.Tensor]:
        rows = tf.strings.unicode_split(text, "UTF-8")
        ids = to_ids.lookup(rows.to_tensor("?"))
        lengths = tf.cast(rows.row_lengths(), tf.int32)
        found = answer(ids, lengths)
        changed: Any = tf.RaggedTensor.from_tensor(  # pyright: ignore[reportAttributeAccessIssue]
            found["ids"], rows.row_lengths()
        )
        joined = tf.strings.reduce_join(tf.gather(letters, changed), axis=-1)
        return {"text": joined, "score": found["score"]}

    ids = {
        "ids": tf.TensorSpec([None, None], tf.int32),
        "lengths": tf.TensorSpec([None], tf.int32),
    }
    device = {
        "ids": tf.TensorSpec([1, None], tf.int32),
        "lengths": tf.TensorSpec([1], tf.int32),
    }
    text = {"text": tf.TensorSpec([None], tf.string)}
    return {
        DEVICE_ENDPOINT: Endpoint(answer, ids, device),
        SERVER_ENDPOINT: Endpoint(answer_text, text),
    }
