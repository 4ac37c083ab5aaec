"""Summarization, the light side: config, result, and what surrounds the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nlp_speech.contract import Extras
from nlp_speech.tasks.summarization.config import SummarizationConfig
from nlp_speech.tasks.summarization.corpus import read_split
from nlp_speech.text.familiarity import UNFAMILIAR, is_unfamiliar
from nlp_speech.text.flat import padded
from nlp_speech.text.hypotheses import Hypothesis, found_texts
from nlp_speech.text.normalization import clean, normalize
from nlp_speech.text.tokenizer import EOS, Tokenizer

if TYPE_CHECKING:
    from nlp_speech.contract import Arrays, Predictor, Way

NAME = "summarization"
Config = SummarizationConfig
SERVER_ENDPOINT = "summarize"
DEVICE_ENDPOINT = "summarize_ids"
PARTIAL_ENDPOINT = "summarize_part"
# TFLite has no operator that tells what the pieces outside the vocabulary look like.
TEXT_ENDPOINT = None
METRIC = "rouge1"
COUNTED = "tokens"

TOKENIZER_FILE = "tokenizer.model"


@dataclass(frozen=True)
class Assets:
    """The vocabulary of a summarizer, and how much of a document it reads.

    Attributes:
        tokenizer: of documents and summaries.
        max_source_length: pieces read of a document, at most.
    """

    tokenizer: Tokenizer
    max_source_length: int


@dataclass(frozen=True)
class Summary:
    """What the summarizer answers to a document.

    Attributes:
        text: the best summary.
        score: its length-normalized log-probability.
        n_best: the best summaries, this one first.
        truncated: whether the document was too long and was read in part.
        empty: whether there was nothing to read; then the summary is empty.
        document: what was summarized, without HTML tags.
        unfamiliar: whether the text is unlike those of the training.
    """

    text: str
    score: float
    n_best: tuple[Hypothesis, ...] = ()
    truncated: bool = False
    empty: bool = False
    document: str = ""
    unfamiliar: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The result as plain JSON data, without the document."""
        return {
            "text": self.text,
            "score": self.score,
            "n_best": [{"text": h.text, "score": h.score} for h in self.n_best],
            "truncated": self.truncated,
            "empty": self.empty,
            "unfamiliar": self.unfamiliar,
        }

    def as_text(self) -> str:
        """The summary."""
        return self.text

    def warning(self) -> str | None:
        """What the user should know about this answer, if anything."""
        if self.empty:
            return "there is nothing to read; the summary is empty"
        found = [UNFAMILIAR] if self.unfamiliar else []
        if self.truncated:
            found.append("the document is too long; only its first part was summarized")
        return "; ".join(found) or None


def load_assets(config: SummarizationConfig, directory: Path) -> Assets:
    """Opens the vocabulary."""
    tokenizer = Tokenizer.load(directory / TOKENIZER_FILE)
    return Assets(tokenizer, config.decoding.max_source_length)


def before(endpoint: str, inputs: Sequence[str], assets: Assets) -> Arrays:
    """Documents as the endpoint takes them: strings, or padded ids and lengths."""
    if endpoint == SERVER_ENDPOINT:
        return {"text": np.array([normalize(t).encode() for t in inputs], dtype=object)}
    limit = assets.max_source_length
    texts = [clean(text) for text in inputs]
    rows = [[*ids[:limit], EOS] for ids in assets.tokenizer.encode(texts)]
    ids, lengths = padded(rows)
    return {"ids": ids, "lengths": lengths}


def after(
    endpoint: str, outputs: Arrays, inputs: Sequence[str], assets: Assets
) -> list[Summary]:
    """A summary for each document."""
    documents = [clean(text) for text in inputs]
    surfaces = assets.tokenizer.surfaces(documents)
    if endpoint == SERVER_ENDPOINT:
        texts = [[t.decode() for t in row] for row in outputs["text"]]
    else:
        texts = [
            [
                assets.tokenizer.join(ids[:length], pieces)
                for ids, length in zip(answers, lengths, strict=True)
            ]
            for answers, lengths, pieces in zip(
                outputs["ids"], outputs["lengths"], surfaces, strict=True
            )
        ]
    return [
        _summary(texts[n], outputs["score"][n], documents[n], len(pieces), assets)
        for n, pieces in enumerate(surfaces)
    ]


def references(
    config: SummarizationConfig, split: str, files: Sequence[Path] = ()
) -> tuple[list[str], list[tuple[str, ...]]]:
    """The documents and the summaries of a split, or of the given tables.

    Args:
        config: names the splits: ``validation``, or one of `data.test`.
        split: which one.
        files: instead of a split, tables with the columns of the validation data.

    Raises:
        UserError: there is no such split, or its files are bad.
    """
    documents = read_split(config, split, files)
    return [d.text for d in documents], [d.summaries for d in documents]


def score(
    results: Sequence[Summary], references: Sequence[Sequence[str]]
) -> tuple[dict[str, float], dict[str, str]]:
    """ROUGE-1, 2 and L in per cent, length in words, and how much is new or copied."""
    from nlp_speech import metrics

    answers = [r.text for r in results]
    scores = [
        *metrics.rouge(answers, references),
        *metrics.novelty(answers, [r.document for r in results]),
    ]
    return {s.name: s.value for s in scores}, {s.name: s.signature for s in scores}


def ways(predictor: Predictor, assets: Assets) -> dict[str, Way]:
    """A summary's beginning, where it is offered: the longest one is the summary."""
    if PARTIAL_ENDPOINT not in predictor.endpoints:
        return {}
    most = np.array([np.iinfo(np.int32).max], np.int32)

    def through_part(given: str) -> tuple[Summary, None]:
        arrays = before(PARTIAL_ENDPOINT, [given], assets)
        outputs = predictor(PARTIAL_ENDPOINT, {**arrays, "most": most})
        return after(PARTIAL_ENDPOINT, outputs, [given], assets)[0], None

    return {PARTIAL_ENDPOINT: through_part}


def samples(config: SummarizationConfig) -> list[str]:
    """A few hand-written inputs, easy and odd."""
    del config
    return [
        "We present a small model that summarizes documents on a phone. It copies the "
        "words that it does not know, and it reads at most a few hundred words.",
        "The meeting of Monday is moved to Thursday at ten. Please tell Kwabena.",
        "",
        " ",
        "?",
        "Zürich, 3 € — naïve Résumé №5 ①",
        "日本語 🙂 שלום",
        "word " * 60,
    ]


def _summary(
    texts: Sequence[str], scores: np.ndarray, document: str, read: int, assets: Assets
) -> Summary:
    n_best = found_texts(texts, scores)
    return Summary(
        text=n_best[0].text,
        score=n_best[0].score,
        n_best=n_best,
        truncated=read > assets.max_source_length,
        empty=read == 0,
        document=document,
        unfamiliar=is_unfamiliar(document, assets.tokenizer),
    )


# Here, where all of it is defined.
EXTRAS = Extras(partial_endpoint=PARTIAL_ENDPOINT, ways=ways, scorers=("rouge_score",))
