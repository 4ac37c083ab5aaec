"""Sums up a sequence of any length in one vector, all at once or window by window."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import tensorflow as tf

Tensor = Any

# The converter to TFLite does not keep infinities.
_LOWEST = -1e9


class PoolState(NamedTuple):
    """What is known of the steps seen so far.

    Attributes:
        count: real steps, [batch, 1].
        largest: of each feature, [batch, features]; -1e9 before the first step.
        total: sum of each feature, [batch, features].
        top: the largest attention score, [batch, 1]; -1e9 before the first step.
        mass: sum of the exponentials of scores less `top`, [batch, 1].
        attended: features summed with those exponentials, [batch, features].
    """

    count: Tensor
    largest: Tensor
    total: Tensor
    top: Tensor
    mass: Tensor
    attended: Tensor


class Pooling(keras.layers.Layer):
    """Attention, maximum and mean of the real steps, side by side.

    The attention scores each step by ``v tanh(W x + b)`` (Yang et al. 2016, equations 5
    to 7). Its softmax is kept up as steps come in (Milakov and Gimelshein 2018), so
    that windows one after the other give what the whole sequence gives. It is computed
    in float32 whatever the precision: sums over a text of any length want it.

    Args:
        units: size of the attention's hidden layer.
    """

    def __init__(self, units: int, **options: Any) -> None:
        super().__init__(**{"dtype": "float32", **options})
        self.units = units

    def build(self, shape: Any) -> None:
        """Creates the weights for [batch, time, features]."""
        self.features = int(shape[-1])
        self.kernel = self.add_weight(shape=(self.features, self.units), name="kernel")
        self.bias = self.add_weight(
            shape=(self.units,), initializer="zeros", name="bias"
        )
        self.vector = self.add_weight(shape=(self.units, 1), name="vector")
        self.built = True

    def initial_state(self, batch_size: Tensor | int) -> PoolState:
        """The state before the first step."""
        wide = tf.zeros([batch_size, self.features])
        narrow = tf.zeros([batch_size, 1])
        return PoolState(narrow, wide + _LOWEST, wide, narrow + _LOWEST, narrow, wide)

    def add(self, state: PoolState, x: Tensor, lengths: Tensor) -> PoolState:
        """Takes in further steps.

        Args:
            state: of the steps before.
            x: [batch, time, features] of any precision, finite also in its padding.
            lengths: real steps of each row, [batch].

        Returns:
            The state after them.
        """
        x = tf.cast(x, tf.float32)
        mask = tf.sequence_mask(lengths, tf.shape(x)[1], dtype=x.dtype)
        real = mask[:, :, None]
        scores = self._scores(x) + (1 - mask) * _LOWEST
        # Any number will do that keeps the exponentials small; no gradient is wanted.
        top = tf.stop_gradient(
            tf.maximum(state.top, tf.reduce_max(scores, axis=1, keepdims=True))
        )
        kept = tf.exp(state.top - top)
        weights = tf.exp(scores - top) * mask
        attended = tf.squeeze(tf.matmul(weights[:, None], x), 1)
        largest = tf.reduce_max(x * real + (1 - real) * _LOWEST, axis=1)
        return PoolState(
            count=state.count + tf.reduce_sum(mask, axis=1, keepdims=True),
            largest=tf.maximum(state.largest, largest),
            total=state.total + tf.reduce_sum(x * real, axis=1),
            top=top,
            mass=state.mass * kept + tf.reduce_sum(weights, axis=1, keepdims=True),
            attended=state.attended * kept + attended,
        )

    def result(self, state: PoolState) -> Tensor:
        """The vector of the steps seen, [batch, 3 * features]; zeros if there are none.

        Attention comes first, then the maximum, then the mean.
        """
        some = tf.minimum(state.count, 1.0)
        return tf.concat(
            [
                state.attended / tf.maximum(state.mass, 1e-9),
                state.largest * some,
                state.total / tf.maximum(state.count, 1.0),
            ],
            axis=-1,
        )

    def call(self, x: Tensor, lengths: Tensor) -> Tensor:
        """The vector of whole sequences, [batch, 3 * features]; see `add`."""
        batch_size = x.shape[0] or tf.shape(x)[0]
        return self.result(self.add(self.initial_state(batch_size), x, lengths))

    def _scores(self, x: Tensor) -> Tensor:
        flat = tf.reshape(x, [-1, self.features])
        hidden = tf.tanh(tf.matmul(flat, self.kernel.value) + self.bias.value)
        scores = tf.matmul(hidden, self.vector.value)
        return tf.reshape(scores, tf.shape(x)[:2])
