"""Documents with one or several summaries."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nlp_speech.data.documents import (
    Document,
    pairs_of,
    read_documents,
    without_documents,
)
from nlp_speech.errors import UserError


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_several_references_in_columns(tmp_path: Path) -> None:
    file = write(
        tmp_path / "a.tsv",
        "id\tdocument\tsummary\tann0\n1\ta<nl>b\tone\ttwo\n2\tc\tx\t\n",
    )
    found = read_documents(file, "document", ["summary", "ann0"], "<nl>")
    assert found == [Document("a\nb", ("one", "two")), Document("c", ("x",))]


def test_several_references_in_a_list(tmp_path: Path) -> None:
    rows = [
        {"document": "a", "summaries": ["one", "two", " "]},
        {"document": "b", "summaries": "[see] notes"},
        {"document": ["One.", "Two."], "summaries": ["good", None]},
        {"document": "[1]", "summaries": "[2019]"},
    ]
    file = write(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows)))
    found = read_documents(file, "document", ["summaries"])
    assert found == [
        Document("a", ("one", "two")),
        Document("b", ("[see] notes",)),
        Document("One. Two.", ("good",)),
        Document("[1]", ("[2019]",)),
    ]


def test_blank_rows(tmp_path: Path) -> None:
    file = write(tmp_path / "a.tsv", "document\tsummary\n \tone\nb\ttwo\nc\t \n")
    assert read_documents(file, "document", ["summary"]) == [Document("b", ("two",))]
    with pytest.raises(UserError, match=r"a\.tsv.*4.*the summary is empty"):
        read_documents(file, "document", ["summary"], keep_blank=True)


def test_a_missing_column(tmp_path: Path) -> None:
    file = write(tmp_path / "a.tsv", "document\ttitle\na\tb\n")
    with pytest.raises(UserError, match="no column 'summary'"):
        read_documents(file, "document", ["summary"])


def test_repeats_and_leaks() -> None:
    documents = [Document("A b!", ("x", "y")), Document("c", ("z",))]
    assert pairs_of([*documents, documents[0]]) == [
        ("A b!", "x"),
        ("A b!", "y"),
        ("c", "z"),
    ]
    assert without_documents(documents, ["a B"]) == [documents[1]]
