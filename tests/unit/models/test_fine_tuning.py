"""Beginning with other weights, and learning layer by layer."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from nlp_speech.models.fine_tuning import begin_with, layer_rates
from nlp_speech.sections import TrainingSection
from nlp_speech.training.optimizer import make_optimizer
from nlp_speech.weights import weights_by_path


def make() -> keras.Model:
    layers = [keras.layers.Dense(3, name=name) for name in ("low", "middle", "high")]
    model = keras.Sequential(layers, name="tower")
    model.build((None, 3))
    return model


def test_it_begins_with_the_weights_given() -> None:
    model = make()
    before = {p: v.numpy().copy() for p, v in weights_by_path(model).items()}
    begin_with(model, {"low/kernel": np.full((3, 3), 7.0, np.float32)})
    for path, variable in weights_by_path(model).items():
        expected = 7.0 if path == "low/kernel" else before[path]
        np.testing.assert_array_equal(np.asarray(variable), expected + 0 * before[path])


@pytest.mark.parametrize("path", ["lower/kernel", "low/bias"])
def test_other_weights_change_nothing(path: str) -> None:
    model = make()
    before = model.get_weights()
    some = np.ones((3, 3), np.float32)
    with pytest.raises(ValueError, match=path):
        begin_with(model, {"low/kernel": some, path: some})
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_layers_learn_one_after_the_other_and_at_their_rates() -> None:
    model = make()
    groups = [layer.trainable_variables for layer in reversed(model.layers)]
    section = TrainingSection(warmup_updates=0, learning_rate=0.1, decay="constant")
    optimizer = make_optimizer(section, layer_rates(groups, 2.0, 2))
    variables = list(model.trainable_variables)
    optimizer.build(variables)

    @tf.function(jit_compile=True)
    def update() -> None:
        optimizer.apply([tf.ones(v.shape) for v in variables], variables)

    for step in range(6):
        before = [group[0].numpy().copy() for group in groups]
        update()
        # Adam's step under a constant gradient is the rate itself.
        for depth, (group, old) in enumerate(zip(groups, before, strict=True)):
            moved = old - np.asarray(group[0])
            if step < 2 * depth:
                np.testing.assert_array_equal(moved, 0)
            else:
                np.testing.assert_allclose(moved, 0.1 / 2**depth, rtol=1e-3)


def test_a_plain_optimizer_treats_all_alike() -> None:
    model = make()
    section = TrainingSection(warmup_updates=0, learning_rate=0.1, decay="constant")
    optimizer = make_optimizer(section)
    variables = list(model.trainable_variables)
    optimizer.build(variables)
    before = [v.numpy().copy() for v in variables]
    optimizer.apply([tf.ones(v.shape) for v in variables], variables)
    for old, variable in zip(before, variables, strict=True):
        np.testing.assert_allclose(old - np.asarray(variable), 0.1, rtol=1e-3)
