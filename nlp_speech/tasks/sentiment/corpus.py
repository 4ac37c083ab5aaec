"""The splits of a sentiment experiment, without TensorFlow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nlp_speech.data.labelled import (
    Example,
    classes_of,
    read_examples,
    split_examples,
    without,
)
from nlp_speech.data.paths import resolve
from nlp_speech.errors import UserError
from nlp_speech.tasks.sentiment.config import (
    SentimentConfig,
    TableSection,
    TrainingTableSection,
)


@dataclass(frozen=True)
class Corpus:
    """What a model is trained on and chosen by.

    Attributes:
        train: the training examples.
        validation: the validation examples.
        classes: the names of the classes.
        excluded: training rows left out because their text is in another split.
        warnings: what the user should know, a sentence each.
    """

    train: list[Example]
    validation: list[Example]
    classes: tuple[str, ...]
    excluded: int
    warnings: list[str] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """The training examples of each class."""
        found = Counter(e.label for e in self.train)
        return {name: found[name] for name in self.classes}


def read_corpus(config: SentimentConfig) -> Corpus:
    """Reads, checks and splits the training data.

    Raises:
        UserError: a file is bad, or there are not two classes.
    """
    data = config.data
    elsewhere = _texts_of(config, data.exclude_splits)
    kept: list[Example] = []
    excluded = 0
    for part in data.train:
        rows = _read(config, part)
        left = without(rows, elsewhere)
        excluded += len(rows) - len(left)
        kept += left * part.times
    if not kept:
        raise UserError(
            "data.exclude_splits leaves no training row; give training texts of their "
            "own"
        )
    classes = classes_of([e.label for e in kept], data.labels)
    check_probabilities(kept, classes)
    check_weights(data.class_weights, classes)
    if data.validation is None:
        train, validation = _split(kept, data.validation_share, config.seed)
    else:
        train = kept
        validation = _read(config, data.validation, keep_blank=True)
        _check_labels(validation, classes, data.validation)
    if not validation:
        raise UserError(
            "every class has one text, so that none is left for validation; add "
            "texts or give data.validation"
        )
    corpus = Corpus(train, validation, classes, excluded)
    corpus.warnings.extend(_warnings(corpus))
    return corpus


def read_split(
    config: SentimentConfig, split: str, files: Sequence[Path] = ()
) -> list[Example]:
    """Reads a split, or the given files instead.

    Raises:
        UserError: there is no such split, or its file is bad.
    """
    data = config.data
    if files:
        labelled = [part for part in data.train if not part.probabilities]
        tables = [data.validation, *labelled, *data.test.values(), *data.train]
        like = next(part for part in tables if part)
        parts = [like.model_copy(update={"file": str(f.resolve())}) for f in files]
        return [e for part in parts for e in _read(config, part, keep_blank=True)]
    if split in ("train", "validation"):
        corpus = read_corpus(config)
        return corpus.train if split == "train" else corpus.validation
    if split not in data.test:
        choices = ", ".join(("train", "validation", *data.test))
        raise UserError(f"there is no split {split!r}; choose one of: {choices}")
    return _read(config, data.test[split], keep_blank=True)


def _split(
    examples: Sequence[Example], share: float, seed: int
) -> tuple[list[Example], list[Example]]:
    """Training and validation; only what has labels can measure, if there is any."""
    labelled = [e for e in examples if not e.probabilities]
    train, validation = split_examples(labelled or examples, share, seed)
    if labelled:
        taught = [e for e in examples if e.probabilities]
        train += without(taught, [e.text for e in validation])
    return train, validation


def answer_of(part: TableSection) -> tuple[str, bool]:
    """The column of a table's answers, and whether they are probabilities."""
    column = part.probabilities if isinstance(part, TrainingTableSection) else None
    return column or part.label, column is not None


def check_probabilities(examples: Sequence[Example], classes: Sequence[str]) -> None:
    """Refuses probabilities of what is never the most probable class of a text.

    Raises:
        UserError: there are some.
    """
    known = set(classes)
    for name in dict.fromkeys(n for e in examples for n, _ in e.probabilities):
        if name not in known:
            raise UserError(
                f"the class {name!r} has probabilities but is the label of no training "
                "row; add rows or take it out of them"
            )


def check_weights(weights: Any, classes: Sequence[str]) -> None:
    """Refuses class weights that are not one number above 0 for each class.

    Raises:
        UserError: they are not.
    """
    if not isinstance(weights, dict):
        return
    if set(weights) != set(classes) or min(weights.values()) <= 0:
        raise UserError(
            "data.class_weights: give each class a number above 0; the classes are: "
            f"{', '.join(classes)}"
        )


def _read(
    config: SentimentConfig, part: TableSection, keep_blank: bool = False
) -> list[Example]:
    names, path = config.data.labels, resolve(part.file)
    answer, taught = answer_of(part)
    return read_examples(path, part.text, answer, names, keep_blank, taught)


def _texts_of(config: SentimentConfig, splits: Sequence[str]) -> list[str]:
    data = config.data
    tables = {"validation": data.validation, **data.test}
    parts = [tables[name] for name in splits]
    return [
        e.text for part in parts if part for e in _read(config, part, keep_blank=True)
    ]


def _check_labels(
    examples: Sequence[Example], classes: Sequence[str], part: TableSection
) -> None:
    for example in examples:
        if example.label not in classes:
            raise UserError.at(
                resolve(part.file),
                None,
                f"the label {example.label!r} is in no training row; the classes are: "
                f"{', '.join(classes)}",
            )


def _warnings(corpus: Corpus) -> list[str]:
    measured = {e.label for e in corpus.validation}
    taught = [
        "no text for validation has a label of its own: scores tell how often the "
        "model agrees with where the probabilities are from; give data.validation"
    ] * all(e.probabilities for e in corpus.validation)
    return taught + [
        f"class {name!r} has {count} training example{'s' * (count != 1)} and none for "
        "validation: how well it is found cannot be measured"
        for name, count in corpus.counts.items()
        if name not in measured
    ]
