"""Padded batches from the graph, against padding in NumPy."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from nlp_speech.data.batching import EMPTY_ROW, EpochPlan
from nlp_speech.data.pipeline import Batches, PairBatches
from nlp_speech.errors import UserError
from nlp_speech.sections import BatchSection
from nlp_speech.text.flat import FlatIds

Arrays = dict[str, np.ndarray]
SECTION = BatchSection(tokens=60, max_length=20, buckets=5)


def encode(epoch: int) -> tuple[FlatIds, FlatIds]:
    """Random ids, eos (3) at the end; other lengths each epoch, as when sampling."""
    random = np.random.default_rng([7, epoch])

    def side() -> FlatIds:
        sizes = random.integers(0, 23, 211)
        return FlatIds.of([random.integers(4, 99, n).tolist() for n in sizes], end=3)

    return side(), side()


def arrays(data: PairBatches, epoch: int, start: int = 0) -> list[Arrays]:
    dataset: Any = data.dataset(epoch, start)
    return list(dataset.as_numpy_iterator())


def expected(data: PairBatches, epoch: int) -> list[Arrays]:
    """The same batches, padded one row at a time."""
    sides = dict(zip(("source", "target"), encode(epoch), strict=True))
    lengths = sides["source"].lengths, sides["target"].lengths
    plan = EpochPlan(*lengths, data.shapes, 1, epoch)
    batches = []
    for number, shape in enumerate(plan.shapes):
        batch: Arrays = {}
        for name, flat in sides.items():
            steps = getattr(shape, f"{name}_length")
            batch[name] = np.zeros([shape.rows, steps], np.int32)
            batch[f"{name}_lengths"] = np.zeros([shape.rows], np.int32)
            for row, example in enumerate(plan[number]):
                if example != EMPTY_ROW:
                    ids = flat[example]
                    batch[name][row, : len(ids)] = ids
                    batch[f"{name}_lengths"][row] = len(ids)
        batches.append(batch)
    return batches


def assert_equal(found: list[Arrays], wanted: list[Arrays]) -> None:
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted, strict=True):
        assert a.keys() == b.keys()
        for name in a:
            assert a[name].dtype == b[name].dtype == np.int32
            np.testing.assert_array_equal(a[name], b[name])


@pytest.mark.parametrize("epoch", [0, 1, 5])
def test_batches_are_those_of_the_plan(epoch: int) -> None:
    data = PairBatches(encode, SECTION, 1)
    wanted = expected(data, epoch)
    assert data.batches(epoch) == len(wanted)
    assert_equal(arrays(data, epoch), wanted)


def test_rows_that_fill_up_are_empty() -> None:
    pair = FlatIds.of([[5, 6]], end=3), FlatIds.of([[7, 8, 9]], end=3)
    data = PairBatches(lambda _: pair, BatchSection(tokens=10, max_length=4), 1)
    (batch,) = arrays(data, 0)
    assert batch["target"].tolist() == [[7, 8, 9, 3], [0, 0, 0, 0]]
    assert batch["source"].tolist() == [[5, 6, 3], [0, 0, 0]]
    assert batch["source_lengths"].tolist() == [3, 0]
    assert batch["target_lengths"].tolist() == [4, 0]


def test_resumes_at_the_exact_position() -> None:
    whole = PairBatches(encode, SECTION, 1)
    for epoch in (0, 1):
        batches = arrays(whole, epoch)
        for start in (0, 1, len(batches) - 1, len(batches)):
            # As after a restart: nothing is known but epoch and position.
            again = PairBatches(encode, SECTION, 1)
            assert_equal(arrays(again, epoch, start), batches[start:])


def test_each_epoch_is_another_one_with_the_same_shapes() -> None:
    data = PairBatches(encode, SECTION, 1)
    shapes = Counter()
    for epoch in range(6):
        batches = arrays(data, epoch)
        shapes.update((*b["source"].shape, b["target"].shape[1]) for b in batches)
        rows = sum(int((b["target_lengths"] > 0).sum()) for b in batches)
        assert rows == 211 - data.left_out(epoch)
    assert data.left_out(0) != 0
    assert len(shapes) <= SECTION.buckets
    other = PairBatches(encode, SECTION, 2)
    assert any(
        not np.array_equal(a["source"], b["source"])
        for a, b in zip(arrays(data, 0), arrays(other, 0), strict=True)
    )


def test_no_python_in_the_graph() -> None:
    dataset: Any = PairBatches(encode, SECTION, 1).dataset(0)
    graph = dataset._as_serialized_graph().numpy()
    assert b"GatherV2" in graph
    assert b"PyFunc" not in graph
    assert {spec.dtype for spec in dataset.element_spec.values()} == {tf.int32}


def test_the_next_epoch_is_prepared_meanwhile() -> None:
    began, calls = threading.Event(), []

    def slow(epoch: int) -> tuple[FlatIds, FlatIds]:
        calls.append((epoch, threading.current_thread()))
        if epoch == 1:
            began.set()
        return encode(epoch)

    data = PairBatches(slow, SECTION, 1)
    batches = iter(data.dataset(0))
    next(batches)
    assert began.wait(10)
    assert data.batches(1) > 0
    arrays(data, 1)
    data.batches(2)
    assert [epoch for epoch, _ in calls] == [0, 1, 2]
    main = threading.current_thread()
    assert [thread is main for _, thread in calls] == [True, False, False]


def test_an_error_in_the_background_is_raised() -> None:
    def failing(epoch: int) -> tuple[FlatIds, FlatIds]:
        if epoch:
            raise UserError("the file is gone")
        return encode(0)

    data = PairBatches(failing, SECTION, 1)
    assert len(arrays(data, 0)) == data.batches(0)
    with pytest.raises(UserError, match="the file is gone"):
        data.batches(1)


def test_all_pairs_too_long() -> None:
    long = FlatIds.of([[5] * 30, [6] * 31])
    with pytest.raises(
        UserError,
        match=r"all 2 examples of a split are longer than batch\.max_length 20",
    ):
        PairBatches(lambda _: (long, long), SECTION, 1)
    none = FlatIds.of([])
    with pytest.raises(UserError, match="a split of the data has no examples"):
        PairBatches(lambda _: (none, none), SECTION, 1)


def test_single_sequences_with_columns() -> None:
    """Every example comes once an epoch, with its own numbers."""
    flat, _ = encode(0)
    values = np.arange(1, 212, dtype=np.float32)
    data = Batches(lambda _: {"text": flat}, SECTION, 1, {"value": values}, multiple=8)
    assert all(s.source_length == s.target_length for s in data.shapes)
    assert all(s.source_length < 8 or s.source_length % 8 == 0 for s in data.shapes)
    seen = []
    dataset: Any = data.dataset(0)
    for batch in dataset.as_numpy_iterator():
        assert batch["value"].dtype == np.float32
        assert batch["text"].size <= max(SECTION.tokens, batch["text"].shape[1])
        rows = zip(*(batch[k] for k in ("text", "text_lengths", "value")), strict=True)
        for ids, length, value in rows:
            assert (value > 0) == (length > 0)
            if length:
                example = int(value) - 1
                assert ids[:length].tolist() == flat[example].tolist()
                assert not ids[length:].any()
                seen.append(example)
    # Longer ones are left out, though a shape that is rounded up would hold some.
    assert len(seen) == len(set(seen)) == 211 - data.left_out(0)
    left = {n for n in range(211) if n not in seen}
    limit = SECTION.max_length + 1
    assert data.shapes[-1].source_length > limit
    assert left == {n for n in range(211) if len(flat[n]) > limit} != set()
