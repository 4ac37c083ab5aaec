"""Texts without labels: read from tables and plain files, split, sampled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from nlp_speech.data.parallel import read_lines
from nlp_speech.data.splits import fingerprint, take_share
from nlp_speech.data.tables import COMPRESSED, FORMATS, Column, read_table
from nlp_speech.errors import UserError


def read_texts(path: Path, column: Column, keep_blank: bool = False) -> list[str]:
    """Reads the texts of a table, or of a plain file with a text on each line.

    Args:
        path: the name tells the format; see `tables.read_table`. A file of another name
            is plain text in UTF-8.
        column: of texts; a plain file has none.
        keep_blank: keep texts that are white space, as a test set needs.

    Raises:
        UserError: the file is missing or bad, or holds no text.
    """
    every = (text for _, text in numbered_texts(path, column))
    texts = [text for text in every if keep_blank or text.strip()]
    if not texts:
        raise UserError.at(path, None, "there is no text in it; give a file with texts")
    return texts


def numbered_texts(path: Path, column: Column) -> Iterator[tuple[int, str]]:
    """All texts with the line each stands on, from 1; arguments as for `read_texts`.

    Raises:
        UserError: the file is missing or bad.
    """
    suffixes = [s.lower() for s in path.suffixes if s.lower() not in COMPRESSED]
    if suffixes and suffixes[-1] in FORMATS:
        yield from ((row.line, row.cells[0]) for row in read_table(path, (column,)))
        return
    with closing(read_lines(path)) as lines:
        yield from enumerate(lines, start=1)


def without_texts(texts: Iterable[str], others: Iterable[str]) -> list[str]:
    """The texts that are none of `others`, case and punctuation aside."""
    known = {fingerprint(text) for text in others}
    return [text for text in texts if fingerprint(text) not in known]


def split_texts(
    texts: Sequence[str], share: float, seed: int
) -> tuple[list[str], list[str]]:
    """Takes a part of the texts away, at random but the same for the same seed.

    Equal texts stay together; see `take_share`.

    Args:
        texts: two at least.
        share: of the second part; one text at least.
        seed: of the draw.

    Returns:
        What is left, and what was taken, both in the order of `texts`.
    """
    random = np.random.default_rng([seed, len(texts)])
    taken = take_share([fingerprint(text) for text in texts], share, random)
    first = [text for n, text in enumerate(texts) if n not in taken]
    return first, [texts[n] for n in sorted(taken)]


def drawn(texts: Sequence[str], count: int, seed: int) -> list[str]:
    """So many texts from all over a corpus, in their order; all if there are fewer."""
    order: list[int] = np.random.default_rng(seed).permutation(len(texts)).tolist()
    return [texts[n] for n in sorted(order[:count])]


def spread(texts: Sequence[str], characters: int, seed: int) -> Iterator[str]:
    """Texts from all over a corpus, up to a number of characters."""
    if sum(map(len, texts)) <= characters:
        yield from texts
        return
    order: list[int] = np.random.default_rng(seed).permutation(len(texts)).tolist()
    for n in order:
        if characters <= 0:
            return
        yield texts[n]
        characters -= len(texts[n])
