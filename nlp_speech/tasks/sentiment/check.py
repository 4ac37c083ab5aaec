"""What can be wrong with labelled texts; no TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nlp_speech.contract import Finding
from nlp_speech.data.labelled import Example, classes_of, example_of
from nlp_speech.data.paths import resolve
from nlp_speech.data.tables import read_table
from nlp_speech.data.text_check import (
    Limit,
    TextRow,
    parts_of,
    text_findings,
    uneven_classes,
    unknown_classes,
)
from nlp_speech.errors import UserError
from nlp_speech.tasks.sentiment.config import SentimentConfig, TableSection
from nlp_speech.tasks.sentiment.corpus import (
    answer_of,
    check_probabilities,
    check_weights,
)


def findings(config: SentimentConfig, quick: bool = False) -> Iterator[Finding]:
    """Reads all texts that a config names, and tells what is wrong.

    Args:
        config: the experiment.
        quick: changes nothing: all of it is quick.

    Raises:
        UserError: a table cannot be read at all, or a label is not one of the config's.
    """
    del quick
    data = config.data
    examples = {
        name: _examples(config, sections) for name, sections in parts_of(data).items()
    }
    splits = {
        name: [TextRow(place, (e.text,), e.label) for place, e in rows]
        for name, rows in examples.items()
    }
    left_out = Limit(config.batch.max_length, "left out (batch.max_length)", ("train",))
    yield from text_findings(splits, ("text",), {"text": left_out}, data.exclude_splits)
    yield from unknown_classes(splits)
    try:
        classes = classes_of([row.label for row in splits["train"]], data.labels)
        check_probabilities([e for _, e in examples["train"]], classes)
        check_weights(data.class_weights, classes)
    except UserError as error:
        yield Finding("train", f"rows: {error}", len(splits["train"]), is_error=True)
    if data.class_weights is None:
        remedy = "data.class_weights: balanced makes rare ones count more"
        yield from uneven_classes(splits, remedy)


def _examples(
    config: SentimentConfig, sections: Sequence[TableSection]
) -> list[tuple[str, Example]]:
    """Where each row stands, and what it holds."""
    found: list[tuple[str, Example]] = []
    for section in sections:
        answer, taught = answer_of(section)
        for row in read_table(resolve(section.file), (section.text, answer)):
            example = example_of(row, config.data.labels, taught)
            found.append((f"{row.path}:{row.line}", example))
    return found
