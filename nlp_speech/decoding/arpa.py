"""Back-off n-gram models of words, and the ARPA files that they are kept in."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from nlp_speech.errors import UserError
from nlp_speech.files import replacing

START, END, UNKNOWN = "<s>", "</s>", "<unk>"
Context = tuple[str, ...]
Entry = tuple[float, float]  # log10 of probability and of back-off weight

_OPENERS: dict[str, Callable[..., IO[Any]]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
}
_UNREADABLE = (OSError, EOFError, lzma.LZMAError, zlib.error, UnicodeDecodeError)
_BLANKS = " \t\r\n"  # other white space may stand in a word
_IMPOSSIBLE = -99.0  # how ARPA files write a probability of 0


@dataclass(frozen=True)
class NGrams:
    """A back-off model: `tables[n - 1]` holds the n-grams.

    Attributes:
        tables: for each order its n-grams; the words of one are a tuple.
    """

    tables: Sequence[Mapping[tuple[str, ...], Entry]]

    @property
    def order(self) -> int:
        """The most words of an n-gram."""
        return len(self.tables)

    def start(self) -> Context:
        """The context at the beginning of a sentence."""
        return (START,)[: self.order - 1]

    def score(self, context: Context, word: str) -> tuple[float, Context]:
        """The log10 probability of a word after a context, and the context after it.

        Args:
            context: `start`, or what the last call returned.
            word: any; `END` ends the sentence. One that the model does not know has the
                probability of ``<unk>``.
        """
        if (word,) not in self.tables[0]:
            word = UNKNOWN
        weight = 0.0
        for first in range(len(context) + 1):
            known = context[first:]
            entry = self.tables[len(known)].get((*known, word))
            if entry is not None:
                return weight + entry[0], self._after(context, word)
            if known:
                weight += self.tables[len(known) - 1].get(known, (0.0, 0.0))[1]
        return weight + _IMPOSSIBLE, self._after(context, word)

    def words(self) -> Iterator[tuple[str, float]]:
        """Each word that can be said with its log10 probability without a context."""
        for (word,), (value, _) in self.tables[0].items():
            if word not in (START, END, UNKNOWN):
                yield word, value

    def sentence(self, words: Sequence[str]) -> float:
        """The log10 probability of a whole sentence."""
        context, total = self.start(), 0.0
        for word in (*words, END):
            value, context = self.score(context, word)
            total += value
        return total

    def _after(self, context: Context, word: str) -> Context:
        return (*context, word)[-(self.order - 1) :] if self.order > 1 else ()


def read_arpa(path: Path, order: int | None = None) -> NGrams:
    """Reads an ARPA file, plain or compressed (``.gz``, ``.bz2``, ``.xz``).

    Args:
        path: the file.
        order: longer n-grams are not read; None reads all.

    Raises:
        UserError: the file is missing, or not such a file; it names the line.
    """
    opener: Callable[..., IO[Any]] = _OPENERS.get(path.suffix.lower(), open)
    try:
        with opener(path, "rt", encoding="utf-8-sig", newline="\n") as file:
            return _Reader(path, order).read(file)
    except _UNREADABLE as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError.at(
            path, None, f"this language model cannot be read ({reason})"
        ) from error


class _Reader:
    """Reads the sections of one file."""

    def __init__(self, path: Path, limit: int | None) -> None:
        self.path = path
        self.limit = limit
        self.tables: list[dict[tuple[str, ...], Entry]] = []
        self.sizes: dict[int, int] = {}

    def read(self, lines: Iterator[str] | IO[Any]) -> NGrams:
        order, ended = -1, False
        for number, raw in enumerate(lines, start=1):
            line = raw.strip(_BLANKS)
            if not line or (order < 0 and line != "\\data\\"):
                continue  # text before the data is a comment
            if line == "\\end\\" or (
                len(self.tables) == self.limit and line[0] == "\\"
            ):
                ended = True
                break
            if line == "\\data\\":
                order = 0
            elif line.startswith("\\"):
                order = self._section(line, number)
            elif order == 0:
                self._size(line, number)
            else:
                self._entry(line, order, number)
        self._check(ended)
        return NGrams(self.tables)

    def _section(self, line: str, number: int) -> int:
        order = len(self.tables) + 1
        if line != f"\\{order}-grams:":
            raise self._wrong(number, f"\\{order}-grams: is expected, not {line[:40]}")
        self.tables.append({})
        return order

    def _size(self, line: str, number: int) -> None:
        try:
            order, size = line.removeprefix("ngram").split("=")
            self.sizes[int(order)] = int(size)
        except ValueError:
            raise self._wrong(number, f"no count of n-grams: {line[:40]}") from None

    def _entry(self, line: str, order: int, number: int) -> None:
        fields = list(filter(None, line.replace("\t", " ").split(" ")))
        try:
            back_off = float(fields[order + 1]) if len(fields) == order + 2 else 0.0
            value = float(fields[0])
        except ValueError:
            raise self._wrong(number, f"no number: {line[:40]}") from None
        if len(fields) not in (order + 1, order + 2):
            raise self._wrong(
                number, f"a probability, {order} words and a weight are expected"
            )
        words = tuple(_special(word) for word in fields[1 : order + 1])
        self.tables[-1][words] = (value, back_off)

    def _check(self, ended: bool) -> None:
        if not self.tables or not self.tables[0]:
            raise UserError.at(
                self.path, None, "this is no ARPA file; make one with lmplz or ours"
            )
        sizes = {n: len(table) for n, table in enumerate(self.tables, start=1)}
        said = {n: size for n, size in self.sizes.items() if n <= len(self.tables)}
        whole = self.limit is not None or len(self.tables) == len(self.sizes)
        if not ended or not whole or sizes != said:
            raise UserError.at(
                self.path, None, "the file is cut short: it has fewer n-grams than said"
            )

    def _wrong(self, number: int, what: str) -> UserError:
        return UserError.at(self.path, number, f"this is no line of ARPA: {what}")


def _special(word: str) -> str:
    """SRILM writes <UNK>."""
    return UNKNOWN if word == "<UNK>" else word


def write_arpa(model: NGrams, path: Path) -> None:
    """Writes a model whole or not at all; compressed where the name ends in ``.gz``."""
    lines = ["\\data\\"]
    lines += [f"ngram {n}={len(t)}" for n, t in enumerate(model.tables, start=1)]
    for order, table in enumerate(model.tables, start=1):
        lines += ["", f"\\{order}-grams:"]
        for words, (value, back_off) in sorted(table.items()):
            weight = f"\t{back_off:.7g}" if order < model.order else ""
            lines.append(f"{value:.7g}\t{' '.join(words)}{weight}")
    content = "\n".join([*lines, "", "\\end\\", ""]).encode("utf-8")
    if path.suffix == ".gz":  # without the time, so that one model is one file
        content = gzip.compress(content, mtime=0)
    with replacing(path) as file:
        file.write(content)
