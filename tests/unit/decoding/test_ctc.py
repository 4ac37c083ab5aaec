"""CTC decoding against an enumeration of all alignments in float64."""

from __future__ import annotations

from collections import defaultdict
from itertools import groupby, product
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from nlp_speech.decoding.beam_search import NO_SCORE
from nlp_speech.decoding.ctc import confidence, greedy, prefix_beam_search

Path = tuple[int, ...]
Times = list[tuple[int, int, int]]  # label, first step, the step after the last


def random_log_probs(rows: int, steps: int, size: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(rows, steps, size)) * 2
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    return log_probs.astype(np.float32)


def runs(path: Path) -> Times:
    """The stretches of equal labels in an alignment, without blanks."""
    found, step = [], 0
    for label, group in groupby(path):
        size = len(list(group))
        if label:
            found.append((label, step, step + size))
        step += size
    return found


def enumerated(log_probs: np.ndarray) -> list[tuple[float, Path, Times]]:
    """Each label sequence, best first: its log-probability, labels, best times."""
    steps, size = log_probs.shape
    exact = log_probs.astype(np.float64)
    sums: dict[Path, float] = defaultdict(float)
    best: dict[Path, tuple[float, Path]] = {}
    for path in product(range(size), repeat=steps):
        value = float(sum(exact[t, label] for t, label in enumerate(path)))
        labels = tuple(label for label, *_ in runs(path))
        sums[labels] += np.exp(value)
        best[labels] = max(best.get(labels, (-np.inf, ())), (value, path))
    found = [(np.log(p), labels, runs(best[labels][1])) for labels, p in sums.items()]
    return sorted(found, reverse=True)


def answer(found: Any, row: int, slot: int) -> tuple[float, Path, Times]:
    """One hypothesis as `enumerated` gives it; its padding must be 0."""
    ids, starts, ends = (
        x[row, slot].numpy() for x in (found.ids, found.starts, found.ends)
    )
    n = int(found.lengths[row, slot])
    assert not any(x[n:].any() for x in (ids, starts, ends))
    labels = tuple(int(i) for i in ids[:n])
    times = [(i, int(a), int(b)) for i, a, b in zip(labels, starts, ends, strict=False)]
    return float(found.scores[row, slot]), labels, times


SEARCH: Any = tf.function(prefix_beam_search, reduce_retracing=True)


@settings(max_examples=25)
@given(st.integers(1, 6), st.integers(0, 1000))
def test_a_full_beam_equals_the_enumeration(steps: int, seed: int) -> None:
    log_probs = random_log_probs(1, steps, 3, seed)
    expected = enumerated(log_probs[0])
    beam_size = 99  # more than there are label sequences of these lengths
    found = SEARCH(tf.constant(log_probs), tf.constant([steps]), beam_size, 2)
    for slot, (score, labels, times) in enumerate(expected):
        got = answer(found, 0, slot)
        assert got[1:] == (labels, times)
        assert got[0] == pytest.approx(score, abs=1e-4)
    assert float(found.scores[0, -1]) == np.float32(NO_SCORE)
    assert int(tf.reduce_sum(tf.cast(found.scores > -1e8, tf.int32))) == len(expected)


def plain_search(log_probs: np.ndarray, beam_size: int, each: int) -> list[Any]:
    """Hannun et al. 2014, algorithm 1, without a language model, in float64."""
    beam: dict[Path, tuple[float, float]] = {(): (1.0, 0.0)}
    for row in np.exp(log_probs.astype(np.float64)):
        likely = np.argsort(-row[1:], kind="stable")[:each] + 1
        blank: dict[Path, float] = defaultdict(float)
        label: dict[Path, float] = defaultdict(float)
        for prefix, (b, n) in beam.items():
            blank[prefix] += (b + n) * row[0]
            if prefix:
                label[prefix] += n * row[prefix[-1]]
                end = prefix[-1]
                if prefix[:-1] in beam and end not in likely:
                    pb, pn = beam[prefix[:-1]]
                    again = prefix[-2:-1] == (end,)
                    label[prefix] += (pb if again else pb + pn) * row[end]
            for c in likely:
                mass = b if prefix and prefix[-1] == c else b + n
                label[(*prefix, int(c))] += mass * row[c]
        scores = {p: blank[p] + label[p] for p in {*blank, *label}}
        kept = sorted(scores, key=lambda p: -scores[p])[:beam_size]
        beam = {p: (blank[p], label[p]) for p in kept}
    found = [(np.log(b + n), p) for p, (b, n) in beam.items()]
    return sorted(found, key=lambda pair: -pair[0])


@pytest.mark.parametrize(("beam_size", "each"), [(1, 5), (3, 2), (4, 5), (8, 3)])
def test_a_small_beam_equals_the_published_algorithm(beam_size: int, each: int) -> None:
    log_probs = random_log_probs(6, 25, 6, seed=beam_size)
    lengths = [25, 25, 13, 1, 0, 8]
    found = SEARCH(tf.constant(log_probs), tf.constant(lengths), beam_size, each)
    for row, length in enumerate(lengths):
        expected = plain_search(log_probs[row, :length], beam_size, each)
        for slot, (score, labels) in enumerate(expected):
            got = answer(found, row, slot)
            assert got[1] == labels
            assert got[0] == pytest.approx(score, abs=1e-3)
            check_times(got[2], length)


def check_times(times: Times, length: int) -> None:
    """Labels follow each other, equal ones with a blank between."""
    edge, before = 0, 0
    for label, start, end in times:
        assert edge + (label == before) <= start < end <= length
        edge, before = end, label


def test_greedy_equals_the_best_path() -> None:
    log_probs = random_log_probs(5, 14, 4, seed=2)
    lengths = np.array([14, 9, 1, 0, 14], np.int32)
    found = greedy(tf.constant(log_probs), tf.constant(lengths))
    for row, length in enumerate(lengths):
        real = log_probs[row, :length]
        path = tuple(int(label) for label in real.argmax(-1))
        score, labels, times = answer(found, row, 0)
        assert times == runs(path)
        assert labels == tuple(label for label, *_ in runs(path))
        assert score == pytest.approx(real.max(-1).sum(), abs=1e-4)


@pytest.mark.parametrize("search", [greedy, lambda *x: SEARCH(*x, 4, 3)])
def test_batch_and_padding_change_nothing(search: Any) -> None:
    log_probs = random_log_probs(4, 12, 5, seed=3)
    lengths = np.array([12, 0, 5, 9], np.int32)
    together = search(tf.constant(log_probs), tf.constant(lengths))
    for row, length in enumerate(lengths):
        real = tf.constant(log_probs[row : row + 1, :length])
        alone = search(real, tf.constant([length]))
        for slot in range(alone.ids.shape[1]):
            assert answer(together, row, slot) == answer(alone, 0, slot)


def test_no_row_and_no_step_are_legal() -> None:
    for rows, steps in ((0, 5), (2, 0), (0, 0)):
        log_probs = tf.zeros([rows, steps, 4])
        lengths = tf.zeros([rows], tf.int32)
        for found in (greedy(log_probs, lengths), SEARCH(log_probs, lengths, 2, 3)):
            assert (found.ids.shape[0], found.ids.shape[2]) == (rows, 1)
            assert not tf.reduce_any(found.lengths != 0)
            if rows:
                np.testing.assert_array_equal(found.scores[:, 0], 0)


def test_confidence_is_the_mean_probability() -> None:
    log_probs = random_log_probs(3, 20, 4, seed=4)
    lengths = np.array([20, 7, 0], np.int32)
    found = greedy(tf.constant(log_probs), tf.constant(lengths))
    first = [x[:, 0] for x in (found.ids, found.starts, found.ends)]
    values = confidence(tf.constant(log_probs), *first).numpy()
    for row in range(3):
        times = answer(found, row, 0)[2]
        for place, (label, start, end) in enumerate(times):
            expected = np.exp(log_probs[row, start:end, label]).mean()
            assert values[row, place] == pytest.approx(expected, abs=1e-5)
        assert not values[row, len(times) :].any()


def test_the_beam_finds_what_the_best_path_misses() -> None:
    # Graves et al. 2006, figure 2: the best path is blank, "a" has more alignments.
    log_probs = np.log(np.array([[[0.6, 0.4], [0.6, 0.4]]], np.float32))
    assert answer(greedy(tf.constant(log_probs), tf.constant([2])), 0, 0)[1] == ()
    found = prefix_beam_search(tf.constant(log_probs), tf.constant([2]), 3, 1)
    score, labels, _ = answer(found, 0, 0)
    assert labels == (1,)
    assert np.exp(score) == pytest.approx(0.64, abs=1e-5)
