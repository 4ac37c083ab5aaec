"""From the outputs of CTC to labels with their times, in plain TensorFlow operations.

One implementation for Keras, SavedModel and TFLite, which has all its operations built
in. Label 0 is the blank; B rows, T steps, V labels, K hypotheses, L labels of a
hypothesis. A row of length 0 is legal and has the empty answer.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from nlp_speech.decoding.ctc_search import BLANK, GraphSearch

Tensor = Any


class Hypotheses(NamedTuple):
    """What was heard, and when: K hypotheses a row, best first.

    Attributes:
        ids: [B, K, L] int32, padded with 0; L is the most of the lengths, but at
            least 1.
        lengths: [B, K] int32.
        scores: [B, K] float32 log-probabilities; `NO_SCORE` where nothing was found.
        starts: [B, K, L] int32, the first step of each label.
        ends: [B, K, L] int32, the step after its last one.
    """

    ids: Tensor
    lengths: Tensor
    scores: Tensor
    starts: Tensor
    ends: Tensor


def greedy(log_probs: Tensor, lengths: Tensor) -> Hypotheses:
    """Takes the most likely label of each step (best path, Graves et al. 2006).

    Args:
        log_probs: [B, T, V] float32; padding is finite.
        lengths: real steps of each row, [B] int32.

    Returns:
        One hypothesis a row, whose score is the log-probability of that one path.
    """
    best = tf.argmax(log_probs, axis=-1, output_type=tf.int32)
    real = tf.range(tf.shape(best)[1])[tf.newaxis] < lengths[:, tf.newaxis]
    values = tf.where(real, tf.reduce_max(log_probs, axis=-1), 0.0)
    # One blank more at the end: LiteRT cannot work on no steps.
    best = tf.pad(tf.where(real, best, BLANK), [[0, 0], [0, 1]])
    before = tf.pad(best, [[0, 0], [1, 0]])[:, :-1]
    after = tf.pad(best, [[0, 0], [0, 1]])[:, 1:]
    begins = (best != BLANK) & (best != before)
    finishes = (best != BLANK) & (best != after)
    counts = tf.reduce_sum(tf.cast(begins, tf.int32), axis=1)
    most = tf.maximum(tf.reduce_max(counts), 1)
    heard = tf.range(most)[tf.newaxis] < counts[:, tf.newaxis]
    starts = _places(begins, most)
    found = Hypotheses(
        ids=tf.where(heard, tf.gather(best, starts, batch_dims=1), BLANK),
        lengths=counts,
        scores=tf.reduce_sum(values, axis=1),
        starts=tf.where(heard, starts, 0),
        ends=tf.where(heard, _places(finishes, most) + 1, 0),
    )
    return Hypotheses(*(x[:, tf.newaxis] for x in found))


def prefix_beam_search(
    log_probs: Tensor, lengths: Tensor, beam_size: int, labels_per_step: int
) -> Hypotheses:
    """Searches for the labels with the most probable set of alignments.

    Args:
        log_probs: [B, T, V] float32, finite also in padding; V is known.
        lengths: real steps of each row, [B] int32.
        beam_size: K, the prefixes kept at each step.
        labels_per_step: how many labels, the most likely ones of a step, may go on.

    Returns:
        K hypotheses a row. A score is the log-probability of all alignments that the
        beam held: of all there are, if it is large enough. Times are those of the most
        probable one of them. No row depends on its batch.

    Source: Graves 2012, "Supervised Sequence Labelling", section 7.5; Hannun et al.
    2014, "First-Pass Large Vocabulary Continuous Speech Recognition".
    """
    # One step more: LiteRT cannot work on none.
    log_probs = tf.pad(log_probs, [[0, 0], [0, 1], [0, 0]])
    labels_per_step = min(labels_per_step, log_probs.shape[2] - 1)
    likely = tf.math.top_k(log_probs[:, :, 1:], labels_per_step)
    batch_size = log_probs.shape[0] or tf.shape(log_probs)[0]
    search = GraphSearch(
        log_probs=tf.transpose(log_probs, [1, 0, 2]),
        values=tf.transpose(likely.values, [1, 0, 2]),
        labels=tf.transpose(likely.indices + 1, [1, 0, 2]),
        lengths=tf.cast(lengths, tf.int32),
        batch_size=batch_size,
        beam_size=beam_size,
    )
    return Hypotheses(*search.run())


def confidence(log_probs: Tensor, ids: Tensor, starts: Tensor, ends: Tensor) -> Tensor:
    """The mean probability of each label in its steps.

    Args:
        log_probs: [B, T, V] float32.
        ids: [B, L] int32.
        starts: [B, L] int32, the first step of each label.
        ends: [B, L] int32, the step after its last one.

    Returns:
        [B, L] float32, 0 to 1; 0 where `starts` equals `ends`, as in padding.
    """
    sums = tf.pad(tf.cumsum(tf.exp(log_probs), axis=1), [[0, 0], [1, 0], [0, 0]])
    shape = tf.shape(sums)
    rows = tf.range(shape[0])[:, tf.newaxis] * shape[1]
    flat = tf.reshape(sums, [-1])

    def until(steps: Tensor) -> Tensor:
        return tf.gather(flat, (rows + steps) * shape[2] + ids)

    steps = tf.cast(tf.maximum(ends - starts, 1), tf.float32)
    return tf.clip_by_value((until(ends) - until(starts)) / steps, 0.0, 1.0)


def _places(flags: Tensor, most: Tensor) -> Tensor:
    """Where the first `most` flags of each row [B, T] are; any place if there are less.

    A sort, for neither a scatter nor a ragged tensor runs everywhere.
    """
    size = tf.shape(flags)[1]
    backwards = size - tf.range(size)[tf.newaxis]
    places = size - tf.math.top_k(tf.where(flags, backwards, 0), most).values
    return tf.minimum(places, size - 1)
