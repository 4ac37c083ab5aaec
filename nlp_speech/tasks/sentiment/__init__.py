"""Text classification, the light side: config, result, what surrounds the model."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nlp_speech.contract import Extras
from nlp_speech.errors import UserError
from nlp_speech.pretrained import PRETRAINED_FILE
from nlp_speech.tasks.sentiment.config import SentimentConfig
from nlp_speech.tasks.sentiment.corpus import read_split
from nlp_speech.text.familiarity import UNFAMILIAR, is_unfamiliar
from nlp_speech.text.flat import padded
from nlp_speech.text.normalization import clean, normalize
from nlp_speech.text.occlusion import Part, explain_by_occlusion
from nlp_speech.text.tokenizer import EOS, Tokenizer

if TYPE_CHECKING:
    from nlp_speech.contract import Arrays

    Answer = Callable[[Sequence[str]], Sequence["Sentiment"]]

NAME = "sentiment"
Config = SentimentConfig
SERVER_ENDPOINT = "classify"
DEVICE_ENDPOINT = "classify_ids"
TEXT_ENDPOINT = "classify_text"
METRIC = "accuracy"
COUNTED = "examples"

TOKENIZER_FILE = "tokenizer.model"
LABELS_FILE = "labels.json"

_BAD_LABELS = "the labels cannot be read; train or copy the model again"


@dataclass(frozen=True)
class Assets:
    """What a classifier learned from its data besides its weights.

    Attributes:
        tokenizer: the vocabulary.
        labels: the names of the classes, in the order of probabilities.
        shares: of each class in the training data: the answer to an empty text.
        pretrained: the file of the weights that a new model begins with, if any.
    """

    tokenizer: Tokenizer
    labels: tuple[str, ...]
    shares: tuple[float, ...]
    pretrained: Path | None = None


@dataclass(frozen=True)
class Label:
    """One of the classes that a text may be in.

    Attributes:
        text: the name of the class.
        score: its probability.
    """

    text: str
    score: float


@dataclass(frozen=True)
class Sentiment:
    """What the classifier answers to a text.

    Attributes:
        label: the likeliest class.
        probability: of that class.
        probabilities: of all classes, in the order of the model's labels.
        empty: whether there was nothing to read; then the probabilities are the shares
            of the classes in the training data.
        unfamiliar: whether the text is unlike those of the training.
    """

    label: str
    probability: float
    probabilities: dict[str, float]
    empty: bool = False
    unfamiliar: bool = False

    @property
    def n_best(self) -> tuple[Label, ...]:
        """All classes, the likeliest first."""
        ranked = sorted(self.probabilities.items(), key=lambda item: -item[1])
        return tuple(Label(name, value) for name, value in ranked)

    def as_dict(self) -> dict[str, Any]:
        """The result as plain JSON data."""
        return {
            "label": self.label,
            "probability": self.probability,
            "probabilities": dict(self.probabilities),
            "empty": self.empty,
            "unfamiliar": self.unfamiliar,
        }

    def as_text(self) -> str:
        """The label."""
        return self.label

    def warning(self) -> str | None:
        """What the user should know about this answer, if anything."""
        if self.empty:
            return "there is nothing to read; the answer is how often each class occurs"
        return UNFAMILIAR if self.unfamiliar else None


def load_assets(config: SentimentConfig, directory: Path) -> Assets:
    """Opens the vocabulary and the names of the classes."""
    del config
    path = directory / LABELS_FILE
    try:
        counts: dict[str, int] = json.loads(path.read_text(encoding="utf-8"))
        total = sum(counts.values())
        labels = tuple(counts)
        shares = tuple(counts[label] / total for label in labels)
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise UserError.at(path, None, _BAD_LABELS) from error
    if not labels:
        raise UserError.at(path, None, _BAD_LABELS)
    weights = directory / PRETRAINED_FILE
    return Assets(
        Tokenizer.load(directory / TOKENIZER_FILE),
        labels,
        shares,
        weights if weights.is_file() else None,
    )


def before(endpoint: str, inputs: Sequence[str], assets: Assets) -> Arrays:
    """Texts as the endpoint takes them: strings, or padded ids and their lengths."""
    if endpoint == SERVER_ENDPOINT:
        return {"text": np.array([normalize(t).encode() for t in inputs], dtype=object)}
    texts = [clean(text) for text in inputs]
    if endpoint == TEXT_ENDPOINT:
        return {"text": np.array([text.encode() for text in texts], dtype=object)}
    rows = [[*ids, EOS] for ids in assets.tokenizer.encode(texts)]
    ids, lengths = padded(rows)
    return {"ids": ids, "lengths": lengths}


def after(
    endpoint: str, outputs: Arrays, inputs: Sequence[str], assets: Assets
) -> list[Sentiment]:
    """A sentiment for each text."""
    del endpoint
    return [
        _sentiment(row, clean(text), assets)
        for row, text in zip(outputs["probabilities"], inputs, strict=True)
    ]


def references(
    config: SentimentConfig, split: str, files: Sequence[Path] = ()
) -> tuple[list[str], list[str]]:
    """The texts and the labels of a split, or of the given tables.

    Args:
        config: names the splits: ``train``, ``validation``, or one of `data.test`.
        split: which one.
        files: instead of a split, tables with the same columns.

    Raises:
        UserError: there is no such split, or its files are bad.
    """
    examples = read_split(config, split, files)
    return [e.text for e in examples], [e.label for e in examples]


def score(
    results: Sequence[Sentiment], references: Sequence[str]
) -> tuple[dict[str, float], dict[str, str]]:
    """Accuracy and macro F1 in per cent, and the calibration error as a fraction."""
    from nlp_speech import metrics

    _check_references(results, references)
    answers = [r.label for r in results]
    scores = [
        metrics.accuracy(answers, references),
        metrics.macro_f1(answers, references),
        metrics.calibration_error(
            [r.probability for r in results],
            [a == b for a, b in zip(answers, references, strict=True)],
        ),
    ]
    return {s.name: s.value for s in scores}, {s.name: s.signature for s in scores}


def confusion(
    results: Sequence[Sentiment], references: Sequence[str]
) -> tuple[list[str], np.ndarray]:
    """How often each class was taken for each.

    Returns:
        The classes, and counts [right class, answered class].
    """
    _check_references(results, references)
    labels = list(results[0].probabilities)
    counts = np.zeros([len(labels)] * 2, np.int64)
    for result, right in zip(results, references, strict=True):
        counts[labels.index(right), labels.index(result.label)] += 1
    return labels, counts


def explain(answer: Answer, text: str) -> tuple[Sentiment, list[Part]]:
    """The answer to a text, and how much each of its words speaks for it.

    Args:
        answer: gives the sentiments of texts, in any runtime.
        text: what is explained.

    Returns:
        The sentiment, and parts that join to the text with their weights.
    """
    [sentiment] = answer([text])

    def probability(texts: Sequence[str]) -> list[float]:
        return [r.probabilities[sentiment.label] for r in answer(texts)]

    return sentiment, explain_by_occlusion(probability, text)


def samples(config: SentimentConfig) -> list[str]:
    """A few hand-written inputs, easy and odd."""
    del config
    return [
        "A wonderful film, warm and funny from start to finish.",
        "I wanted to like it, but the plot is dull and the jokes are tired.",
        "Not bad at all.",
        "",
        " ",
        "?",
        "<p>Great acting,<br />poor story &amp; no end.</p>",
        "Ein sehr schöner Film — 3 €!",
        "日本語 🙂 שלום",
        "good " * 60,
        "The first half is slow. " * 20 + "Then it is brilliant.",
    ]


def _sentiment(row: np.ndarray, text: str, assets: Assets) -> Sentiment:
    best = int(np.argmax(row))
    return Sentiment(
        label=assets.labels[best],
        probability=float(row[best]),
        probabilities=dict(zip(assets.labels, map(float, row), strict=True)),
        empty=not assets.tokenizer.canonical(text),
        unfamiliar=is_unfamiliar(text, assets.tokenizer),
    )


def _check_references(results: Sequence[Sentiment], references: Sequence[str]) -> None:
    for number, (result, right) in enumerate(
        zip(results, references, strict=True), start=1
    ):
        if right not in result.probabilities:
            raise UserError(
                f"example {number} has the label {right!r}, which the model does not "
                f"know; its labels are: {', '.join(result.probabilities)}"
            )


# Here, where all of it is defined.
EXTRAS = Extras(confusion=confusion, explain=explain, scorers=("sklearn",))
