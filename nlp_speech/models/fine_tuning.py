"""Training a model that begins with the weights of another one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from nlp_speech.weights import weights_by_path

Rates = dict[str, Callable[[Any], Any]]


def begin_with(model: Any, weights: Mapping[str, np.ndarray]) -> None:
    """Sets the weights of these paths; the others stay as they are.

    Raises:
        ValueError: the model has no such weight, or one of another shape.
    """
    variables = weights_by_path(model)
    for path, values in weights.items():
        if path not in variables or tuple(variables[path].shape) != values.shape:
            raise ValueError(f"the model has no weight {path!r} of {values.shape}")
    for path, values in weights.items():
        variables[path].assign(values)


def layer_rates(
    groups: Sequence[Sequence[Any]], decay: float, unfreeze_every: int
) -> Rates:
    """Learning rates that differ by layer and begin one layer after the other.

    Lower layers know more of the language and less of the task: they learn more slowly
    and later (Howard and Ruder 2018, sections 3.2 and 3.3).

    Args:
        groups: Keras variables, the top layer's first.
        decay: the rate of each group is that of the one above divided by this.
        unfreeze_every: updates after which the next group begins; 0: all at once.

    Returns:
        For the path of each variable a function from the number of an update, counted
        from 0, to what the learning rate is multiplied with; see
        `contract.TrainingTask`.
    """
    return {
        variable.path: _factor(decay**-depth, depth * unfreeze_every)
        for depth, group in enumerate(groups)
        for variable in group
    }


def _factor(rate: float, begin: int) -> Callable[[Any], Any]:
    return lambda step: rate * tf.cast(tf.cast(step, tf.int64) >= begin, tf.float32)
