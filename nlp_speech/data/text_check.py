"""What can be wrong with rows of text, whatever the task; no TensorFlow.

A task's ``check`` lists its rows by split and asks for the findings that fit it.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from nlp_speech.contract import Finding
from nlp_speech.data.splits import fingerprint

_SHOWN = 3
_WIDTH = 60  # characters of a text that are shown
_COMMON = 0.02  # share of training rows that makes a script one of a column's own
_LETTERS = 4  # in fewer letters a script is a name or a formula
_MUCH = 0.5  # of a split that stands in the training set: it measures memory only
_UNEVEN = 3.0  # times as many examples as the rarest class has
_KANA = {"HIRAGANA": "CJK", "KATAKANA": "CJK", "KATAKANA-HIRAGANA": "CJK"}


class TextRow(NamedTuple):
    """A row of a data set.

    Attributes:
        place: file and line.
        cells: its texts, such as a source and a target.
        label: of the row, or an empty string.
    """

    place: str
    cells: tuple[str, ...]
    label: str = ""


class Limit(NamedTuple):
    """The length of a column beyond which a text is not read as a whole.

    Attributes:
        words: the most words, none of which is less than a piece.
        message: what happens to a longer one, with the key of the config.
        splits: where the limit holds; empty: everywhere.
    """

    words: int
    message: str
    splits: tuple[str, ...] = ()


Splits = Mapping[str, Sequence[TextRow]]


def parts_of(data: Any) -> dict[str, Sequence[Any]]:
    """The sections of each split: ``train``, ``validation`` if given, the test sets.

    Args:
        data: a `data` section with `train`, `validation` and `test`.
    """
    parts: dict[str, Sequence[Any]] = {"train": data.train}
    if data.validation is not None:
        parts["validation"] = (data.validation,)
    return parts | {name: (part,) for name, part in data.test.items()}


def text_findings(
    splits: Splits,
    columns: Sequence[str],
    limits: Mapping[str, Limit] | None = None,
    cleared: Container[str] = (),
    needed: Container[str] = (),
) -> Iterator[Finding]:
    """Everything that may be wrong with any text: see the functions below.

    Args:
        splits: the rows of each; ``train`` is there.
        columns: the names of a row's cells, the first of them what a model is given.
        limits: by column.
        cleared: splits whose rows are taken out of the training set by the config.
        needed: columns without which a validation row cannot be scored.
    """
    yield from empty_cells(splits, columns, needed)
    yield from too_long(splits, columns, limits or {})
    yield from copies(splits)
    yield from wrong_scripts(splits, columns)
    yield from leaks(splits, columns, cleared)


def empty_cells(
    splits: Splits, columns: Sequence[str], needed: Container[str] = ()
) -> Iterator[Finding]:
    """Rows with nothing but white space in a cell."""
    for split, rows in splits.items():
        for n, column in enumerate(columns):
            found = [row for row in rows if not row.cells[n].strip()]
            bad = column in needed and split == "validation"
            problem = f"have an empty {column}"
            yield from _finding(split, problem, found, n, bare=True, is_error=bad)


def too_long(
    splits: Splits, columns: Sequence[str], limits: Mapping[str, Limit]
) -> Iterator[Finding]:
    """Rows with more words than a model reads."""
    for split, rows in splits.items():
        for n, column in enumerate(columns):
            limit = limits.get(column)
            if limit is None or (limit.splits and split not in limit.splits):
                continue
            # Counting words costs time: most rows are too short by their characters.
            most = limit.words
            found = [
                row
                for row in rows
                if len(row.cells[n]) > 2 * most and len(row.cells[n].split()) > most
            ]
            problem = f"have a {column} of more than {most} words: {limit.message}"
            yield from _finding(split, problem, found, n)


def copies(splits: Splits) -> Iterator[Finding]:
    """Rows of a split that stand there twice, and those with different labels."""
    for split, rows in splits.items():
        first: dict[int, str] = {}
        seen: set[int] = set()
        same, other = [], []
        for row in rows:
            if not row.cells[0].strip():
                continue
            key = _key(*row.cells)
            if first.setdefault(key, row.label) != row.label:
                other.append(row)
            elif key in seen:
                same.append(row)
            seen.add(key)
        yield from _finding(split, "are copies of another row", same)
        yield from _finding(
            split, "are copies of another row with another label", other
        )


def wrong_scripts(splits: Splits, columns: Sequence[str]) -> Iterator[Finding]:
    """Rows mostly in a script that the column otherwise does not have."""
    for n, column in enumerate(columns):
        scripts = {
            split: [main_script(row.cells[n]) for row in rows]
            for split, rows in splits.items()
        }
        counts = Counter(s for s in scripts["train"] if s)
        least = _COMMON * sum(counts.values())
        own = {script for script, count in counts.items() if count >= least}
        if not own:
            continue
        known = ", ".join(sorted(s.capitalize() for s in own))
        for split, rows in splits.items():
            pairs = zip(rows, scripts[split], strict=True)
            found = [row for row, script in pairs if script and script not in own]
            problem = f"have a {column} in another script than {known}"
            yield from _finding(split, problem, found, n)


def leaks(
    splits: Splits, columns: Sequence[str], cleared: Container[str] = ()
) -> Iterator[Finding]:
    """Rows of other splits that stand in the training set; an error if most do."""
    first = {_key(row.cells[0]) for row in splits["train"]}
    whole = {_key(*row.cells) for row in splits["train"]} if len(columns) > 1 else first
    for split, rows in splits.items():
        if split == "train" or split in cleared:
            continue
        real = [row for row in rows if row.cells[0].strip()]
        given = [row for row in real if _key(row.cells[0]) in first]
        much = len(given) > _MUCH * len(real)
        share = f"{len(given) / max(len(real), 1):.1%}"
        problem = f"have a {columns[0]} of the training set ({share})"
        yield from _finding(split, problem, given, is_error=much)
        if len(columns) > 1:
            pairs = [row for row in given if _key(*row.cells) in whole]
            problem = f"stand in the training set with the same {columns[1]}"
            yield from _finding(split, problem, pairs, is_error=much)


def copied_cells(
    splits: Splits, columns: Sequence[str], words: int = 4
) -> Iterator[Finding]:
    """Rows whose second cell repeats the first, from so many words on."""
    for split, rows in splits.items():
        found = [
            row
            for row in rows
            if len(row.cells[0].split()) >= words
            and fingerprint(row.cells[0]) == fingerprint(row.cells[1])
        ]
        yield from _finding(split, f"repeat the {columns[0]} as {columns[1]}", found)


def unknown_classes(splits: Splits) -> Iterator[Finding]:
    """Rows with a label that nothing teaches; an error where checkpoints are chosen."""
    known = {row.label for row in splits["train"]}
    for split, rows in splits.items():
        found = [row for row in rows if row.label not in known]
        names = ", ".join(sorted({repr(row.label) for row in found})[:_SHOWN])
        problem = f"have a label that no training row has: {names}"
        yield from _finding(split, problem, found, is_error=split == "validation")


def uneven_classes(splits: Splits, remedy: str) -> Iterator[Finding]:
    """A split whose classes differ much in size, or lack one of the training set."""
    known = {row.label for row in splits["train"]}
    for split, rows in splits.items():
        if not rows:
            continue
        counts = Counter(row.label for row in rows)
        counts.update(dict.fromkeys(known - counts.keys(), 0))
        most, least = max(counts.values()), min(counts.values())
        if len(counts) < 2 or (least and most < _UNEVEN * least):
            continue
        shares = tuple(
            f"{label}: {count} ({count / len(rows):.1%})"
            for label, count in counts.most_common()
        )
        advice = f"; {remedy}" if split == "train" else ""
        yield Finding(split, f"rows are unevenly spread{advice}", len(rows), shares)


def main_script(text: str) -> str:
    """The script of most letters, such as ``LATIN``, or nothing if there are few."""
    if text.isascii():
        return "LATIN" if sum(map(str.isalpha, text)) >= _LETTERS else ""
    counts = Counter(map(_script, text))
    del counts[""]
    if not counts or sum(counts.values()) < _LETTERS:
        return ""
    return counts.most_common(1)[0][0]


@lru_cache(maxsize=20_000)
def _script(character: str) -> str:
    """The first word of a letter's Unicode name; nothing for what is no letter."""
    if unicodedata.category(character)[0] != "L":
        return ""
    plain = unicodedata.normalize("NFKC", character)[0]
    name = unicodedata.name(plain, "").split(" ")[0]
    return _KANA.get(name, name)


def _key(*texts: str) -> int:
    """Stands for texts in a set: numbers need less memory."""
    return hash(tuple(map(fingerprint, texts)))


def _finding(
    split: str,
    problem: str,
    found: Sequence[TextRow],
    column: int = 0,
    *,
    bare: bool = False,
    is_error: bool = False,
) -> Iterator[Finding]:
    if not found:
        return
    shown = found[:_SHOWN]
    examples = [row.place for row in shown]
    if not bare:
        examples = [f"{row.place}: {_short(row.cells[column])!r}" for row in shown]
    yield Finding(split, problem, len(found), tuple(examples), is_error)


def _short(text: str) -> str:
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}..."
