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
        return_state: whether the last states are returned too.
        options: those of `keras.layers.Layer`.
    """

    def __init__(
        self,
        units: int,
        recurrent_weight_dropout: float = 0.0,
        jit_compile: bool = False,
        return_state: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.units = units
        self.lstm_options = {
            "recurrent_weight_dropout": recurrent_weight_dropout,
            "jit_compile": jit_compile,
            "return_state": return_state,
        }
        self.forward_layer, self.backward_layer = (
            LSTM(
                units,
                return_sequences=True,
                dtype=self.dtype_policy,
                name=name,
                **self.lstm_options,
            )
            for name in ("forward", "backward")
        )

    def build(self, sequences_shape: Any) -> None:
        """Creates the weights for [batch, time, features]."""
        self.forward_layer.build(sequences_shape)
        self.backward_layer.build(sequences_shape)
        self.built = True

    def call(
        self,
        sequences: Tensor,
        lengths: Tensor | None = None,
        training: bool = False,
        initial_state: Any = None,
    ) -> Any:
        """Reads each row in both directions.

        Args:
            sequences: [batch, time, features]; padding must be finite.
            lengths: real steps of each row, [batch]; all if None.
            training: whether gradients are wanted.
            initial_state: as in Keras, ``h`` and ``c`` of the forward direction and
                then those of the backward one, [batch, units] each; zeros if None.

        Returns:
            Forward and backward outputs side by side, [batch, time, 2 * units], 0 after
            the end of each row; then, if `return_state`, four states in the order of
            `initial_state`: those of the forward direction after the last real step of
            a row, and those of the backward one after the first.
        """
        starts = (None, None)
        if initial_state is not None:
            starts = (initial_state[:2], initial_state[2:])
        how = {"lengths": lengths, "training": training}
        layers = (self.forward_layer, self.backward_layer)
        inputs = (sequences, reverse(sequences, lengths))
        (forward, *states), (backward, *backward_states) = (
            _results(layer(x, initial_state=start, **how))
            for layer, x, start in zip(layers, inputs, starts, strict=True)
        )
        outputs = tf.concat([forward, reverse(backward, lengths)], axis=-1)
        return (outputs, *states, *backward_states) if states else outputs

    def get_config(self) -> dict[str, Any]:
        """What is needed to make the layer again."""
        return {**super().get_config(), "units": self.units, **self.lstm_options}


def _results(of_layer: Any) -> tuple[Tensor, ...]:
    """Outputs and then the states, where there are any."""
    return of_layer if isinstance(of_layer, tuple) else (of_layer,)
