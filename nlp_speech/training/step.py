"""One update, and the loss of a split."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from nlp_speech.contract import TrainingTask
from nlp_speech.sections import TrainingSection
from nlp_speech.training.schedule import WarmupDecay

Batch = dict[str, Any]


def make_optimizer(section: TrainingSection) -> keras.optimizers.Optimizer:
    """Adam (Kingma and Ba 2015) with the config's schedule."""
    rate: Any = WarmupDecay(section)
    return keras.optimizers.Adam(rate, beta_2=section.beta_2, epsilon=1e-9, name="adam")


def make_step(
    task: TrainingTask,
    config: Any,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
) -> Callable[[Batch], tuple[Any, Any, Any]]:
    """Compiles an update.

    Args:
        task: whose loss is minimized.
        config: the experiment.
        model: its weights are changed.
        optimizer: built for the model's trainable variables.

    Returns:
        A function of a batch that returns the loss summed over real tokens, their
        count, and the norm of the gradient before clipping. With a non-finite norm the
        weights are left as they are.
    """
    variables = [v for v in model.trainable_variables]

    @tf.function(jit_compile=config.training.xla or None, reduce_retracing=True)
    def gradients(batch: Batch) -> tuple[Any, Any, Any, Any]:
        with tf.GradientTape() as tape:
            total, count = task.loss(config, model, batch, training=True)
            mean = total / tf.maximum(count, 1)
        raw = tape.gradient(mean, [v.value for v in variables])
        dense = [tf.convert_to_tensor(g) for g in raw]
        clipped, norm = tf.clip_by_global_norm(dense, config.training.clip_norm)
        return total, count, norm, clipped

    @tf.function(jit_compile=config.training.xla or None)
    def apply(clipped: list[Any]) -> None:
        optimizer.apply(clipped, variables)

    def update(batch: Batch) -> tuple[float, float, float]:
        total, count, norm, clipped = gradients(batch)
        if np.isfinite(float(norm)):
            apply(clipped)
        return float(total), float(count), float(norm)

    return update


def make_loss(
    task: TrainingTask, config: Any, model: keras.Model
) -> Callable[[tf.data.Dataset], float]:
    """Compiles the mean loss of a data set, in nats a token, without dropout."""

    @tf.function(reduce_retracing=True)
    def batch_loss(batch: Batch) -> tuple[Any, Any]:
        return task.loss(config, model, batch, training=False)

    def loss(dataset: tf.data.Dataset) -> float:
        total = count = 0.0
        for batch in dataset:
            batch_total, batch_count = batch_loss(batch)
            total += float(batch_total)
            count += float(batch_count)
        return total / max(count, 1.0)

    return loss
