"""Rows with named columns: CSV, TSV and JSON lines, plain or compressed."""

from __future__ import annotations

import csv
import json
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nlp_speech.data.parallel import read_lines
from nlp_speech.errors import UserError

COMPRESSED = frozenset({".gz", ".xz", ".bz2"})
"""What a table's name may end in after its format."""

FORMATS = (".csv", ".tsv", ".jsonl")
"""What a table's name ends in."""

_LONGEST_CELL = 1 << 30  # characters; the standard library's own limit is 131,072


Column = str | int
"""The name of a column, or its place, from 0, in a table without a header."""


@dataclass(frozen=True)
class Row:
    """The wanted cells of a row.

    Attributes:
        path: the file.
        line: the line on which the row ends, counted from 1.
        cells: the columns asked for, in that order.
    """

    path: Path
    line: int
    cells: tuple[str, ...]

    def error(self, message: str) -> UserError:
        """An error that names the row."""
        return UserError.at(self.path, self.line, message)


def read_table(path: Path, columns: Sequence[Column]) -> Iterator[Row]:
    """Reads columns of a table, row by row.

    The name tells the format, before ``.gz``, ``.xz`` or ``.bz2``: ``.csv`` has a
    header, commas and double quotes; ``.tsv`` has a header and tabs, and quotes mean
    nothing; ``.jsonl`` has an object a line. Text is UTF-8. Lines of white space are
    passed over. A table whose columns are asked for by place has no header.

    Args:
        path: the file.
        columns: the names of the columns wanted, or their places, from 0.

    Yields:
        Each row. A JSON value that is no string is written as JSON, null as nothing.

    Raises:
        UserError: the file is missing, damaged, of an unknown format or not UTF-8, a
            column is missing, or a row is malformed; it names the line.
    """
    readers = (_csv, _tsv, _jsonl)
    formats = {str(n): read for n, read in zip(FORMATS, readers, strict=True)}
    suffixes = [s.lower() for s in path.suffixes if s.lower() not in COMPRESSED]
    read = formats.get(suffixes[-1] if suffixes else "")
    if read is None:
        raise UserError.at(
            path, None, f"a table's name ends in one of {', '.join(FORMATS)}"
        )
    with closing(read_lines(path)) as lines:
        yield from read(path, lines, columns)


def _tsv(
    path: Path, lines: Iterator[str], columns: Sequence[Column]
) -> Generator[Row, None, None]:
    places: list[int] | None = None
    width = 0
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        cells = line.split("\t")
        if places is None:
            places, width = _places(path, number, cells, columns), len(cells)
            if _has_header(columns):
                continue
        yield _row(path, number, cells, width, places)
    _require_header(path, places)


def _csv(
    path: Path, lines: Iterator[str], columns: Sequence[Column]
) -> Generator[Row, None, None]:
    csv.field_size_limit(_LONGEST_CELL)
    reader = csv.reader((f"{line}\n" for line in lines), strict=True)
    places: list[int] | None = None
    width = 0
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if places is None:
                places = _places(path, reader.line_num, cells, columns)
                width = len(cells)
                if _has_header(columns):
                    continue
            yield _row(path, reader.line_num, cells, width, places)
    except csv.Error as error:
        message = f"this is not CSV ({error}); check the double quotes before here"
        raise UserError.at(path, reader.line_num, message) from error
    _require_header(path, places)


def _jsonl(
    path: Path, lines: Iterator[str], columns: Sequence[Column]
) -> Generator[Row, None, None]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            message = f"this line is not JSON ({error}); mend it"
            raise UserError.at(path, number, message) from error
        if not isinstance(values, dict):
            message = "this line is JSON but no object with named values; mend it"
            raise UserError.at(path, number, message)
        for name in columns:
            if name not in values:
                raise _no_column(path, number, name, list(values))
        yield Row(path, number, tuple(_as_text(values[name]) for name in columns))


def _places(
    path: Path, number: int, first: Sequence[str], columns: Sequence[Column]
) -> list[int]:
    """Where the columns are, told by the first line of a table."""
    for column in columns:
        known = range(len(first)) if isinstance(column, int) else first
        if column not in known:
            raise _no_column(path, number, column, first)
        if isinstance(column, str) and first.count(column) > 1:
            message = f"there are several columns {column!r}; rename all but one"
            raise UserError.at(path, number, message)
    return [c if isinstance(c, int) else first.index(c) for c in columns]


def _has_header(columns: Sequence[Column]) -> bool:
    return any(isinstance(column, str) for column in columns)


def _no_column(path: Path, number: int, name: Column, have: Sequence[str]) -> UserError:
    if isinstance(name, int):
        message = (
            f"there is no column {name}, counted from 0: this line has {len(have)}"
        )
        return UserError.at(path, number, message)
    shown = ", ".join(repr(column[:40]) for column in have[:20]) or "none"
    return UserError.at(
        path, number, f"there is no column {name!r}; the columns are: {shown}"
    )


def _row(
    path: Path, number: int, cells: list[str], width: int, places: list[int]
) -> Row:
    if len(cells) != width:
        raise UserError.at(
            path,
            number,
            f"the first line has {width} columns and this row {len(cells)}; mend it",
        )
    return Row(path, number, tuple(cells[place] for place in places))


def _require_header(path: Path, places: list[int] | None) -> None:
    if places is None:
        raise UserError.at(path, None, "there are no lines; give a table")


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)
