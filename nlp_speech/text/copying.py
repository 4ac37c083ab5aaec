"""Texts put together in a graph from pieces, some of them copied from a source."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tensorflow_text

from nlp_speech.text.graph import normalize_graph
from nlp_speech.text.tokenizer import BOS, EOS, PAD, UNK, UNKNOWN, Tokenizer

Tensor = Any


class CopyingDecoder(tf.Module):
    """The graph face of `Tokenizer.surfaces` and `Tokenizer.join`.

    There may be one of them in a SavedModel: a second one would use the vocabulary of
    the first after reloading (tensorflow/text#1304).

    Args:
        tokenizer: the Python face.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__(name="copying")
        spoken = tokenizer.pieces(range(tokenizer.size))
        spoken[UNK] = UNKNOWN
        for silent in (PAD, BOS, EOS):
            spoken[silent] = ""
        self._vocabulary = spoken
        with tf.device("CPU:0"):
            kind: Any = tf.string
            self._splitter: Any = tensorflow_text.SentencepieceTokenizer(
                tokenizer.model_bytes, out_type=kind
            )

    def surfaces(self, strings: Tensor) -> Tensor:
        """The pieces of each string as they stand in it.

        Args:
            strings: any bytes, [batch].

        Returns:
            UTF-8, [batch, steps], padded with nothing; steps is at least 1.
        """
        pieces = self._splitter.tokenize(normalize_graph(strings)).to_tensor("")
        return tf.pad(pieces, [[0, 0], [0, 1]], constant_values="")

    def join(self, ids: Tensor, lengths: Tensor, surfaces: Tensor) -> Tensor:
        """Joins pieces to strings.

        Args:
            ids: of the vocabulary, or its size and more: from that place of the
                surfaces on; int32 [batch, answers, steps].
            lengths: ids that count, int32 [batch, answers].
            surfaces: from `surfaces`.

        Returns:
            UTF-8 strings, [batch, answers].
        """
        vocabulary = tf.constant(self._vocabulary)
        size = len(self._vocabulary)
        copied = ids >= size
        places = tf.where(copied, ids - size, 0)
        pieces = tf.where(
            copied,
            tf.gather(surfaces, places, batch_dims=1),
            tf.gather(vocabulary, tf.where(copied, 0, ids)),
        )
        inside = tf.range(tf.shape(ids)[-1]) < lengths[:, :, None]
        text = tf.strings.reduce_join(tf.where(inside, pieces, ""), axis=-1)
        spaced = tf.strings.regex_replace(text, "\u2581", " ")
        return tf.strings.regex_replace(spaced, "^ +| +$", "")
