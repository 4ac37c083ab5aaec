"""Texts of tables and plain files, split and cleared of what stands elsewhere."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from nlp_speech.data.texts import (
    drawn,
    read_texts,
    split_texts,
    spread,
    without_texts,
)
from nlp_speech.errors import UserError


def test_a_plain_file_has_a_text_a_line(tmp_path: Path) -> None:
    path = tmp_path / "some.v1.txt"
    path.write_text("one, two\n\n \nthree\tfour\n", encoding="utf-8")
    assert read_texts(path, "text") == ["one, two", "three\tfour"]
    assert read_texts(path, "text", keep_blank=True) == [
        "one, two", "", " ", "three\tfour",
    ]  # fmt: skip


def test_a_table_has_a_column(tmp_path: Path) -> None:
    path = tmp_path / "some.csv.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write('id,said\n1,"one, two"\n2,\n3,three\n')
    assert read_texts(path, "said") == ["one, two", "three"]
    with pytest.raises(UserError, match="no column 'text'"):
        read_texts(path, "text")


def test_a_file_without_text(tmp_path: Path) -> None:
    path = tmp_path / "some.txt"
    path.write_text("\n \n", encoding="utf-8")
    with pytest.raises(UserError, match=r"some\.txt.*no text"):
        read_texts(path, "text")


def test_without_texts() -> None:
    texts = ["A good film!", "a bad film", "..."]
    assert without_texts(texts, ["a  good film", "?"]) == ["a bad film", "..."]


def test_a_split_is_apart() -> None:
    texts = [f"text {n % 80}" for n in range(100)]
    rest, taken = split_texts(texts, 0.2, seed=1)
    assert len(taken) == 20
    assert not set(rest) & set(taken)
    assert set(rest) | set(taken) == set(texts)
    assert (rest, taken) == split_texts(texts, 0.2, seed=1)
    assert taken != split_texts(texts, 0.2, seed=2)[1]
    assert [len(part) for part in split_texts(["a", "b"], 0.99, 1)] == [1, 1]


def test_drawn_takes_some_from_everywhere() -> None:
    texts = [f"text {n}" for n in range(1000)]
    some = drawn(texts, 50, 1)
    assert some == drawn(texts, 50, 1) != drawn(texts, 50, 2)
    places = [texts.index(text) for text in some]
    assert places == sorted(set(places))
    assert len(places) == 50
    assert places[0] < 200 < 800 < places[-1]
    assert drawn(texts, 2000, 1) == texts


def test_spread_takes_some_from_everywhere() -> None:
    texts = [f"{n:09}." for n in range(1000)]
    assert list(spread(texts, 10_000, 1)) == texts
    some = list(spread(texts, 1000, 1))
    assert len(some) == 100
    assert 300 < sum(int(text[:-1]) for text in some) / 100 < 700
