"""Adam for everything, or Muon for the matrices of LSTM layers."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from nlp_speech.layers import LSTM
from nlp_speech.sections import TrainingSection
from nlp_speech.training.optimizer import make_optimizer

UNITS, FEATURES = 24, 40
RATE = 0.01


def made(
    name: str, rates: dict | None = None, precision: str = "float32"
) -> tuple[Any, list[Any]]:
    """An optimizer, and the variables of an LSTM and of a softmax after it."""
    section = TrainingSection.model_validate(
        {
            "optimizer": name,
            "precision": precision,
            "learning_rate": RATE,
            "warmup_updates": 0,
            "decay": "constant",
        }
    )
    lstm, softmax = LSTM(UNITS, name="lstm"), keras.layers.Dense(7, name="softmax")
    lstm.build((None, None, FEATURES))
    softmax.build((None, UNITS))
    variables = [*lstm.trainable_variables, *softmax.trainable_variables]
    optimizer = make_optimizer(section, rates)
    optimizer.build(variables)
    return optimizer, variables


def some_gradients(variables: list[Any], seed: int) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [tf.constant(rng.normal(size=v.shape), tf.float32) for v in variables]


def moved(optimizer: Any, variables: list[Any], gradients: list[Any]) -> list[Any]:
    before = [v.numpy() for v in variables]
    tf.function(lambda: optimizer.apply(gradients, variables))()
    return [v.numpy() - b for v, b in zip(variables, before, strict=True)]


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_muon_moves_each_gate_along_its_gradient_made_orthogonal(
    precision: str,
) -> None:
    optimizer, variables = made("muon", precision=precision)
    gradients = some_gradients(variables, 1)
    steps = moved(optimizer, variables, gradients)
    matrices = [n for n, v in enumerate(variables) if "kernel" in v.path][:2]
    for n in matrices:
        gates = zip(
            np.split(steps[n], 4, axis=1),
            np.split(gradients[n].numpy(), 4, axis=1),
            strict=True,
        )
        for step, gradient in gates:
            u, _, v = np.linalg.svd(gradient, full_matrices=False)
            size = 0.2 * RATE * np.sqrt(max(step.shape))
            # The singular values come near to 1, not quite (Jordan et al. 2024).
            values = np.diag(-u.T @ step @ v.T) / size
            assert values.min() > 0.5
            assert values.max() < 1.3
            rest = -step / size - u @ np.diag(values) @ v
            assert np.abs(rest).max() < 0.05


def test_muon_moves_everything_else_as_adam_does() -> None:
    (muon, ours), (adam, theirs) = made("muon"), made("adam")
    for seed in range(3):
        gradients = some_gradients(ours, seed)
        one, other = moved(muon, ours, gradients), moved(adam, theirs, gradients)
        same = [np.allclose(a, b, atol=1e-6) for a, b in zip(one, other, strict=True)]
        lstm_matrices = [v.path.startswith("lstm") and len(v.shape) == 2 for v in ours]
        assert same == [not matrix for matrix in lstm_matrices]


@pytest.mark.parametrize("name", ["adam", "muon"])
def test_single_rates(name: str) -> None:
    _, variables = made(name)
    path = next(v.path for v in variables if v.path.endswith("recurrent_kernel"))
    full, ours = made(name)
    half, theirs = made(name, {path: lambda step: 0.5})
    gradients = some_gradients(ours, 1)
    pairs = zip(
        ours,
        moved(full, ours, gradients),
        moved(half, theirs, gradients),
        strict=True,
    )
    for variable, one, other in pairs:
        factor = 0.5 if variable.path == path else 1.0
        np.testing.assert_allclose(other, factor * one, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", ["adam", "muon"])
def test_steps_are_about_as_large(name: str) -> None:
    optimizer, variables = made(name)
    steps = moved(optimizer, variables, some_gradients(variables, 1))
    sizes = [float(np.sqrt(np.mean(s**2))) for s in steps]
    low = 0.1 if name == "muon" else 0.9
    assert all(low * RATE < size < 1.1 * RATE for size in sizes)
