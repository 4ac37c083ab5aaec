"""What can be wrong with documents and summaries; no TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nlp_speech.contract import Finding
from nlp_speech.data.documents import texts_of
from nlp_speech.data.paths import resolve
from nlp_speech.data.tables import read_table
from nlp_speech.data.text_check import (
    Limit,
    TextRow,
    copied_cells,
    parts_of,
    text_findings,
)
from nlp_speech.tasks.summarization.config import SummarizationConfig, TableSection

_COLUMNS = ("document", "summary")


def findings(config: SummarizationConfig, quick: bool = False) -> Iterator[Finding]:
    """Reads all documents that a config names, and tells what is wrong.

    Args:
        config: the experiment.
        quick: changes nothing: all of it is quick.

    Raises:
        UserError: a table cannot be read at all.
    """
    del quick
    data = config.data
    splits = {name: _rows(sections, name) for name, sections in parts_of(data).items()}
    read = config.decoding.max_source_length
    most = config.batch.max_length
    limits = {
        "document": Limit(read, "read in part (decoding.max_source_length)"),
        "summary": Limit(most, "left out (batch.max_length)", ("train",)),
    }
    yield from text_findings(splits, _COLUMNS, limits, data.exclude_splits, ["summary"])
    yield from copied_cells(splits, _COLUMNS)


def _rows(sections: Sequence[TableSection], split: str) -> list[TextRow]:
    """Each document with its first summary, or for training with each of them."""
    rows = []
    for section in sections:
        columns = (section.document, *section.summaries)
        for row in read_table(resolve(section.file), columns):
            document_cell, *cells = row.cells
            document = " ".join(texts_of(document_cell))
            given = [s for cell in cells for s in texts_of(cell) if s.strip()] or [""]
            taken = dict.fromkeys(given) if split == "train" else given[:1]
            place = f"{row.path}:{row.line}"
            rows += [TextRow(place, (document, summary)) for summary in taken]
    return rows
