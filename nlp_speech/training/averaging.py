"""Averages of weights: over updates as they go, and over checkpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from nlp_speech.training.devices import Devices

Arrays = dict[str, np.ndarray]

_PREFIX = "ema."


class MovingAverage:
    """An exponential moving average of a model's trainable weights.

    After update number t, counted from 1, the average moves to the weights by
    ``1 - min(decay, t / (t + 9))``: the first updates are forgotten quickly.

    Args:
        variables: the model's trainable variables.
        decay: of the average, such as 0.999.
        devices: of the run; the average is made under their strategy's scope.

    Attributes:
        variables: the averages, as Keras variables.
    """

    def __init__(
        self, variables: Sequence[Any], decay: float, devices: Devices
    ) -> None:
        self.variables = [
            keras.Variable(
                np.asarray(v.numpy()), trainable=False, name=_averaged(v.path)
            )
            for v in variables
        ]
        extended: Any = devices.strategy.extended

        @tf.function
        def move(step: Any) -> None:
            kept = tf.minimum(tf.constant(decay, tf.float32), step / (step + 9.0))
            for average, variable in zip(self.variables, variables, strict=True):
                extended.update(
                    average.value,
                    lambda a, v: a.assign_add((1.0 - kept) * (v - a)),
                    args=(variable.value,),
                    group=False,
                )

        self._move = move

    def update(self, step: int) -> None:
        """Moves the average to the weights after update number `step`, from 1."""
        self._move(tf.constant(step, tf.float32))


def served(variables: Mapping[str, np.ndarray], names: Iterable[str]) -> Arrays:
    """The values to use of the named weights: their moving average where there is one.

    Args:
        variables: of a run or a checkpoint, by path.
        names: the paths of the model's weights.
    """
    return {n: variables.get(_averaged(n), variables[n]) for n in names}


def mean(weights: Sequence[Arrays]) -> Arrays:
    """The mean of floating-point arrays; of others the first one's."""
    averaged = {}
    for name, first in weights[0].items():
        if np.issubdtype(first.dtype, np.floating):
            values = np.stack([w[name] for w in weights])
            averaged[name] = np.mean(values, axis=0, dtype=np.float64).astype(
                first.dtype
            )
        else:
            averaged[name] = first
    return averaged


def _averaged(path: str) -> str:
    # Keras allows no slash in a variable's name.
    return _PREFIX + path.replace("/", ".")
