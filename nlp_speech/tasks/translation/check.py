"""What can be wrong with parallel text; no TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nlp_speech.contract import Finding
from nlp_speech.data.text_check import (
    Limit,
    TextRow,
    copied_cells,
    parts_of,
    text_findings,
)
from nlp_speech.tasks.translation import parallel_text
from nlp_speech.tasks.translation.config import SplitSection, TranslationConfig

_COLUMNS = ("source", "target")


def findings(config: TranslationConfig, quick: bool = False) -> Iterator[Finding]:
    """Reads all text that a config names, and tells what is wrong.

    Args:
        config: the experiment.
        quick: changes nothing: all of it is quick.

    Raises:
        UserError: a file cannot be read at all.
    """
    del quick
    data = config.data
    splits = {name: _rows(sections) for name, sections in parts_of(data).items()}
    longest = config.batch.max_length
    left_out = Limit(longest, "left out (batch.max_length)", ("train",))
    limits = {"source": left_out, "target": left_out}
    yield from text_findings(splits, _COLUMNS, limits)
    yield from copied_cells(splits, _COLUMNS)


def _rows(sections: Sequence[SplitSection]) -> list[TextRow]:
    rows = []
    for section in sections:
        text = parallel_text(section)
        for number, pair in enumerate(text.pairs(keep_blank=True), start=1):
            rows.append(TextRow(f"{text.source}:{number}", pair))
    return rows
