"""Parallel text as two files or one table, plain or compressed, read as a stream."""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import zlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import IO

from nlp_speech.data.paths import VARIABLE, data_root
from nlp_speech.errors import UserError

_OPENERS = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}
Pair = tuple[str, str]


@dataclass
class Report:
    """What a reading found.

    Attributes:
        lines: lines read, of each of two files or of the table.
        pairs: pairs given out.
        blank: pairs left out because one side, or both, held only white space.
    """

    lines: int = 0
    pairs: int = 0
    blank: int = 0

    def __add__(self, other: Report) -> Report:
        """The counts of two readings together."""
        return Report(
            self.lines + other.lines,
            self.pairs + other.pairs,
            self.blank + other.blank,
        )


class ParallelText:
    """Pairs of sentences in files, read anew each time and never held in memory.

    A line ends at a line feed and nowhere else; a carriage return before it and a byte
    order mark at the start of a file are dropped, and the last line need not end.

    Args:
        source: the file of source sentences, or the table.
        target: the file of target sentences; None for a table.
        columns: source and target column of a table, counted from 0. Columns are
            separated by tabs, and quotes mean nothing.

    Attributes:
        report: the counts of the last reading, complete once it has ended.
    """

    def __init__(
        self, source: Path, target: Path | None, columns: tuple[int, int] = (0, 1)
    ) -> None:
        self.source = source
        self.target = target
        self.columns = columns
        self.report = Report()

    @classmethod
    def files(cls, source: Path, target: Path) -> ParallelText:
        """Two files, whose lines with the same number belong together."""
        return cls(source, target)

    @classmethod
    def table(cls, path: Path, columns: tuple[int, int] = (0, 1)) -> ParallelText:
        """One file of tab-separated columns, without a header."""
        return cls(path, None, columns)

    def pairs(self, keep_blank: bool = False) -> Iterator[Pair]:
        """Reads the pairs.

        Args:
            keep_blank: give out pairs with a blank side too, as a test set needs, whose
                lines must stay in step with other files.

        Yields:
            Source and target sentence.

        Raises:
            UserError: a file is missing, unreadable, damaged or not UTF-8, the files
                are of different length, a column is missing, or there is no pair.
        """
        self.report = report = Report()
        read = _table(self.source, self.columns)
        if self.target is not None:
            read = _side_by_side(self.source, self.target)
        with closing(read):
            for source, target in read:
                report.lines += 1
                if not keep_blank and not (source.strip() and target.strip()):
                    report.blank += 1
                    continue
                report.pairs += 1
                yield source, target
        if not report.pairs:
            what = "only blank lines" if report.lines else "no lines"
            raise UserError.at(
                self.source, None, f"there are {what}; give a file that holds sentences"
            )


def read_pairs(
    texts: Iterable[ParallelText], keep_blank: bool = False
) -> tuple[list[Pair], Report]:
    """Reads all pairs of one or several sources into memory.

    Args:
        texts: the sources, in the order in which they are joined.
        keep_blank: keep pairs with a blank side.

    Returns:
        The pairs, and the counts of all sources together.

    Raises:
        UserError: as `ParallelText.pairs`.
    """
    pairs: list[Pair] = []
    report = Report()
    for text in texts:
        pairs.extend(text.pairs(keep_blank))
        report += text.report
    return pairs, report


def read_lines(path: Path) -> Generator[str, None, None]:
    """Reads a file line by line.

    Args:
        path: UTF-8 text; ``.gz``, ``.xz`` and ``.bz2`` are decompressed.

    Yields:
        Each line without its end.

    Raises:
        UserError: it is missing, unreadable, damaged or, at some line, not UTF-8.
    """
    number = 0
    try:
        with _open(path) as file:
            for number, line in enumerate(file, start=1):
                yield _text(path, number, line)
    except (EOFError, lzma.LZMAError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(path, number + 1) from error
    except OSError as error:
        if error.errno is None and path.suffix.lower() in _OPENERS:
            raise _damaged(path, number + 1) from error
        raise _unreadable(path, error) from error


def _open(path: Path) -> IO[bytes]:
    return _OPENERS.get(path.suffix.lower(), open)(path, "rb")


def _text(path: Path, number: int, line: bytes) -> str:
    if number == 1:
        line = line.removeprefix(codecs.BOM_UTF8)
    try:
        return line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError.at(
            path,
            number,
            f"byte {error.start + 1} of the line is not UTF-8; convert the file, "
            "for example with iconv",
        ) from error


def _damaged(path: Path, line: int) -> UserError:
    return UserError.at(
        path,
        line,
        f"the {path.suffix} file is damaged or cut short; get it again",
    )


def _unreadable(path: Path, error: OSError) -> UserError:
    if isinstance(error, FileNotFoundError):
        return UserError.at(
            path,
            None,
            "there is no such file; names in a config are relative to the data root, "
            f"{data_root()} (set {VARIABLE} to change it)",
        )
    reason = error.strerror or str(error)
    return UserError.at(path, None, f"cannot read the file ({reason})")


def _side_by_side(source: Path, target: Path) -> Generator[Pair, None, None]:
    with closing(read_lines(source)) as left, closing(read_lines(target)) as right:
        for number, (a, b) in enumerate(zip_longest(left, right), start=1):
            if a is None or b is None:
                short, long = (source, target) if a is None else (target, source)
                rest = left if b is None else right
                lines = number + sum(1 for _ in rest)
                raise UserError.at(
                    long,
                    number,
                    f"this line has no partner: {short} has {number - 1} lines and "
                    f"this file {lines}; give files of equal length",
                )
            yield a, b


def _table(path: Path, columns: tuple[int, int]) -> Generator[Pair, None, None]:
    source, target = columns
    if min(columns) < 0:
        raise UserError.at(path, None, f"columns {columns} must be 0 or more")
    with closing(read_lines(path)) as lines:
        for number, line in enumerate(lines, start=1):
            cells = line.split("\t")
            if not line.strip():
                yield "", ""
            elif len(cells) <= max(columns):
                raise UserError.at(
                    path,
                    number,
                    f"columns {source} and {target} are wanted, counted from 0, but "
                    f"there are {len(cells)}, separated by tabs; mend the line",
                )
            else:
                yield cells[source], cells[target]
