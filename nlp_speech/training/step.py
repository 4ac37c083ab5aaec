"""One update, and the loss of a split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from nlp_speech.contract import TrainingTask
from nlp_speech.sections import TrainingSection
from nlp_speech.training.devices import Devices, sum_over_devices

Batch = dict[str, Any]


class Wishes(NamedTuple):
    """What a machine wants, or any of several.

    Attributes:
        interrupt: to save and leave.
        end: to evaluate and finish, because time is up.
    """

    interrupt: bool = False
    end: bool = False


NO_WISHES = Wishes()


class Update(NamedTuple):
    """What an update tells.

    Attributes:
        total: the loss summed over the real tokens of the whole batch.
        count: those tokens.
        norm: of the gradient of the mean loss, before clipping.
        wishes: of all machines together.
    """

    total: float
    count: float
    norm: float
    wishes: Wishes

    @property
    def finite(self) -> bool:
        """Whether the loss and the gradient are numbers."""
        return bool(np.isfinite(self.total) and np.isfinite(self.norm))


def make_step(
    task: TrainingTask,
    config: Any,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    devices: Devices,
) -> Callable[..., Update]:
    """Compiles an update.

    Args:
        task: whose loss is minimized.
        config: the experiment.
        model: its weights are changed; made under the strategy's scope.
        optimizer: built for the model's trainable variables, under the same scope.
        devices: that compute together.

    Returns:
        A function ``update(batches, scale=1.0, wishes=NO_WISHES)``: `batches` are those
        whose gradients are added up before the update, each a tuple of the local
        devices' parts; the loss is multiplied by `scale` while gradients are computed,
        against underflow in float16. With a non-finite gradient the weights are left as
        they are.
    """
    section: TrainingSection = config.training
    variables = list(model.trainable_variables)
    xla = (section.xla and devices.may_compile) or None

    @tf.function(jit_compile=xla, reduce_retracing=True)
    def local(batch: Batch, scale: Any) -> list[Any]:
        with tf.GradientTape() as tape:
            total, count = task.loss(config, model, batch, training=True)
            scaled = total * scale
        raw = tape.gradient(scaled, [v.value for v in variables])
        return [total, count, *(tf.convert_to_tensor(g) for g in raw)]

    gradients = _of_any_shape(
        lambda batch, scale: devices.run(local, batch, scale), devices
    )

    @tf.function
    def add(left: Any, right: Any) -> Any:
        return devices.run(
            lambda a, b: [x + y for x, y in zip(a, b, strict=True)], left, right
        )

    @tf.function
    def finish(sums: Any, scale: Any, wishes: Any) -> Any:
        def on_device(sums: list[Any]) -> Any:
            total, count, *raw = sums
            total, count, wished, *raw = sum_over_devices([total, count, wishes, *raw])
            divisor = scale * tf.maximum(count, 1)
            mean = [g / tf.cast(divisor, g.dtype) for g in raw]
            clipped, norm = tf.clip_by_global_norm(mean, section.clip_norm)
            return [total, count, norm, wished], clipped

        told, clipped = devices.run(on_device, sums)
        return [devices.first(value) for value in told], clipped

    @tf.function(jit_compile=xla if devices.count == 1 else None)
    def apply(clipped: Any) -> None:
        devices.run(lambda g: optimizer.apply(g, variables), clipped)

    def update(
        batches: Sequence[tuple[Batch, ...]],
        scale: float = 1.0,
        wishes: Wishes = NO_WISHES,
    ) -> Update:
        factor = tf.constant(scale, tf.float32)
        sums = gradients(devices.place(batches[0]), factor)
        for batch in batches[1:]:
            sums = add(sums, gradients(devices.place(batch), factor))
        told, clipped = finish(sums, factor, tf.cast(wishes, tf.float32))
        total, count, norm = (float(value) for value in told[:3])
        interrupt, end = (bool(wish > 0) for wish in told[3].numpy())
        done = Update(total, count, norm, Wishes(interrupt, end))
        if done.finite:
            apply(clipped)
        return done

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


def _of_any_shape(function: Callable[..., Any], devices: Devices) -> Callable[..., Any]:
    """Compiles a function of a placed batch and a number once for all batches.

    Numbers are rounded differently in a graph for one shape and in one for any, so the
    graph of a batch must not depend on which shapes came before it: a resumed run has
    seen others. Parts for several devices have no such signature.
    """
    compiled: list[Any] = []

    def call(batch: Any, scale: Any) -> Any:
        if not compiled:
            one = len(devices.local) == 1
            signature = [_any_shape(batch), tf.TensorSpec([])] if one else None
            compiled.append(tf.function(function, signature, reduce_retracing=not one))
        return compiled[0](batch, scale)

    return call


def _any_shape(batch: Batch) -> dict[str, tf.TensorSpec]:
    """Any number of rows and of steps; what comes after these axes is fixed."""
    return {
        name: tf.TensorSpec([None] * min(len(x.shape), 2) + x.shape[2:], x.dtype)
        for name, x in batch.items()
    }
