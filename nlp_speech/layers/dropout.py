"""Dropout with one mask for all steps of a sequence."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

Tensor = Any


@keras.saving.register_keras_serializable(package="nlp_speech")
class TimeDropout(keras.layers.Layer):
    """Variational dropout (Gal and Ghahramani 2016): the same units at every step.

    Args:
        rate: share of the units that are set to 0.
    """

    def __init__(self, rate: float, **options: Any) -> None:
        super().__init__(**options)
        self.rate = rate
        self.seed_generator = keras.random.SeedGenerator()
        self.built = True

    def mask(self, batch_size: Tensor | int, units: int, training: bool) -> Tensor:
        """Factors for [batch, time, units], the same at every step.

        Args:
            batch_size: number of rows.
            units: number of features.
            training: False gives ones.

        Returns:
            [batch, 1, units]: 0 or ``1 / (1 - rate)``.
        """
        ones = tf.ones([batch_size, 1, units], self.compute_dtype)
        if not training or self.rate == 0:
            return ones
        return keras.random.dropout(ones, self.rate, seed=self.seed_generator)

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        """Drops units of [batch, time, units]; padding stays as it is."""
        if not training or self.rate == 0:
            return x
        return x * self.mask(tf.shape(x)[0], x.shape[-1], training)

    def get_config(self) -> dict[str, Any]:
        """What is needed to make the layer again."""
        return {**super().get_config(), "rate": self.rate}
