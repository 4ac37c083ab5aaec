"""A stack of LSTMs that reads in one direction and can go on where it stopped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from nlp_speech.layers import LSTM, TimeDropout

Tensor = Any
State = tuple[tuple[Tensor, Tensor], ...]


class LSTMStack(keras.layers.Layer):
    """LSTM layers, one on top of the other, with dropout between.

    It is what a language model and a classifier share: the one's weights can begin the
    other.

    Args:
        units: LSTM units of each layer, from the bottom up.
        dropout: rate between layers, one mask for all steps.
        weight_dropout: rate of recurrent weights that are set to 0 for a batch (Merity
            et al. 2018, section 3).
    """

    def __init__(
        self,
        units: Sequence[int],
        dropout: float,
        weight_dropout: float,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.units = tuple(units)
        self.lstms = [
            LSTM(
                size,
                recurrent_weight_dropout=weight_dropout,
                return_sequences=True,
                return_state=True,
                name=f"layer_{n}",
            )
            for n, size in enumerate(self.units)
        ]
        self.dropouts = [
            TimeDropout(dropout, name=f"dropout_{n}") for n in range(1, len(self.units))
        ]

    def build(self, shape: Any) -> None:
        """Creates the weights for [batch, time, features]."""
        for lstm, size in zip(self.lstms, self.units, strict=True):
            lstm.build(shape)
            shape = (*shape[:-1], size)
        self.built = True

    def initial_state(self, batch_size: Tensor | int) -> State:
        """The state before the first step: h and c of each layer, zeros."""
        return tuple(lstm.initial_state(batch_size) for lstm in self.lstms)

    def call(
        self,
        x: Tensor,
        lengths: Tensor,
        state: State | None = None,
        training: bool = False,
    ) -> tuple[Tensor, State]:
        """Reads a batch.

        Args:
            x: [batch, time, features]; padding is finite.
            lengths: real steps, [batch]; a row of length 0 keeps its state.
            state: of each layer before the first step; zeros if None.
            training: whether dropout is on.

        Returns:
            The outputs [batch, time, units of the last layer], 0 in padding, and the
            state after the last real step of each row.
        """
        after = []
        for n, lstm in enumerate(self.lstms):
            if n:
                x = self.dropouts[n - 1](x, training=training)
            before = None if state is None else list(state[n])
            x, h, c = lstm(x, initial_state=before, lengths=lengths, training=training)
            after.append((h, c))
        return x, tuple(after)
