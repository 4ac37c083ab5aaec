"""A stack of bidirectional LSTMs that reads pieces."""

from __future__ import annotations

from typing import Any

import keras

from nlp_speech.layers import Bidirectional, TimeDropout

Tensor = Any


class Encoder(keras.layers.Layer):
    """Bidirectional LSTM layers with normalization, dropout and residuals between.

    Args:
        units: LSTM units of each direction.
        layers: number of bidirectional layers.
        dropout: rate between layers, one mask for all steps.
        layer_norm: whether each layer's output is normalized.
        residual: whether a layer's input is added to its output where sizes agree.
    """

    def __init__(
        self,
        units: int,
        layers: int,
        dropout: float,
        layer_norm: bool,
        residual: bool,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.units = units
        self.residual = residual
        self.lstms = [Bidirectional(units, name=f"layer_{n}") for n in range(layers)]
        self.norms = [
            keras.layers.LayerNormalization(name=f"norm_{n}") if layer_norm else None
            for n in range(layers)
        ]
        self.dropouts = [
            TimeDropout(dropout, name=f"dropout_{n}") for n in range(layers)
        ]

    def build(self, shape: Any) -> None:
        """Creates the weights for [batch, time, features]."""
        for lstm, norm in zip(self.lstms, self.norms, strict=True):
            lstm.build(shape)
            shape = (*shape[:-1], 2 * self.units)
            if norm is not None:
                norm.build(shape)
        self.built = True

    def call(self, x: Tensor, lengths: Tensor, training: bool = False) -> Tensor:
        """Encodes a batch.

        Args:
            x: embedded pieces, [batch, time, features]; padding is finite.
            lengths: real steps, [batch].
            training: whether dropout is on.

        Returns:
            The memory, [batch, time, 2 * units]; its padding means nothing.
        """
        for lstm, norm, dropout in zip(
            self.lstms, self.norms, self.dropouts, strict=True
        ):
            y = lstm(x, lengths=lengths, training=training)
            if self.residual and y.shape[-1] == x.shape[-1]:
                y = y + x
            if norm is not None:
                y = norm(y)
            x = dropout(y, training=training)
        return x
