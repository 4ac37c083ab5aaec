"""Predicts each piece of a text from those before it, or from those after it."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from nlp_speech.layers import TimeDropout
from nlp_speech.layers.lstm import reverse
from nlp_speech.models.recurrent import LSTMStack, State
from nlp_speech.models.sampled_softmax import (
    Candidates,
    full_cross_entropy,
    sampled_cross_entropy,
)

Tensor = Any


class LanguageModel(keras.Model):
    """LSTM stacks whose softmax has the weights of the embedding.

    One stack reads forward and one, independent of it, backward; they share embedding
    and softmax (Peters et al. 2018). Dropout is that of Merity et al. 2018. The weights
    are called as those of `models.classifier.Classifier`, which can begin with them.

    Args:
        pieces: size of the vocabulary.
        embedding_units: size of an embedded piece.
        forward: reads from left to right.
        backward: reads from right to left, or None.
        window: pieces scored at once.
        word_dropout: share of the vocabulary that is set to 0 for a batch.
        embedding_dropout: rate, one mask for all steps.
        output_dropout: rate before the softmax, one mask for all steps.
        candidates: what the right piece is compared with in training; None: all.
    """

    def __init__(
        self,
        pieces: int,
        embedding_units: int,
        forward: LSTMStack,
        backward: LSTMStack | None,
        window: int,
        word_dropout: float,
        embedding_dropout: float,
        output_dropout: float,
        candidates: Candidates | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.pieces = pieces
        self.embedding_units = embedding_units
        self.forward = forward
        self.backward = backward
        self.window = window
        self.word_dropout = word_dropout
        self.word_seed = keras.random.SeedGenerator()
        self.embedding_dropout = TimeDropout(
            embedding_dropout, name="embedding_dropout"
        )
        self.output_dropouts = [
            TimeDropout(output_dropout, name=f"output_dropout_{n}") for n in range(2)
        ]
        self.projections = [
            keras.layers.Dense(embedding_units, use_bias=False, name=f"projection_{n}")
            for n in range(2 if backward is not None else 1)
        ]
        self.candidates = candidates
        self.candidate_seed = keras.random.SeedGenerator()

    def build(self, input_shape: Any = None) -> None:
        """Creates all weights; no input is needed."""
        scale = keras.initializers.RandomNormal(stddev=self.embedding_units**-0.5)
        self.table = self.add_weight(
            shape=(self.pieces, self.embedding_units), initializer=scale, name="table"
        )
        self.bias = self.add_weight(
            shape=(self.pieces,), initializer="zeros", name="bias"
        )
        stacks = [s for s in (self.forward, self.backward) if s is not None]
        for stack, projection in zip(stacks, self.projections, strict=True):
            stack.build((None, None, self.embedding_units))
            projection.build((None, None, stack.units[-1]))
        self.built = True

    def call(self, ids: Tensor, lengths: Tensor, training: bool = False) -> Tensor:
        """The losses of all predictions; see `losses_of`."""
        return self.losses_of(ids, lengths, training)

    def losses_of(self, ids: Tensor, lengths: Tensor, training: bool = False) -> Tensor:
        """Cross-entropy of the predictions of rows read at once.

        Args:
            ids: pieces, [batch, time + 1], padded with 0.
            lengths: predictions of each row, one less than its pieces, [batch].
            training: whether dropout is on and the softmax is sampled.

        Returns:
            [directions, batch, time] in nats, 0 in padding. Forward first, of each
            piece but the first; then backward, of each piece but the last.
        """
        batch_size, steps = tf.shape(ids)[0], tf.shape(ids)[1] - 1
        x = self.embedding_dropout(self.embed(ids, training), training=training)
        y, _ = self.forward(x[:, :-1], lengths, training=training)
        outputs, targets = [y], [ids[:, 1:]]
        if self.backward is not None:
            turned = reverse(x[:, 1:], lengths)
            y, _ = self.backward(turned, lengths, training=training)
            outputs.append(reverse(y, lengths))
            targets.append(ids[:, :-1])
        drawn = self._draw() if training else None
        losses = [
            self._cross_entropy(n, y, right, drawn, training)
            for n, (y, right) in enumerate(zip(outputs, targets, strict=True))
        ]
        found = tf.reshape(tf.stack(losses), [len(losses), batch_size, steps])
        return found * tf.sequence_mask(lengths, steps, dtype=found.dtype)

    def embed(self, ids: Tensor, training: bool = False) -> Tensor:
        """The vectors of pieces, [..., embedding units]."""
        embedded = tf.gather(self.table.value, ids) * self.embedding_units**0.5
        if training and self.word_dropout:
            kept = keras.random.dropout(
                tf.ones([self.pieces, 1]), self.word_dropout, seed=self.word_seed
            )
            embedded = embedded * tf.gather(kept, ids)
        return embedded

    def score(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Log-probability of all pieces after the first, in the memory of a window.

        Args:
            ids: pieces, [batch, time + 1], padded with 0.
            lengths: predictions of each row, [batch]; 0 is legal.

        Returns:
            Natural logarithms, summed over each row, [batch].
        """
        return self._score(0, self.forward, ids, lengths)

    def score_backward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Log-probability of all pieces before the last, from right to left.

        Arguments and result are those of `score`.
        """
        assert self.backward is not None
        turned = tf.reverse_sequence(ids, lengths + 1, seq_axis=1, batch_axis=0)
        return self._score(1, self.backward, turned, lengths)

    def step(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """Reads one piece forward.

        Args:
            ids: [batch].
            state: before it, as `forward.initial_state`.

        Returns:
            Log-probabilities of the next piece [batch, pieces], and the state after.
        """
        x = self.embed(ids)
        after = []
        for lstm, before in zip(self.forward.lstms, state, strict=True):
            x, now = lstm.step(x, before)
            after.append(now)
        logits = self._logits(0, x)
        mass = tf.reduce_logsumexp(logits, axis=-1, keepdims=True)
        return logits - mass, tuple(after)

    def _score(
        self, direction: int, stack: LSTMStack, ids: Tensor, lengths: Tensor
    ) -> Tensor:
        batch_size = ids.shape[0] or tf.shape(ids)[0]
        inputs, targets = ids[:, :-1], ids[:, 1:]
        end = tf.reduce_max(lengths)

        def body(begin: Tensor, state: State, total: Tensor) -> tuple:
            # See `Classifier.read` for the name.
            with tf.name_scope("window"):
                x = self.embed(inputs[:, begin : begin + self.window])
                real = tf.clip_by_value(lengths - begin, 0, self.window)
                y, state = stack(x, real, state)
                logits = self._logits(direction, tf.reshape(y, [-1, y.shape[-1]]))
                right = tf.reshape(targets[:, begin : begin + self.window], [-1])
                found = tf.gather(logits, right, batch_dims=1)
                found = found - tf.reduce_logsumexp(logits, axis=-1)
                found = tf.reshape(found, tf.shape(x)[:2])
                mask = tf.sequence_mask(real, tf.shape(x)[1], dtype=found.dtype)
                total = total + tf.reduce_sum(found * mask, axis=1)
                return begin + self.window, state, total

        state = stack.initial_state(batch_size)
        start = (tf.constant(0), state, tf.zeros([batch_size]))
        *_, total = tf.while_loop(lambda begin, *_: begin < end, body, start)
        return total

    def _cross_entropy(
        self, direction: int, y: Tensor, targets: Tensor, drawn: Any, training: bool
    ) -> Tensor:
        """Of every step of every row, [batch * time]."""
        y = self.output_dropouts[direction](y, training=training)
        flat = tf.reshape(y, [-1, y.shape[-1]])
        hidden = tf.cast(self.projections[direction](flat), self.table.dtype)
        right = tf.reshape(targets, [-1])
        weights = (self.table.value, self.bias.value)
        if drawn is None:
            return full_cross_entropy(hidden, right, *weights)
        return sampled_cross_entropy(hidden, right, *weights, *drawn)

    def _draw(self) -> tuple[Tensor, Tensor] | None:
        if self.candidates is None:
            return None
        return self.candidates.draw(self.candidate_seed)

    def _logits(self, direction: int, y: Tensor) -> Tensor:
        """Of every next piece, [rows, pieces], from outputs [rows, units]."""
        hidden = self.projections[direction](y)
        table, bias = self.table.value, self.bias.value
        return tf.matmul(hidden, table, transpose_b=True) + bias
