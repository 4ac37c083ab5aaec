"""Attention of Luong et al. 2015 and of Bahdanau et al. 2015 over a padded memory.

With coverage a score also depends on the attention that a step was given before: as in
See et al. 2017 it is a learned part of the score, but one that is added to it, so that
only a sum and a softmax go from one step to the next, and whole targets stay fast.
"""

from __future__ import annotations

from typing import Any, Literal

import keras
import tensorflow as tf

from nlp_speech.layers.unroll import Product, Weights, unroll

Tensor = Any

_MASKED = -1e9


@keras.saving.register_keras_serializable(package="nlp_speech")
class Attention(keras.layers.Layer):
    """Weights the steps of a memory by how well they answer a query.

    Args:
        score: ``"luong"``, the bilinear ``q W k`` (general) divided by the square root
            of the query's size, or ``"bahdanau"``, the additive
            ``v tanh(W q + U k + b)``.
        units: size of the additive score's hidden layer; unused by ``"luong"``.
        coverage: whether a score depends on the attention given before.
    """

    def __init__(
        self,
        score: Literal["luong", "bahdanau"],
        units: int,
        coverage: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.score = score
        self.units = units
        self.coverage = coverage

    def build(self, query_shape: Any, memory_shape: Any) -> None:
        """Creates the weights for [..., query] and [..., memory]."""
        query, memory = query_shape[-1], memory_shape[-1]
        size = query if self.score == "luong" else self.units
        self.memory_kernel = self.add_weight(shape=(memory, size), name="memory_kernel")
        if self.score == "bahdanau":
            self.query_kernel = self.add_weight(
                shape=(query, size), name="query_kernel"
            )
            self.bias = self.add_weight(shape=(size,), initializer="zeros", name="bias")
            self.vector = self.add_weight(shape=(size, 1), name="vector")
        if self.coverage:
            self.coverage_kernel, self.coverage_bias = (
                self.add_weight(shape=shape, initializer="zeros", name=name)
                for shape, name in (
                    ((query, 1), "coverage_kernel"),
                    ((1,), "coverage_bias"),
                )
            )
        self.built = True

    def keys(self, memory: Tensor) -> Tensor:
        """The part of the score that only the memory decides.

        Args:
            memory: [batch, source time, features].

        Returns:
            [batch, source time, size of the score].
        """
        kernel = tf.cast(self.memory_kernel.value, self.compute_dtype)
        return _project(tf.cast(memory, self.compute_dtype), kernel)

    def call(
        self,
        query: Tensor,
        memory: Tensor,
        keys: Tensor,
        lengths: Tensor,
        given: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Reads the memory once for each query.

        Args:
            query: [batch, queries, features]: the steps of a target, or the hypotheses
                of a beam.
            memory: [batch, source time, features], finite also in its padding.
            keys: what `keys` made of the memory.
            lengths: real steps of each memory, [batch].
            given: with coverage, the attention that each query's hypothesis has given
                so far, [batch, queries, source time].

        Returns:
            Context [batch, queries, features] and weights [batch, queries, source
            time]. Weights of padding are 0; for a memory of length 0, all are.
        """
        logits = self._logits(query, keys)
        if given is not None:
            logits += self._strength(query) * given
        mask = tf.sequence_mask(lengths, tf.shape(memory)[1], dtype=logits.dtype)
        weights = _softmax(logits, mask[:, None, :])
        return tf.matmul(weights, memory), weights

    def successive(
        self, query: Tensor, memory: Tensor, keys: Tensor, lengths: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Reads the memory for the steps of a target, one after the other.

        The same as calls with one query each, given the sum of the weights before it.
        Arguments and results as for a call.
        """
        logits = tf.transpose(self._logits(query, keys), [1, 0, 2])
        strength = tf.transpose(self._strength(query), [1, 0, 2])
        mask = tf.sequence_mask(lengths, tf.shape(memory)[1], dtype=logits.dtype)

        def step(product: Product, inputs: Any, state: Any, constants: Any) -> Any:
            del product, constants
            (logits, strength), (given,) = inputs, state
            weights = _softmax(logits + strength * given, mask)
            return (weights,), (given + weights,)

        nothing = (tf.zeros_like(mask),)
        (weights,) = unroll(step, (logits, strength), nothing, {}, {})
        weights = tf.transpose(weights, [1, 0, 2])
        return tf.matmul(weights, memory), weights

    def parts(self, memory: Tensor, keys: Tensor) -> tuple[Weights, Weights]:
        """What `read` multiplies with and what else it reads, by name.

        Args:
            memory: [batch, source time, features].
            keys: what `keys` made of the memory.

        Returns:
            Weights and constants for `nlp_speech.layers.unroll`.
        """
        covering: Weights = {}
        if self.coverage:
            kernel, bias = self.coverage_kernel.value, self.coverage_bias.value
            covering["coverage_kernel"] = tf.cast(kernel, keys.dtype)
            covering["coverage_bias"] = tf.cast(bias, keys.dtype)
        if self.score == "luong":
            keys = tf.linalg.matrix_transpose(keys)
            return {"attention_keys": keys, "memory": memory}, covering
        kernel, bias, vector = (
            tf.cast(w.value, keys.dtype)
            for w in (self.query_kernel, self.bias, self.vector)
        )
        constants = {"attention_keys": keys, "attention_bias": bias}
        constants["attention_vector"] = vector[:, 0]
        return {"attention_query": kernel, "memory": memory}, constants | covering

    def read(
        self,
        query: Tensor,
        lengths: Tensor,
        product: Product,
        constants: Weights,
        given: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The same as a call, for one query a memory and with given products.

        Args:
            query: [batch, features].
            lengths: real steps of each memory, [batch].
            product: multiplies with the weights of `parts`.
            constants: from `parts`.
            given: as for a call, [batch, source time].

        Returns:
            Context [batch, features] and weights [batch, source time].
        """
        if self.score == "luong":
            logits = product("attention_keys", query * _scale(query))
        else:
            projected = product("attention_query", query) + constants["attention_bias"]
            hidden = tf.tanh(projected[:, None] + constants["attention_keys"])
            logits = tf.reduce_sum(hidden * constants["attention_vector"], axis=-1)
        if given is not None:
            strength = tf.reduce_sum(
                query * constants["coverage_kernel"][:, 0], axis=-1, keepdims=True
            )
            logits += (strength + constants["coverage_bias"]) * given
        mask = tf.sequence_mask(lengths, tf.shape(logits)[1], dtype=logits.dtype)
        weights = _softmax(logits, mask)
        return product("memory", weights), weights

    def _logits(self, query: Tensor, keys: Tensor) -> Tensor:
        if self.score == "luong":
            return tf.matmul(query * _scale(query), keys, transpose_b=True)
        projected = _project(query, self.query_kernel.value) + self.bias.value
        hidden = tf.tanh(projected[:, :, None] + keys[:, None])
        return tf.squeeze(_project(hidden, self.vector.value), -1)

    def _strength(self, query: Tensor) -> Tensor:
        """How much scores rise with what was given, [batch, queries, 1]."""
        return _project(query, self.coverage_kernel.value) + self.coverage_bias.value

    def get_config(self) -> dict[str, Any]:
        """What is needed to make the layer again."""
        return {
            **super().get_config(),
            "score": self.score,
            "units": self.units,
            "coverage": self.coverage,
        }


def _scale(query: Tensor) -> float:
    return float(query.shape[-1]) ** -0.5


def _softmax(logits: Tensor, mask: Tensor) -> Tensor:
    # In float32 whatever the policy: a float16 has no number for a masked score.
    dtype = logits.dtype
    logits, mask = tf.cast(logits, tf.float32), tf.cast(mask, tf.float32)
    return tf.cast(tf.nn.softmax(logits + (1 - mask) * _MASKED) * mask, dtype)


def _project(x: Tensor, kernel: Tensor) -> Tensor:
    """``x @ kernel`` over the last axis, as one plain matrix product.

    TensorFlow 2.21's oneDNN product of [a, 1, c, n] with [n, m], broadcast, reads what
    it should not: it is silently wrong, and may crash.
    """
    dynamic = tf.shape(x)
    shape = [size or dynamic[n] for n, size in enumerate(x.shape)]
    flat = tf.matmul(tf.reshape(x, [-1, x.shape[-1]]), kernel)
    return tf.reshape(flat, [*shape[:-1], kernel.shape[-1]])
