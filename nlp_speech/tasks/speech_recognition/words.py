"""Words with their times in the server's graph, as the light side makes them."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

Tensor = Any


def words_of(
    symbols: Tensor, ids: Tensor, starts: Tensor, ends: Tensor, confidence: Tensor
) -> dict[str, Tensor]:
    """Groups labels to words; a symbol that begins with a space begins a word.

    Args:
        symbols: [V] strings, what each label adds to the text.
        ids: [B, L] int32, padded with 0.
        starts: [B, L] int32, the first step of each label.
        ends: [B, L] int32, the step after its last one.
        confidence: [B, L] float32.

    Returns:
        ``words`` [B, W] strings, ``word_starts`` and ``word_ends`` [B, W] int32, and
        ``word_confidence`` [B, W] float32, that of a word's least probable label; all
        padded with nothing or 0.
    """
    said = tf.gather(symbols, ids)
    letters = tf.strings.strip(said)
    begins = tf.strings.regex_full_match(said, " .*")
    heard = tf.strings.length(letters) > 0
    number = tf.cumsum(tf.cast(begins, tf.int32), axis=1)
    rows, size = tf.shape(ids)[0], tf.shape(ids)[1] + 1
    group = number + tf.range(rows)[:, tf.newaxis] * size
    count = rows * size

    def grouped(function: Any, values: Tensor) -> Tensor:
        joined = function(tf.reshape(values, [-1]), tf.reshape(group, [-1]), count)
        return tf.reshape(joined, [rows, size])

    words = grouped(tf.strings.unsorted_segment_join, letters)
    real = tf.strings.length(words) > 0
    found = {
        "words": words,
        "word_starts": grouped(
            tf.math.unsorted_segment_min, tf.where(heard, starts, tf.int32.max)
        ),
        "word_ends": grouped(tf.math.unsorted_segment_max, tf.where(heard, ends, 0)),
        "word_confidence": grouped(
            tf.math.unsorted_segment_min, tf.where(heard, confidence, 1.0)
        ),
    }
    ragged: Any = tf.ragged
    return {
        name: ragged.boolean_mask(values, real).to_tensor()
        for name, values in found.items()
    }
