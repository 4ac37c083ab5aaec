"""The layout of an epoch: every example once, few shapes, little padding."""

from __future__ import annotations

from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp_speech.data.batching import EMPTY_ROW, EpochPlan, Shape, fit_shapes
from nlp_speech.sections import BatchSection


def lengths(examples: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Lengths like those of a translation corpus: close to each other, long-tailed."""
    random = np.random.default_rng(seed)
    source = np.round(random.gamma(6, 2.2, examples)).astype(int) + 1
    target = np.maximum(1, np.round(source * random.normal(1.1, 0.2, examples)))
    return source, target.astype(int)


def plan_of(
    pair: tuple[np.ndarray, np.ndarray], section: BatchSection, seed: int, epoch: int
) -> EpochPlan:
    return EpochPlan(*pair, fit_shapes(*pair, section), seed, epoch)


def padded(plan: EpochPlan) -> int:
    return sum(s.rows * (s.source_length + s.target_length) for s in plan.shapes)


SECTIONS = st.builds(
    BatchSection,
    tokens=st.integers(1, 200),
    max_length=st.integers(1, 40),
    buckets=st.integers(1, 8),
)
LENGTHS = st.lists(st.tuples(st.integers(1, 45), st.integers(1, 45)), max_size=150).map(
    lambda rows: tuple(np.array(rows, int).reshape(-1, 2).T)
)


@given(pair=LENGTHS, section=SECTIONS, seed=st.integers(0, 9), epoch=st.integers(0, 9))
def test_what_a_plan_promises(
    pair: tuple[np.ndarray, np.ndarray], section: BatchSection, seed: int, epoch: int
) -> None:
    source, target = pair
    plan = plan_of(pair, section, seed, epoch)
    batches = [plan[n] for n in range(len(plan))]
    seen = [int(n) for rows in batches for n in rows if n != EMPTY_ROW]
    limit = section.max_length + 1
    fitting = np.flatnonzero((source <= limit) & (target <= limit))
    assert sorted(seen) == fitting.tolist()
    assert plan.left_out == len(source) - len(fitting)
    assert len(set(plan.shapes)) <= section.buckets
    for shape, rows in zip(plan.shapes, batches, strict=True):
        real = rows[rows != EMPTY_ROW]
        assert len(rows) == shape.rows == max(1, section.tokens // shape.target_length)
        assert len(real) > 0
        assert (source[real] <= shape.source_length).all()
        assert (target[real] <= shape.target_length).all()
    partial = [
        s for s, rows in zip(plan.shapes, batches, strict=True) if EMPTY_ROW in rows
    ]
    assert max(Counter(partial).values(), default=0) <= 1


@given(pair=LENGTHS, other=LENGTHS, section=SECTIONS)
def test_shapes_serve_other_segmentations(
    pair: tuple[np.ndarray, np.ndarray],
    other: tuple[np.ndarray, np.ndarray],
    section: BatchSection,
) -> None:
    shapes = fit_shapes(*pair, section)
    assert 1 <= len(shapes) <= section.buckets
    plan = EpochPlan(*other, shapes, 1, 1)
    assert set(plan.shapes) <= set(shapes)
    limit = section.max_length + 1
    assert plan.left_out == int(((other[0] > limit) | (other[1] > limit)).sum())


def test_decided_by_seed_and_epoch() -> None:
    pair, section = lengths(3000), BatchSection(tokens=500)
    first = plan_of(pair, section, 1, 0)
    again = plan_of(pair, section, 1, 0)
    assert first.shapes == again.shapes
    np.testing.assert_array_equal(first.examples, again.examples)
    for seed, epoch in ((1, 1), (2, 0), (0, 1)):
        other = plan_of(pair, section, seed, epoch)
        assert Counter(other.shapes) == Counter(first.shapes)
        assert np.mean(other.examples == first.examples) < 0.2


def test_is_shuffled() -> None:
    pair, section = lengths(3000), BatchSection(tokens=500)
    plan = plan_of(pair, section, 1, 0)
    steps = [shape.target_length for shape in plan.shapes]
    # Sorted batches would correlate fully with their place.
    assert abs(np.corrcoef(steps, np.arange(len(steps)))[0, 1]) < 0.2
    rows = plan[0][plan[0] != EMPTY_ROW]
    assert (np.diff(rows) < 0).any()


def test_an_example_goes_to_the_cheapest_shape() -> None:
    shapes = [Shape(1, 9, 9), Shape(5, 2, 2), Shape(2, 9, 3)]
    source, target = np.array([1, 2, 3, 9, 1, 10]), np.array([1, 2, 3, 3, 4, 1])
    plan = EpochPlan(source, target, shapes, 0, 0)
    found = {
        int(example): shape
        for shape, n in zip(plan.shapes, range(len(plan)), strict=True)
        for example in plan[n]
        if example != EMPTY_ROW
    }
    small, large, wide = shapes[1], shapes[0], shapes[2]
    assert found == {0: small, 1: small, 2: wide, 3: wide, 4: large}
    assert plan.left_out == 1


@pytest.mark.parametrize("seed", range(5))
def test_the_first_cut_is_the_best_one(seed: int) -> None:
    # Three shapes: two parts, cut at a length of one side, and the limit.
    random = np.random.default_rng(seed)
    source, target = random.integers(1, 15, (2, 60))
    section = BatchSection(tokens=40, max_length=30, buckets=3)

    def cost(*parts: np.ndarray) -> float:
        if any(p.sum() < max(1, 40 // max(target[p], default=1)) for p in parts):
            return np.inf
        return sum(p.sum() * (source[p].max() + 2 * target[p].max()) for p in parts)

    best = min(
        cost(side <= cut, side > cut)
        for side, cut in product((source, target), range(16))
    )
    shapes = fit_shapes(source, target, section)
    assert len(shapes) == 3
    held = [(source <= s.source_length) & (target <= s.target_length) for s in shapes]
    found = sum(
        min(s.cost for s, h in zip(shapes, held, strict=True) if h[n])
        for n in range(60)
    )
    # A shape may hold some of the other part's examples too, and is then cheaper.
    assert found <= best


def test_more_shapes_waste_less() -> None:
    pair = lengths(20_000)
    real = int(pair[0].sum() + pair[1].sum())
    waste = [
        padded(plan_of(pair, BatchSection(buckets=buckets), 1, 0)) / real - 1
        for buckets in (1, 2, 4, 10)
    ]
    assert waste == sorted(waste, reverse=True)
    assert waste[-1] < 0.4


def test_nothing_to_lay_out() -> None:
    plan = plan_of((np.arange(0), np.arange(0)), BatchSection(), 1, 0)
    assert (len(plan), plan.left_out, plan.examples.dtype) == (0, 0, np.int32)
