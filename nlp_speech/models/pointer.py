"""An encoder-decoder that also copies from its source (See et al. 2017).

Source and target share one vocabulary. The probability of a piece is that of writing it
from the vocabulary, or of copying it from any of the places where it stands in the
source. A piece that the vocabulary lacks can only be copied.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import tensorflow as tf

from nlp_speech.models.decoder import Memory, State
from nlp_speech.models.seq2seq import Seq2Seq

Tensor = Any

# Added to a probability before its logarithm: less than any that matters.
_LEAST = 1e-10
_FORBIDDEN = -1e9


class Prediction(NamedTuple):
    """What the model says of the next piece at each step of a target.

    Attributes:
        logits: of writing each piece, [batch, target time, vocabulary].
        gate: the logit of writing instead of copying, [batch, target time].
        attention: the probability of copying each source piece, [batch, target time,
            source time].
    """

    logits: Tensor
    gate: Tensor
    attention: Tensor


class Pointer(Seq2Seq):
    """A `Seq2Seq` with a shared vocabulary whose attention also copies.

    Args:
        copy: whether it copies; if not, it is a plain encoder-decoder that cannot write
            what its vocabulary lacks.
        unknown: the id of every piece that the vocabulary lacks.
        options: of `Seq2Seq`.
    """

    def __init__(self, copy: bool, unknown: int, **options: Any) -> None:
        super().__init__(shared=True, **options)
        self.copy = copy
        self.unknown = unknown
        self.gate = keras.layers.Dense(1, name="gate") if copy else None

    def build(self, input_shape: Any = None) -> None:
        """Creates all weights; no input is needed."""
        super().build()
        if self.gate is not None:
            self.gate.build((None, self.embedding_units))

    def call(self, inputs: dict[str, Tensor], training: bool = False) -> Prediction:
        """Reads whole targets (teacher forcing); inputs as for `Seq2Seq`."""
        memory = self.encode(inputs["source"], inputs["source_lengths"], training)
        outputs, attention = self.write(inputs["target_inputs"], memory, training)
        # Without a gate everything is written.
        gate = tf.fill(tf.shape(outputs)[:2], -_FORBIDDEN)
        if self.gate is not None:
            gate = self._gate(outputs)
        return Prediction(self.logits(outputs), gate, attention)

    def step_over(
        self, ids: Tensor, state: State, memory: Memory, source: Tensor
    ) -> tuple[Tensor, Tensor, State]:
        """One piece further, copying from the pieces of the source.

        Args:
            ids: the last piece of each hypothesis, [rows], source by source.
            state: [rows, ...] each.
            memory: of the batch, once for each source.
            source: the pieces that were encoded, [batch, source time].

        Returns:
            Log-probabilities of the next piece [rows, vocabulary], where `unknown` is
            all that the vocabulary lacks; attention weights [rows, source time]; and
            the new state.
        """
        output, attention, state = self.advance(ids, state, memory)
        unwanted = tf.one_hot(self.unknown, self.target_size, _FORBIDDEN, 0.0)
        written = tf.nn.softmax(self.logits(output) + unwanted)
        if self.gate is None:
            return tf.math.log(written + _LEAST), attention, state
        gate = tf.sigmoid(self._gate(output))[:, None]
        copied = _spread(attention * (1 - gate), source, self.target_size)
        return tf.math.log(gate * written + copied + _LEAST), attention, state

    def _gate(self, outputs: Tensor) -> Tensor:
        assert self.gate is not None
        flat = self.gate(tf.reshape(outputs, [-1, self.embedding_units]))
        return tf.reshape(flat, tf.shape(outputs)[:-1])


def _spread(weights: Tensor, source: Tensor, size: int) -> Tensor:
    """Adds up weights of places into weights of the pieces that stand there.

    Args:
        weights: [rows, source time]; some rows for each source.
        source: pieces, [batch, source time].
        size: of the vocabulary.

    Returns:
        [rows, size]
    """
    rows = weights.shape[0] or tf.shape(weights)[0]
    batch = source.shape[0] or tf.shape(source)[0]
    each: Any = rows // batch
    places = tf.tile(source[:, None], [1, each, 1])
    places = tf.reshape(places, [rows, -1]) + tf.range(rows)[:, None] * size
    flat = tf.scatter_nd(
        tf.reshape(places, [-1, 1]), tf.reshape(weights, [-1]), [rows * size]
    )
    return tf.reshape(flat, [rows, size])


def pointer_cross_entropy(
    prediction: Prediction,
    source: Tensor,
    ids: Tensor,
    lengths: Tensor,
    smoothing: float,
) -> tuple[Tensor, Tensor]:
    """The cross-entropy of the mixture of writing and copying, summed over real pieces.

    Args:
        prediction: of each step.
        source: the pieces that can be copied, [batch, source time].
        ids: the right pieces, [batch, target time].
        lengths: real pieces of each row, [batch]; the rest counts nothing.
        smoothing: share of the mass that is spread evenly over all pieces. Only writing
            is smoothed: copying has nothing to spread over.

    Returns:
        The sum, a scalar in nats, and the number of real pieces.
    """
    logits, gate, attention = (tf.cast(x, tf.float32) for x in prediction)
    log_written = -tf.nn.sparse_softmax_cross_entropy_with_logits(ids, logits)
    there = tf.cast(tf.equal(ids[:, :, None], source[:, None, :]), tf.float32)
    copied = tf.reduce_sum(attention * there, axis=-1)
    written = tf.math.log_sigmoid(gate) + log_written
    copied = tf.math.log_sigmoid(-gate) + tf.math.log(copied + _LEAST)
    largest = tf.stop_gradient(tf.maximum(written, copied))
    both = tf.exp(written - largest) + tf.exp(copied - largest)
    loss = -(largest + tf.math.log(both))
    if smoothing:
        # -mean(log p) = -log p[right] + logits[right] - mean(logits)
        right = tf.gather(logits, ids, batch_dims=2)
        even = -log_written + right - tf.reduce_mean(logits, axis=-1)
        loss = (1 - smoothing) * loss + smoothing * even
    mask = tf.sequence_mask(lengths, tf.shape(ids)[1], dtype=loss.dtype)
    return tf.reduce_sum(loss * mask), tf.reduce_sum(mask)


def coverage_loss(attention: Tensor, lengths: Tensor) -> Tensor:
    """How often the same is read again, summed over real pieces (See et al. 2017, 13).

    Args:
        attention: [batch, target time, source time].
        lengths: real pieces of each target, [batch].

    Returns:
        A scalar; each piece adds between 0 and 1.
    """
    attention = tf.cast(attention, tf.float32)
    given = tf.cumsum(attention, axis=1, exclusive=True)
    again = tf.reduce_sum(tf.minimum(attention, given), axis=-1)
    mask = tf.sequence_mask(lengths, tf.shape(again)[1], dtype=again.dtype)
    return tf.reduce_sum(again * mask)
