"""The splits of a summarization experiment, without TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nlp_speech.data.documents import (
    Document,
    pairs_of,
    read_documents,
    without_documents,
)
from nlp_speech.data.paths import resolve
from nlp_speech.errors import UserError
from nlp_speech.tasks.summarization.config import SummarizationConfig, TableSection


@dataclass(frozen=True)
class Training:
    """What a model is trained on.

    Attributes:
        pairs: a document and a summary each.
        excluded: documents left out because they are in another split.
    """

    pairs: list[tuple[str, str]]
    excluded: int


def read_training(config: SummarizationConfig) -> Training:
    """Reads the training documents.

    Raises:
        UserError: a file is bad, or nothing is left.
    """
    data = config.data
    documents = [d for part in data.train for d in _read(part)]
    if not documents:
        raise UserError.at(
            resolve(data.train[0].file),
            None,
            "no row has both a document and a summary; give a table that has some",
        )
    splits = {"validation": data.validation, **data.test}
    known = [d.text for name in data.exclude_splits for d in _read(splits[name], True)]
    kept = without_documents(documents, known)
    if not kept:
        raise UserError(
            "data.exclude_splits leaves no training row; give documents of their own"
        )
    return Training(pairs_of(kept), len(documents) - len(kept))


def read_split(
    config: SummarizationConfig, split: str, files: Sequence[Path] = ()
) -> list[Document]:
    """Reads a split, or the given files instead.

    Raises:
        UserError: there is no such split, or its file is bad.
    """
    splits = {"validation": config.data.validation, **config.data.test}
    if files:
        like = config.data.validation
        parts = [like.model_copy(update={"file": str(f.resolve())}) for f in files]
        return [d for part in parts for d in _read(part, keep_blank=True)]
    if split not in splits:
        choices = ", ".join(splits)
        raise UserError(f"there is no split {split!r}; choose one of: {choices}")
    return _read(splits[split], keep_blank=True)


def _read(part: TableSection, keep_blank: bool = False) -> list[Document]:
    return read_documents(
        resolve(part.file), part.document, part.summaries, part.line_break, keep_blank
    )
