"""A bidirectional LSTM that passes explicit lengths to both directions."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from nlp_speech.layers.lstm import LSTM, reverse

Tensor = Any


@keras.saving.register_keras_serializable(package="nlp_speech")
class Bidirectional(keras.layers.Layer):
    """Two LSTMs, one of which reads each row from its end.

    Args:
        units: LSTM units of each direction.
        recurrent_weight_dropout: as in `LSTM`, for both directions.
        jit_compile: as in `LSTM`, for both directions.
    """

    def __init__(
        self,
        units: int,
        recurrent_weight_dropout: float = 0.0,
        jit_compile: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.units = units
        self.lstm_options = {
            "recurrent_weight_dropout": recurrent_weight_dropout,
            "jit_compile": jit_compile,
        }
        self.forward_layer, self.backward_layer = (
            LSTM(units, return_sequences=True, name=name, **self.lstm_options)
            for name in ("forward", "backward")
        )

    def build(self, sequences_shape: Any) -> None:
        """Creates the weights for [batch, time, features]."""
        self.forward_layer.build(sequences_shape)
        self.backward_layer.build(sequences_shape)
        self.built = True

    def call(
        self, sequences: Tensor, lengths: Tensor | None = None, training: bool = False
    ) -> Tensor:
        """Reads each row in both directions.

        Args:
            sequences: [batch, time, features]; padding must be finite.
            lengths: real steps of each row, [batch]; all if None.
            training: whether gradients are wanted.

        Returns:
            Forward and backward outputs side by side, [batch, time, 2 * units], 0 after
            the end of each row.
        """
        forward = self.forward_layer(sequences, lengths=lengths, training=training)
        backward = self.backward_layer(
            reverse(sequences, lengths), lengths=lengths, training=training
        )
        return tf.concat([forward, reverse(backward, lengths)], axis=-1)

    def get_config(self) -> dict[str, Any]:
        """What is needed to make the layer again."""
        return {**super().get_config(), "units": self.units, **self.lstm_options}
