"""The sampled softmax against the whole one, in NumPy's float64."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from nlp_speech.models.sampled_softmax import (
    Candidates,
    full_cross_entropy,
    sampled_cross_entropy,
)

PIECES, FEATURES, ROWS = 50, 6, 7
_random = np.random.default_rng(0)
TABLE = _random.normal(size=(PIECES, FEATURES)).astype(np.float32)
BIAS = _random.normal(size=PIECES).astype(np.float32)
HIDDEN = _random.normal(size=(ROWS, FEATURES)).astype(np.float32)
TARGETS = np.array([0, 3, 3, 49, 7, 20, 1], np.int32)
# As frequent pieces are: many are rare.
WEIGHTS = 1 / np.arange(1.0, PIECES + 1)
DRAWS = 200


def logits() -> np.ndarray:
    return HIDDEN.astype(np.float64) @ TABLE.astype(np.float64).T + BIAS


def reference() -> np.ndarray:
    values = logits()
    mass = np.log(np.exp(values).sum(axis=1))
    return mass - values[np.arange(ROWS), TARGETS]


def test_the_full_one() -> None:
    found = full_cross_entropy(HIDDEN, TARGETS, TABLE, BIAS)
    np.testing.assert_allclose(found, reference(), rtol=1e-5)


def test_all_candidates_give_the_full_one() -> None:
    drawn = Candidates(WEIGHTS, PIECES).draw(keras.random.SeedGenerator(1))
    assert sorted(np.asarray(drawn[0])) == list(range(PIECES))
    found = sampled_cross_entropy(HIDDEN, TARGETS, TABLE, BIAS, *drawn)
    np.testing.assert_allclose(found, reference(), rtol=1e-5)


def test_the_right_piece_is_counted_once() -> None:
    candidates = np.array([5, 3, 8], np.int32)
    logs = np.log(np.array([0.5, 0.25, 1.0], np.float32))
    found = sampled_cross_entropy(HIDDEN, TARGETS, TABLE, BIAS, candidates, logs)
    values = logits()
    for row, right in enumerate(TARGETS):
        terms = [np.exp(values[row, right])]
        terms += [
            np.exp(values[row, c] - log)
            for c, log in zip(candidates, logs, strict=True)
            if c != right
        ]
        expected = np.log(sum(terms)) - values[row, right]
        assert float(found[row]) == pytest.approx(expected, rel=1e-5)


def test_how_often_pieces_are_drawn() -> None:
    candidates = Candidates(WEIGHTS, 20)
    expected = candidates.expected
    assert expected.sum() == pytest.approx(20)
    assert expected.max() == 1
    rest = expected < 1
    np.testing.assert_allclose(np.diff(expected[rest] / WEIGHTS[rest]), 0, atol=1e-9)
    seed = keras.random.SeedGenerator(1)
    counts = np.zeros(PIECES)
    for _ in range(DRAWS):
        pieces, logs = (np.asarray(a) for a in candidates.draw(seed))
        assert len(set(pieces.tolist())) == len(pieces) == 20
        np.testing.assert_allclose(np.exp(logs), expected[pieces], rtol=1e-6)
        counts[pieces] += 1
    # Five standard deviations of a binomial, at the most.
    bound = 5 * np.sqrt(expected * (1 - expected) / DRAWS) + 1e-9
    assert (np.abs(counts / DRAWS - expected) <= bound).all()


def test_the_normalizer_is_right_in_the_mean() -> None:
    candidates, seed = Candidates(WEIGHTS, 20), keras.random.SeedGenerator(2)
    right = np.exp(logits()[np.arange(ROWS), TARGETS])
    masses = []
    for _ in range(DRAWS):
        drawn = candidates.draw(seed)
        losses = sampled_cross_entropy(HIDDEN, TARGETS, TABLE, BIAS, *drawn)
        masses.append(np.exp(np.asarray(losses)) * right)
    expected = np.exp(logits()).sum(axis=1)
    error = np.std(masses, axis=0) / np.sqrt(len(masses))
    assert (np.abs(np.mean(masses, axis=0) - expected) < 5 * error).all()


def test_the_same_state_draws_the_same() -> None:
    candidates = Candidates(WEIGHTS, 20)
    seeds = [keras.random.SeedGenerator(3) for _ in range(2)]
    draws = [[np.asarray(candidates.draw(s)[0]) for _ in range(3)] for s in seeds]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0][0], draws[0][1])
