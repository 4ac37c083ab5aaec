"""Attention against the papers' equations in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nlp_speech.layers import Attention, TimeDropout


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max())
    return e / e.sum()


def make(score: Any, coverage: bool = False) -> Attention:
    layer = Attention(score, units=7, coverage=coverage)
    layer.build((None, None, 4), (None, None, 6))
    return layer


def data(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    query = rng.normal(size=(3, 2, 4)).astype(np.float32)
    return query, rng.normal(size=(3, 5, 6)).astype(np.float32)


@pytest.mark.parametrize("score", ["luong", "bahdanau"])
def test_equals_the_papers(score: str) -> None:
    layer = make(score)
    query, memory = data()
    lengths = [5, 2, 1]
    context, weights = layer(query, memory, layer.keys(memory), np.array(lengths))
    named = {w.name: w.numpy().astype(np.float64) for w in layer.weights}
    for row, length in enumerate(lengths):
        for n in range(2):
            q, keys = query[row, n], memory[row, :length] @ named["memory_kernel"]
            if score == "luong":
                logits = keys @ q / 2.0
            else:
                hidden = np.tanh(keys + q @ named["query_kernel"] + named["bias"])
                logits = (hidden @ named["vector"])[:, 0]
            expected = softmax(logits)
            np.testing.assert_allclose(weights[row, n, :length], expected, atol=1e-6)
            np.testing.assert_allclose(
                context[row, n], expected @ memory[row, :length], atol=1e-5
            )


@pytest.mark.parametrize("score", ["luong", "bahdanau"])
def test_sixteen_bits(score: Any) -> None:
    layer = Attention(score, units=7, dtype="mixed_float16")
    layer.build((None, None, 4), (None, None, 6))
    query, memory = data()
    keys = layer.keys(memory.astype(np.float16))
    assert keys.dtype == layer.keys(memory).dtype == "float16"
    context, _ = layer(query, memory, keys, np.array([5, 2, 1]))
    assert context.dtype == "float16"


@pytest.mark.parametrize("score", ["luong", "bahdanau"])
def test_padding_gets_no_weight(score: str) -> None:
    layer = make(score)
    query, memory = data()
    _, weights = layer(query, memory, layer.keys(memory), np.array([5, 2, 0]))
    np.testing.assert_array_equal(weights[1, :, 2:], 0)
    np.testing.assert_array_equal(weights[2], 0)
    assert np.isfinite(weights.numpy()).all()


@pytest.mark.parametrize("score", ["luong", "bahdanau"])
def test_coverage_is_what_was_given_before(score: str) -> None:
    layer = make(score, coverage=True)
    query, memory = data()
    keys, lengths = layer.keys(memory), np.array([5, 2, 0])
    rng = np.random.default_rng(2)
    for weight in (layer.coverage_kernel, layer.coverage_bias):
        weight.assign(rng.normal(size=weight.shape) * 3)
    context, weights = layer.successive(query, memory, keys, lengths)
    given = np.zeros([3, 1, 5], np.float32)
    for n in range(2):
        one = query[:, n : n + 1]
        step, found = layer(one, memory, keys, lengths, given)
        np.testing.assert_allclose(weights[:, n : n + 1], found, atol=1e-6)
        np.testing.assert_allclose(context[:, n : n + 1], step, atol=1e-5)
        free, _ = layer(one, memory, keys, lengths)
        assert np.allclose(step, free, atol=1e-4) == (n == 0)
        given = given + found.numpy()


def test_time_dropout_drops_the_same_units_at_every_step() -> None:
    layer = TimeDropout(0.5)
    x = np.ones([8, 6, 64], np.float32)
    y = layer(x, training=True).numpy()
    np.testing.assert_array_equal(y, np.repeat(y[:, :1], 6, axis=1))
    assert set(np.unique(y)) == {0.0, 2.0}
    assert 0.35 < (y == 0).mean() < 0.65
    np.testing.assert_array_equal(layer(x, training=False), x)
