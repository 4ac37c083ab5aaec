"""The optimizers of a run: Adam, and Muon for the matrices of LSTM layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from nlp_speech.sections import TrainingSection
from nlp_speech.training.schedule import WarmupDecay

Rates = Mapping[str, Callable[[Any], Any]]
_GATES = 4

_Mixin: Any = object  # of what a Keras optimizer is made with


def make_optimizer(
    section: TrainingSection, rates: Rates | None = None
) -> keras.optimizers.Optimizer:
    """The config's optimizer with its schedule.

    Args:
        section: the `training` section.
        rates: of single variables; see `Adam`.
    """
    schedule: Any = WarmupDecay(section)
    if section.optimizer == "muon":
        bfloat16 = section.precision == "mixed_bfloat16"
        return Muon(
            rates,
            matrix_type=tf.bfloat16 if bfloat16 else tf.float32,
            learning_rate=schedule,
            adam_beta_2=section.beta_2,
            epsilon=1e-9,
            weight_decay=None,
            adam_weight_decay=None,
            name="muon",
        )
    return Adam(
        rates,
        learning_rate=schedule,
        beta_2=section.beta_2,
        epsilon=1e-9,
        name="adam",
    )


class _OwnRates(_Mixin):
    """What both optimizers do, given gradients that are summed over devices already."""

    def __init__(self, rates: Rates | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.rates = dict(rates or {})

    def build(self, variables: Sequence[Any]) -> None:
        """Makes room for the moments of Keras variables."""
        super().build(variables)
        self._by_index = [self.rates.get(v.path) for v in variables]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Moves one variable."""
        # TensorFlow's variables come here, which have no path.
        rate = self._by_index[self._get_variable_index(variable)]
        if rate is not None:
            learning_rate = learning_rate * rate(self.iterations)
        super().update_step(gradient, variable, learning_rate)

    def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> Any:
        return grads_and_vars


class Adam(_OwnRates, keras.optimizers.Adam):
    """Adam (Kingma and Ba 2015), where variables may have rates of their own.

    Args:
        rates: of some variables, by path: what the learning rate is multiplied with, as
            a function of the number of the update.
        options: those of `keras.optimizers.Adam`.
    """


class Muon(_OwnRates, keras.optimizers.Muon):
    """Muon (Jordan et al. 2024) for the matrices of LSTM layers, Adam for all else.

    The momentum of a matrix is made orthogonal before it is added, the part of each
    gate by itself. Steps are as large as Adam's (Liu et al. 2025, section 2.2), so that
    both take the same learning rate.

    Args:
        rates: see `Adam`.
        matrix_type: of the products that make it so; bfloat16 is exact enough.
        options: those of `keras.optimizers.Muon`.
    """

    def __init__(
        self,
        rates: Rates | None = None,
        matrix_type: tf.DType = tf.float32,
        **options: Any,
    ) -> None:
        super().__init__(rates, **options)
        self._matrix_type = matrix_type

    def build(self, variables: Sequence[Any]) -> None:
        """Makes room for the moments of Keras variables."""
        cells = {_parent(v) for v in variables if v.path.endswith("/recurrent_kernel")}
        self._matrices = {
            v.path for v in variables if _parent(v) in cells and len(v.shape) == 2
        }
        super().build(variables)

    def _should_use_adamw(self, variable: Any) -> bool:
        return variable.path not in self._matrices

    def zeropower_via_newtonschulz5(self, x: Any, steps: int) -> Any:
        """Makes the part of each gate nearly orthogonal."""
        gates = tf.cast(tf.stack(tf.split(x, _GATES, axis=1)), self._matrix_type)
        gates = super().zeropower_via_newtonschulz5(gates, steps)
        return tf.cast(tf.concat(tf.unstack(gates, _GATES), axis=1), x.dtype)

    def lr_adjust(self, x: Any) -> Any:
        """Gives a step the size of Adam's."""
        rows, columns = x.shape
        return x * (max(rows, columns // _GATES) ** 0.5 * self.rms_rate)


def _parent(variable: Any) -> str:
    return variable.path.rpartition("/")[0]
