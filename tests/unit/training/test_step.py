"""One update: sums over batches, clipping, precision, averages, loss scaling."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import keras
import numpy as np
import pytest
import tensorflow as tf

from nlp_speech.contract import TrainingTask
from nlp_speech.sections import TrainingSection
from nlp_speech.training.averaging import MovingAverage, mean, served
from nlp_speech.training.checkpoint import Progress
from nlp_speech.training.devices import Devices
from nlp_speech.training.optimizer import make_optimizer
from nlp_speech.training.precision import LossScale
from nlp_speech.training.step import make_step

SECTION = TrainingSection(
    updates=10, warmup_updates=0, learning_rate=0.1, decay="constant", clip_norm=1e3
)


class Squares:
    """A task whose loss is the squared output of a model, summed over real rows."""

    def loss(self, config: Any, model: Any, batch: Any, training: bool) -> Any:
        del config, training
        real = tf.cast(batch["real"], tf.float32)
        output = tf.cast(model(batch["x"]), tf.float32)
        return tf.reduce_sum(output[:, 0] ** 2 * real), tf.reduce_sum(real)


def make(section: TrainingSection = SECTION, weight: float = 0.5) -> Any:
    model = keras.Sequential([keras.layers.Dense(1, use_bias=False, name="only")])
    model.build((None, 2))
    model.layers[0].kernel.assign([[weight], [-weight]])
    optimizer = make_optimizer(section)
    optimizer.build(model.trainable_variables)
    config = SimpleNamespace(training=section)
    task = cast(TrainingTask, Squares())
    devices = Devices(tf.distribute.get_strategy())
    return model, make_step(task, config, model, optimizer, devices)


def batch(rows: list[list[float]], real: int | None = None) -> tuple[dict, ...]:
    count = len(rows) if real is None else real
    mask = [1] * count + [0] * (len(rows) - count)
    return ({"x": tf.constant(rows), "real": tf.constant(mask)},)


ROWS = [[1.0, 2.0], [3.0, 1.0], [0.5, 0.2], [2.0, 2.5]]


def test_accumulated_batches_are_one_batch() -> None:
    whole, update_whole = make()
    parts, update_parts = make()
    one = update_whole([batch(ROWS)])
    # Batches of unlike sizes: every token counts the same.
    two = update_parts([batch(ROWS[:1]), batch(ROWS[1:])])
    assert two.total == pytest.approx(one.total)
    assert two.count == one.count == 4
    assert two.norm == pytest.approx(one.norm)
    np.testing.assert_allclose(parts.get_weights()[0], whole.get_weights()[0])


def test_the_norm_is_that_of_the_mean_loss() -> None:
    _, update = make()
    x = np.array(ROWS)[:3]
    expected = np.linalg.norm(2 * (x @ [[0.5], [-0.5]]).T @ x / 3)
    assert update([batch(ROWS, real=3)]).norm == pytest.approx(expected)


def test_a_batch_of_padding_changes_nothing() -> None:
    model, update = make()
    before = model.get_weights()[0].copy()
    done = update([batch(ROWS, real=0)])
    assert done.finite
    assert done.count == 0
    np.testing.assert_array_equal(model.get_weights()[0], before)


def test_a_non_finite_gradient_leaves_the_weights() -> None:
    model, update = make(weight=1e30)
    before = model.get_weights()[0].copy()
    assert not update([batch(ROWS)]).finite
    np.testing.assert_array_equal(model.get_weights()[0], before)


def test_the_scale_of_the_loss_cancels_out() -> None:
    plain, update_plain = make()
    scaled, update_scaled = make()
    norms = update_plain([batch(ROWS)]).norm, update_scaled([batch(ROWS)], 1024.0).norm
    assert norms[0] == pytest.approx(norms[1])
    np.testing.assert_allclose(scaled.get_weights()[0], plain.get_weights()[0])


def test_the_loss_scale_halves_and_doubles() -> None:
    scale, progress = LossScale("mixed_float16"), Progress()
    start = scale.factor(progress)
    assert not scale.accept(progress, finite=False)
    assert scale.factor(progress) == start / 2
    assert not scale.exhausted(progress)
    for _ in range(2000):
        assert scale.accept(progress, finite=True)
    assert scale.factor(progress) == start
    for _ in range(40):
        scale.accept(progress, finite=False)
    assert scale.exhausted(progress)


def test_without_float16_nothing_is_scaled() -> None:
    scale, progress = LossScale("float32"), Progress()
    assert scale.factor(progress) == 1.0
    assert not scale.accept(progress, finite=False)
    assert scale.exhausted(progress)


def test_the_moving_average_follows_its_definition() -> None:
    variable = keras.Variable([1.0, 2.0], name="w")
    average = MovingAverage([variable], 0.6, Devices(tf.distribute.get_strategy()))
    expected = np.array([1.0, 2.0])
    for step in range(1, 30):
        value = np.array([step, -step], np.float32)
        variable.assign(value)
        average.update(step)
        kept = min(0.6, step / (step + 9))
        expected = kept * expected + (1 - kept) * value
    found = average.variables[0].numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_averages_are_served_where_there_are_any() -> None:
    variables = {
        "a/w": np.array([1.0]),
        "ema.a.w": np.array([5.0]),
        "a/count": np.array([3]),
    }
    assert served(variables, ["a/w", "a/count"]) == {"a/w": [5.0], "a/count": [3]}


def test_the_mean_of_checkpoints() -> None:
    first = {"w": np.array([1, 3], np.float32), "n": np.array([4])}
    second = {"w": np.array([3, 5], np.float32), "n": np.array([9])}
    found = mean([first, second])
    np.testing.assert_array_equal(found["w"], np.array([2, 4], np.float32))
    assert found["w"].dtype == np.float32
    assert found["n"] == [4]
