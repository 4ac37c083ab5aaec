"""Mixed precision: what models compute in, and loss scaling for float16."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import keras

from nlp_speech.training.checkpoint import Progress

_GROW_AFTER = 2000  # updates in a row without overflow
_LARGEST = 2.0**24


@contextmanager
def dtype_policy(name: str) -> Iterator[None]:
    """Makes Keras compute in a precision for the time of building a model.

    Args:
        name: ``float32``, ``mixed_bfloat16`` or ``mixed_float16``; weights are float32.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


class LossScale:
    """Keeps small gradients out of float16's underflow, large ones out of overflow.

    Source: Micikevicius et al. 2018, section 3.2.

    The factor doubles after many updates without overflow and halves with each
    overflow, whose update is skipped. In other precisions it is 1. Its state is in the
    run's `Progress`.

    Args:
        precision: as in the config.
    """

    def __init__(self, precision: str) -> None:
        self.used = precision == "mixed_float16"

    def factor(self, progress: Progress) -> float:
        """What to multiply the loss of the next update by."""
        return progress.loss_scale if self.used else 1.0

    def accept(self, progress: Progress, finite: bool) -> bool:
        """Notes how an update went; whether it counts."""
        if not self.used:
            return finite
        if not finite:
            progress.loss_scale, progress.scaled_updates = progress.loss_scale / 2, 0
            return False
        progress.scaled_updates += 1
        if progress.scaled_updates >= _GROW_AFTER and progress.loss_scale < _LARGEST:
            progress.loss_scale, progress.scaled_updates = progress.loss_scale * 2, 0
        return True

    def exhausted(self, progress: Progress) -> bool:
        """Whether no smaller factor could make the loss finite."""
        return not self.used or progress.loss_scale < 1.0
