"""An LSTM some of whose recurrent weights are left out in training."""

from __future__ import annotations

from typing import Any

import keras

from nlp_speech.layers.lstm import LSTM

Tensor = Any


@keras.saving.register_keras_serializable(package="nlp_speech")
class WeightDropLSTM(LSTM):
    """`LSTM` with DropConnect on its recurrent kernel (Wan et al. 2013).

    One set of weights is left out for all rows and steps of a batch, so that the
    recurrence itself stays as fast as it is (Merity et al. 2018, section 3).

    Args:
        units: LSTM units.
        weight_dropout: share of the recurrent weights that are set to 0.
        **options: those of `LSTM`.
    """

    def __init__(self, units: int, weight_dropout: float, **options: Any) -> None:
        super().__init__(units, **options)
        self.weight_dropout = weight_dropout
        self.weight_seed = keras.random.SeedGenerator() if weight_dropout else None

    def _weights(self, training: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        kernel, recurrent, bias = super()._weights(training)
        if training and self.weight_seed is not None:
            recurrent = keras.random.dropout(
                recurrent, self.weight_dropout, seed=self.weight_seed
            )
        return kernel, recurrent, bias

    def get_config(self) -> dict[str, Any]:
        """What is needed to make the layer again."""
        return {**super().get_config(), "weight_dropout": self.weight_dropout}
