"""Documents with one or several summaries each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from nlp_speech.data.splits import fingerprint
from nlp_speech.data.tables import read_table


class Document(NamedTuple):
    """A document and its summaries, the first of which is the main one."""

    text: str
    summaries: tuple[str, ...]


def read_documents(
    path: Path,
    document: str,
    summaries: Sequence[str],
    line_break: str | None = None,
    keep_blank: bool = False,
) -> list[Document]:
    """Reads the documents of a table.

    Args:
        path: CSV, TSV or JSON lines; see `tables.read_table`.
        document: the column of documents; a JSON list of strings is joined by spaces.
        summaries: the columns of summaries; empty cells are passed over, and a JSON
            list of strings is several of them.
        line_break: what stands for the end of a line in a document, or None.
        keep_blank: keep rows whose document is white space, as a test set needs, and
            refuse rows without a summary instead of leaving them out.

    Raises:
        UserError: the table is bad, or a row that must have a summary has none.
    """
    found = []
    for row in read_table(path, (document, *summaries)):
        document_cell, *cells = row.cells
        text = " ".join(texts_of(document_cell))
        if line_break:
            text = text.replace(line_break, "\n")
        given = tuple(s for cell in cells for s in texts_of(cell) if s.strip())
        if keep_blank and not given:
            raise row.error("the summary is empty; give the row one or delete it")
        if keep_blank or (given and text.strip()):
            found.append(Document(text, given))
    return found


def without_documents(
    documents: Iterable[Document], texts: Iterable[str]
) -> list[Document]:
    """Those whose text is none of `texts`, by letters and digits alone."""
    known = {fingerprint(text) for text in texts}
    return [d for d in documents if fingerprint(d.text) not in known]


def pairs_of(documents: Iterable[Document]) -> list[tuple[str, str]]:
    """Each document with each of its summaries, equal pairs once."""
    return list(dict.fromkeys((d.text, s) for d in documents for s in d.summaries))


def texts_of(cell: str) -> Iterator[str]:
    """The text of a cell, or each of a JSON list of texts; null is none."""
    if cell.startswith("["):
        try:
            values = json.loads(cell)
        except ValueError:
            values = None
        if isinstance(values, list):
            texts = [value for value in values if value is not None]
            if all(isinstance(text, str) for text in texts):
                yield from texts
                return
    yield cell
