"""Rows of one stream: every piece is predicted once an epoch, in a fixed order."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from nlp_speech.data.streams import StreamBatches
from nlp_speech.text.flat import FlatIds

END = 3
# Every id occurs once, so that what stands before it tells its text.
TEXTS = [list(range(10 * n, 10 * n + n % 7 + 1)) for n in range(1, 40)]


def make(
    texts: Sequence[Sequence[int]] = TEXTS, shuffle: bool = True, **options: int
) -> StreamBatches:
    flat = FlatIds.of(texts, end=END)
    sizes = {"rows": 3, "steps": 8, "seed": 5} | options
    return StreamBatches(lambda _: flat, end=END, shuffle=shuffle, **sizes)


def rows_of(data: StreamBatches, epoch: int, start: int = 0) -> list[list[int]]:
    rows = []
    for batch in data.dataset(epoch, start):
        ids, lengths = batch["ids"].numpy(), batch["lengths"].numpy()
        assert ids.shape == (3, 9)
        assert ids.dtype == lengths.dtype == np.int32
        for row, length in zip(ids, lengths, strict=True):
            assert not row[length + 1 :].any()
            rows.append(row[: length + 1].tolist())
    return rows


def successors(rows: list[list[int]]) -> Counter[tuple[int, int]]:
    return Counter((a, b) for row in rows for a, b in itertools.pairwise(row))


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("epoch", [0, 1, 2])
def test_every_piece_is_predicted_once(epoch: int, shuffle: bool) -> None:
    expected: Counter[tuple[int, int]] = Counter()
    for text in TEXTS:
        whole = [END, *text, END]
        expected.update(itertools.pairwise(whole))
    rows = rows_of(make(shuffle=shuffle), epoch)
    assert successors(rows) == expected
    # All rows but those at the ends of the stream are full.
    short = [row for row in rows if 1 < len(row) < 9]
    assert len(short) <= 2


def test_rows_are_in_order_without_a_shuffle() -> None:
    rows = rows_of(make(shuffle=False), 0)
    joined = [END, *(i for row in rows for i in row[1:])]
    assert joined == [END, *(i for text in TEXTS for i in (*text, END))]


def test_epochs_differ_and_can_be_repeated() -> None:
    data = make()
    first, second = rows_of(data, 0), rows_of(data, 1)
    assert first != second
    # Cut at other places, too.
    assert {tuple(row) for row in first} != {tuple(row) for row in second}
    assert rows_of(make(), 1) == second
    assert rows_of(make(seed=6), 1) != second


def test_a_start_in_the_middle_is_the_rest() -> None:
    data = make()
    rows = rows_of(data, 1)
    assert len(rows) == 3 * data.batches(1)
    assert rows_of(data, 1, start=4) == rows[12:]
    assert data.left_out(1) == 0


def test_a_corpus_shorter_than_a_row() -> None:
    assert successors(rows_of(make([[7, 8]]), 0)) == {(3, 7): 1, (7, 8): 1, (8, 3): 1}
