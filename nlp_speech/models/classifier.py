"""Puts texts of any length into classes: sentiment, topic, intent."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from nlp_speech.layers import TimeDropout
from nlp_speech.layers.lstm import reverse
from nlp_speech.models.pooling import Pooling
from nlp_speech.models.recurrent import LSTMStack, State

Tensor = Any


class Classifier(keras.Model):
    """LSTM stacks over pieces, pooled over all steps, and a softmax.

    A text is read in windows of `window` pieces. The forward stack carries its state
    from one window to the next, so that it has read everything before a piece. The
    backward stack begins anew at the end of each window, so that a text of any length
    takes the memory of a window. Nothing is cut off.

    What is pooled may be standardized: less `pooled_mean`, times `pooled_scale`. Both
    are constants, 0 and 1 at first, for a classifier that begins with trained LSTMs.

    Args:
        pieces: size of the vocabulary.
        classes: number of classes.
        embedding_units: size of an embedded piece.
        forward: reads from left to right.
        backward: reads each window from its end, or None.
        pooling: sums up the steps of both.
        window: pieces.
        hidden_units: of a layer between pooling and softmax; 0 for none.
        word_dropout: share of the vocabulary that is set to 0 for a batch (Gal and
            Ghahramani 2016, section 4.2).
        embedding_dropout: rate, one mask for all steps.
        output_dropout: rate before each of the last layers.
    """

    def __init__(
        self,
        pieces: int,
        classes: int,
        embedding_units: int,
        forward: LSTMStack,
        backward: LSTMStack | None,
        pooling: Pooling,
        window: int,
        hidden_units: int,
        word_dropout: float,
        embedding_dropout: float,
        output_dropout: float,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.pieces = pieces
        self.embedding_units = embedding_units
        self.forward = forward
        self.backward = backward
        self.pooling = pooling
        self.window = window
        self.word_dropout = word_dropout
        self.word_seed = keras.random.SeedGenerator()
        self.embedding_dropout = TimeDropout(
            embedding_dropout, name="embedding_dropout"
        )
        self.hidden = (
            keras.layers.Dense(
                hidden_units, activation="relu", dtype="float32", name="hidden"
            )
            if hidden_units
            else None
        )
        self.softmax = keras.layers.Dense(classes, dtype="float32", name="softmax")
        self.dropouts = [
            keras.layers.Dropout(
                output_dropout, dtype="float32", name=f"output_dropout_{n}"
            )
            for n in range(2)
        ]

    def build(self, input_shape: Any = None) -> None:
        """Creates all weights; no input is needed."""
        scale = keras.initializers.RandomNormal(stddev=self.embedding_units**-0.5)
        self.table = self.add_weight(
            shape=(self.pieces, self.embedding_units), initializer=scale, name="table"
        )
        self.temperature = self.add_weight(
            shape=(), initializer="ones", trainable=False, name="temperature"
        )
        embedded = (None, None, self.embedding_units)
        units = 0
        for stack in filter(None, (self.forward, self.backward)):
            stack.build(embedded)
            units += stack.units[-1]
        self.pooling.build((None, None, units))
        shape: tuple[Any, ...] = (None, 3 * units)
        self.pooled_mean = self.add_weight(
            shape=shape[1:],
            initializer="zeros",
            trainable=False,
            autocast=False,
            name="pooled_mean",
        )
        self.pooled_scale = self.add_weight(
            shape=shape[1:],
            initializer="ones",
            trainable=False,
            autocast=False,
            name="pooled_scale",
        )
        if self.hidden is not None:
            self.hidden.build(shape)
            shape = (None, self.hidden.units)
        self.softmax.build(shape)
        self.built = True

    @property
    def groups(self) -> list[list[Any]]:
        """The trainable variables by layer, from the top down to the embedding."""
        top = [self.pooling, self.hidden, self.softmax]
        stacks = [s for s in (self.forward, self.backward) if s is not None]
        layers = [
            [v for stack in stacks for v in stack.lstms[n].trainable_variables]
            for n in reversed(range(len(self.forward.lstms)))
        ]
        first = [v for layer in top if layer for v in layer.trainable_variables]
        return [first, *layers, [self.table]]

    def call(self, ids: Tensor, lengths: Tensor, training: bool = False) -> Tensor:
        """Reads whole texts at once: fast, and what training needs.

        Args:
            ids: pieces and end of sentence, [batch, time], padded with 0.
            lengths: real pieces of each row, [batch]; 0 is legal.
            training: whether dropout is on.

        Returns:
            Logits, [batch, classes], not divided by the temperature.
        """
        return self.classify(self.embed(ids, training), lengths, training)

    def embed(self, ids: Tensor, training: bool = False) -> Tensor:
        """The vectors of pieces, [batch, time, embedding units]."""
        embedded = tf.gather(self.table.value, ids) * self.embedding_units**0.5
        if training and self.word_dropout:
            kept = keras.random.dropout(
                tf.ones([self.pieces, 1]), self.word_dropout, seed=self.word_seed
            )
            embedded = embedded * tf.cast(tf.gather(kept, ids), embedded.dtype)
        return embedded

    def classify(
        self, embedded: Tensor, lengths: Tensor, training: bool = False
    ) -> Tensor:
        """Reads embedded texts at once; see `call`."""
        return self._logits(self.pool(embedded, lengths, training), training)

    def pool(self, embedded: Tensor, lengths: Tensor, training: bool = False) -> Tensor:
        """Sums up embedded texts, [batch, features], before they are standardized."""
        x = self.embedding_dropout(embedded, training=training)
        y, _ = self.forward(x, lengths, training=training)
        if self.backward is not None:
            y = tf.concat([y, self._backward_windows(x, lengths, training)], axis=-1)
        return self.pooling(y, lengths)

    def read(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Reads texts window by window, in the memory of one: what is exported.

        Args:
            ids: pieces and end of sentence, [batch, time], padded with 0.
            lengths: real pieces of each row, [batch].

        Returns:
            The logits that `call` gives.
        """
        batch_size = ids.shape[0] or tf.shape(ids)[0]
        end = tf.reduce_max(lengths)

        def body(begin: Tensor, state: State, pooled: Any) -> tuple:
            # The converter to TFLite takes functions in the order of their names and
            # fails on an inner loop whose name comes before "while_body": "window" is
            # after it, "backward" is not.
            with tf.name_scope("window"):
                x = self.embed(ids[:, begin : begin + self.window])
                real = tf.clip_by_value(lengths - begin, 0, self.window)
                y, state = self.forward(x, real, state)
                if self.backward is not None:
                    y = tf.concat([y, self._read_backward(x, real, False)], axis=-1)
                return begin + self.window, state, self.pooling.add(pooled, y, real)

        start = (
            tf.constant(0),
            self.forward.initial_state(batch_size),
            self.pooling.initial_state(batch_size),
        )
        *_, pooled = tf.while_loop(lambda begin, *_: begin < end, body, start)
        return self._logits(self.pooling.result(pooled), False)

    def probabilities(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Calibrated probabilities, [batch, classes]; arguments as for `read`."""
        return tf.nn.softmax(self.read(ids, lengths) / self.temperature.value)

    def _backward_windows(self, x: Tensor, lengths: Tensor, training: bool) -> Tensor:
        """The backward stack over all windows of all rows at once."""
        rows, steps = _size(x, 0), _size(x, 1)
        width = _smaller(steps, self.window)
        count = -(-steps // width)
        x = tf.pad(x, [[0, 0], [0, count * width - steps], [0, 0]])
        x = tf.reshape(x, [rows * count, width, self.embedding_units])
        real = tf.clip_by_value(lengths[:, None] - tf.range(count) * width, 0, width)
        y = self._read_backward(x, tf.reshape(real, [-1]), training)
        return tf.reshape(y, [rows, count * width, y.shape[-1]])[:, :steps]

    def _read_backward(self, x: Tensor, lengths: Tensor, training: bool) -> Tensor:
        assert self.backward is not None
        y, _ = self.backward(reverse(x, lengths), lengths, training=training)
        return reverse(y, lengths)

    def _logits(self, x: Tensor, training: bool) -> Tensor:
        x = (x - self.pooled_mean.value) * self.pooled_scale.value
        x = self.dropouts[0](x, training=training)
        if self.hidden is not None:
            x = self.dropouts[1](self.hidden(x), training=training)
        return self.softmax(x)


def weighted_cross_entropy(
    logits: Tensor, targets: Tensor, weights: Tensor, smoothing: float
) -> tuple[Tensor, Tensor]:
    """Cross-entropy, summed over examples with weights.

    Args:
        logits: [batch, classes].
        targets: probabilities of the classes, [batch, classes]: 1 for the right one, or
            what another model says.
        weights: of each example, [batch]; 0 leaves it out.
        smoothing: share of the mass that is spread evenly over all classes.

    Returns:
        The weighted sum in nats, and the sum of the weights.
    """
    targets = targets * (1 - smoothing) + smoothing / logits.shape[-1]
    loss = tf.nn.softmax_cross_entropy_with_logits(targets, logits)
    return tf.reduce_sum(loss * weights), tf.reduce_sum(weights)


def worst_case(
    embedded: Tensor, gradient: Tensor, lengths: Tensor, size: float
) -> Tensor:
    """Embedded texts, moved to where the loss grows most (Miyato et al. 2017).

    The paper keeps embeddings at unit variance, so that they cannot grow until a step
    of fixed size is nothing. Here the step grows with them, which is the same.

    Args:
        embedded: [batch, time, features].
        gradient: of the loss by `embedded`.
        lengths: real pieces of each row, [batch]; padding stays where it is.
        size: length of the step of a whole text, in lengths of a mean vector.

    Returns:
        [batch, time, features]; no gradient flows through the step.
    """
    mask = tf.sequence_mask(lengths, tf.shape(embedded)[1], dtype=embedded.dtype)
    gradient = gradient * mask[:, :, None]
    steepness = tf.sqrt(tf.reduce_sum(tf.square(gradient), [1, 2], keepdims=True))
    squares = tf.reduce_sum(tf.square(embedded), axis=-1) * mask
    mean = tf.sqrt(tf.reduce_sum(squares) / tf.maximum(tf.reduce_sum(mask), 1.0))
    step = size * mean * gradient / tf.maximum(steepness, 1e-12)
    return embedded + tf.stop_gradient(step)


def _size(x: Tensor, axis: int) -> Any:
    """A dimension: a number if it is known, else a tensor."""
    return x.shape[axis] or tf.shape(x)[axis]


def _smaller(a: Any, b: int) -> Any:
    return min(a, b) if isinstance(a, int) else tf.minimum(a, b)
