"""The CTC loss against TensorFlow's, and against a sum over all alignments."""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from nlp_speech.models.ctc import ctc_loss


def collapsed(path: tuple[int, ...]) -> tuple[int, ...]:
    """Graves et al. 2006: repetitions become one, then blanks go."""
    before = (0, *path[:-1])
    return tuple(a for a, b in zip(path, before, strict=True) if a not in (b, 0))


def by_enumeration(logits: np.ndarray, labels: list[int]) -> float:
    """The loss of a row as the sum over all its alignments, in float64."""
    steps, size = logits.shape
    x = logits.astype(np.float64)
    log_probs = x - np.log(np.exp(x).sum(-1, keepdims=True))
    total = sum(
        np.exp(sum(log_probs[t, label] for t, label in enumerate(path)))
        for path in product(range(size), repeat=steps)
        if collapsed(path) == tuple(labels)
    )
    return -np.log(total)


@settings(max_examples=25)
@given(st.lists(st.integers(1, 2), max_size=3), st.integers(1, 6), st.integers(0, 99))
def test_equals_the_sum_over_all_alignments(
    labels: list[int], steps: int, seed: int
) -> None:
    logits = np.random.default_rng(seed).normal(size=(1, steps, 3)) * 2
    padded = np.zeros((1, 4), np.int32)
    padded[0, : len(labels)] = labels
    found = ctc_loss(logits, [steps], padded, [len(labels)])[0].numpy()
    repeats = sum(a == b for a, b in pairwise(labels))
    if steps < len(labels) + repeats:
        assert found == 0
    else:
        assert found == pytest.approx(by_enumeration(logits[0], labels), abs=1e-4)


def batch() -> dict[str, Any]:
    rng = np.random.default_rng(3)
    return {
        "logits": rng.normal(size=(5, 20, 7)).astype(np.float32) * 3,
        "lengths": np.array([20, 11, 0, 9, 4], np.int32),
        "labels": rng.integers(1, 7, (5, 6)).astype(np.int32),
        # Filler, and a row too short for its labels, among the others.
        "label_lengths": np.array([6, 3, 0, 0, 6], np.int32),
    }


def loss_and_gradient(loss: Any, data: dict[str, Any]) -> tuple[Any, Any]:
    logits = tf.constant(data["logits"])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        values = loss(**{**data, "logits": logits})
        total = tf.reduce_sum(values * tf.range(1.0, 6.0))
    gradient: Any = tape.gradient(total, logits)
    return values.numpy(), gradient.numpy()


def tensorflows(logits: Any, lengths: Any, labels: Any, label_lengths: Any) -> Any:
    return tf.nn.ctc_loss(
        labels, logits, label_lengths, lengths, logits_time_major=False, blank_index=0
    )


def test_equals_tensorflow() -> None:
    data = batch()
    found, expected = (
        loss_and_gradient(loss, data) for loss in (ctc_loss, tensorflows)
    )
    possible = [0, 1, 3]
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours[possible], theirs[possible], atol=1e-4)


def test_filler_and_impossible_rows_add_nothing() -> None:
    values, gradient = loss_and_gradient(ctc_loss, batch())
    assert values[2] == values[4] == 0
    assert not gradient[[2, 4]].any()
    assert np.isfinite(gradient).all()


def test_padding_changes_nothing() -> None:
    data = batch()
    values, gradient = loss_and_gradient(ctc_loss, data)
    wider = {
        **data,
        "logits": np.pad(data["logits"], [(0, 0), (0, 4), (0, 0)], constant_values=9),
        "labels": np.pad(data["labels"], [(0, 0), (0, 3)]),
    }
    again, wide_gradient = loss_and_gradient(ctc_loss, wider)
    np.testing.assert_allclose(again, values, atol=1e-5)
    np.testing.assert_allclose(wide_gradient[:, :20], gradient, atol=1e-5)
    assert not wide_gradient[:, 20:].any()
    for row, length in enumerate(data["lengths"]):
        assert not gradient[row, length:].any()


def test_compiles_with_xla() -> None:
    data = {name: tf.constant(value) for name, value in batch().items()}
    compiled = tf.function(ctc_loss, jit_compile=True)
    np.testing.assert_allclose(compiled(**data), ctc_loss(**data), rtol=1e-4)


def test_a_long_utterance_stays_finite() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(1, 300, 5)).astype(np.float32) * 20
    labels = rng.integers(1, 5, (1, 70)).astype(np.int32)
    graph = tf.function(ctc_loss)
    found = graph(logits, [300], labels, [70])
    expected = tf.function(tensorflows)(logits, [300], labels, [70])
    np.testing.assert_allclose(found, expected, rtol=1e-4)
