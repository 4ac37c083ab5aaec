"""Tables with named columns: against csv, json and pandas-free reading by hand."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp_speech.data.tables import read_table
from nlp_speech.errors import UserError

CELLS = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=9
)
ROWS = st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6)


def write(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8", newline="")
    return path


def cells(path: Path, *columns: str) -> list[tuple[str, ...]]:
    return [row.cells for row in read_table(path, columns)]


@given(rows=ROWS)
def test_csv_is_what_csv_wrote(
    rows: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    # A bare carriage return ends a line for the module that writes, not for ours.
    rows = [("x" + a.replace("\r", ""), b.replace("\r", "")) for a, b in rows]
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([("text", "label"), *rows])
    write(path, file.getvalue())
    assert cells(path, "text", "label") == rows
    assert cells(path, "label") == [(b,) for _, b in rows]


@given(rows=ROWS)
def test_jsonl_is_what_json_wrote(
    rows: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("jsonl") / "a.jsonl"
    lines = [json.dumps({"text": a, "label": b}) for a, b in rows]
    write(path, "\n".join(lines))
    assert cells(path, "text", "label") == rows


def test_jsonl_values_that_are_no_text(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"a": 1, "b": true}\n\n{"a": null, "b": 0.5}\n')
    assert cells(path, "a", "b") == [("1", "true"), ("", "0.5")]


def test_tsv_quotes_mean_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", 'id\ttext\tlabel\r\n1\tsay "no\t0\r\n \n2\tb"\t1')
    assert cells(path, "label", "text") == [("0", 'say "no'), ("1", 'b"')]


@pytest.mark.parametrize(
    ("suffix", "compress"),
    [(".gz", gzip.compress), (".xz", lzma.compress), (".bz2", bz2.compress)],
)
def test_compressed(tmp_path: Path, suffix: str, compress: Any) -> None:
    path = tmp_path / f"v1.0.TSV{suffix}"
    path.write_bytes(compress("\ufefftext\tlabel\nschön\t1\n".encode()))
    assert cells(path, "text", "label") == [("schön", "1")]


def test_a_cell_may_be_longer_than_csv_likes(tmp_path: Path) -> None:
    long = "word " * 100_000
    path = write(tmp_path / "a.csv", f"text,label\n{long},1\n")
    assert cells(path, "text") == [(long,)]


def test_lines_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'text,label\n"a\nb",1\n\nc,2\n')
    assert [row.line for row in read_table(path, ["text"])] == [3, 5]
    [first, _] = read_table(path, ["text"])
    assert str(first.error("is odd")) == f"{path}:3: is odd"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "text\n", r"a\.txt: a table's name ends in one of \.csv, \.tsv"),
        ("a", "text\n", r"ends in one of"),
        ("a.tsv", "txt\tlabel\na\tb\n", r":1: there is no column 'text'; .*'txt'"),
        ("a.csv", "txt,label\na,b\n", r":1: there is no column 'text'; .*'txt'"),
        ("a.jsonl", '{"a": 1}\n', r":1: there is no column 'text'; .*'a'"),
        ("a.jsonl", '{"text": "", "label": 1}\n[1]\n', r":2: .*no object"),
        ("a.jsonl", '{"text": "a",\n', r":1: this line is not JSON"),
        ("a.jsonl", "[" * 100_000, r":1: this line is not JSON"),
        (
            "a.tsv",
            "text\tlabel\na\n",
            r":2: the first line has 2 columns and this row 1",
        ),
        ("a.csv", "text,label\na,b,c\n", r":2: the first line has 2 .* this row 3"),
        ("a.csv", 'text,label\n"a"b,c\n', r":2: this is not CSV"),
        ("a.csv", 'text,label\n"a,c\n', r":2: this is not CSV"),
        ("a.tsv", "text\tlabel\ttext\na\t1\tb\n", r":1: .* several columns 'text'"),
        ("a.tsv", "", r"a\.tsv: there are no lines"),
        ("a.csv", "\n \n", r"a\.csv: there are no lines"),
    ],
)
def test_bad_tables(tmp_path: Path, name: str, content: str, message: str) -> None:
    path = write(tmp_path / name, content)
    with pytest.raises(UserError, match=message):
        cells(path, "text", "label")


def test_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"text,label\ngood,1\nsch\xf6n,0\n")
    with pytest.raises(UserError, match=r"a\.csv:3: byte 4 of the line is not UTF-8"):
        cells(path, "text")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no such file"):
        cells(tmp_path / "a.csv", "text")


@pytest.mark.parametrize("name", ["a.tsv", "a.csv"])
def test_places_are_of_a_table_without_header(name: str, tmp_path: Path) -> None:
    mark = {"a.tsv": "\t", "a.csv": ","}[name]
    path = write(tmp_path / name, f"Hi.{mark}Hallo.\nYes.{mark}Ja.\n")
    found = [(row.line, row.cells) for row in read_table(path, (1, 0))]
    assert found == [(1, ("Hallo.", "Hi.")), (2, ("Ja.", "Yes."))]
    with pytest.raises(UserError, match=rf"{name}:1: there is no column 2"):
        list(read_table(path, (2,)))
    with pytest.raises(UserError, match=rf"{name}:1: there is no column -1"):
        list(read_table(path, (-1,)))


def test_json_has_no_places(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"text": "Hi."}\n')
    with pytest.raises(UserError, match=r"a.jsonl:1: there is no column 0"):
        list(read_table(path, (0,)))
