"""The learning rate over updates."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from nlp_speech.sections import TrainingSection


@keras.saving.register_keras_serializable(package="nlp_speech")
class WarmupDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up to a peak, then the decay that the config names.

    Args:
        section: the `training` section; `updates` is where the decay ends.
    """

    def __init__(self, section: TrainingSection) -> None:
        self.section = section

    def __call__(self, step: Any) -> Any:
        """The rate of update number `step`, counted from 0; a float32 scalar."""
        section = self.section
        done = tf.cast(step, tf.float32) + 1.0
        warmup = float(max(section.warmup_updates, 1))
        peak = section.learning_rate
        rising = peak * done / warmup
        return tf.where(done < warmup, rising, self._decayed(done, warmup, peak))

    def _decayed(self, done: Any, warmup: float, peak: float) -> Any:
        final = min(self.section.final_learning_rate, peak)
        length = max(self.section.updates - warmup, 1.0)
        share = tf.clip_by_value((done - warmup) / length, 0.0, 1.0)
        match self.section.decay:
            case "inverse_sqrt":
                return peak * tf.sqrt(warmup / done)
            case "linear":
                return final + (peak - final) * (1.0 - share)
            case "cosine":
                return final + (peak - final) * 0.5 * (1.0 + tf.cos(math.pi * share))
            case _:
                return tf.constant(peak)

    def get_config(self) -> dict[str, Any]:
        """What is needed to make the schedule again."""
        return {"section": self.section.model_dump()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> WarmupDecay:
        """Makes the schedule that `get_config` described."""
        return cls(TrainingSection(**config["section"]))
