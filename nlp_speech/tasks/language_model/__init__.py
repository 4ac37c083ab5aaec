"""Language modelling, the light side: config, result, what surrounds the model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nlp_speech.contract import Extras
from nlp_speech.tasks.language_model.config import LanguageModelConfig
from nlp_speech.tasks.language_model.corpus import read_split
from nlp_speech.text.familiarity import UNFAMILIAR, is_unfamiliar
from nlp_speech.text.flat import padded
from nlp_speech.text.normalization import clean, normalize
from nlp_speech.text.tokenizer import EOS, Tokenizer

if TYPE_CHECKING:
    from nlp_speech.contract import Arrays

NAME = "language_model"
Config = LanguageModelConfig
SERVER_ENDPOINT = "score"
DEVICE_ENDPOINT = "score_ids"
STEP_ENDPOINT = "step"
TEXT_ENDPOINT = None
METRIC = "perplexity"
COUNTED = "predictions"
EXTRAS = Extras()

TOKENIZER_FILE = "tokenizer.model"

# Runtimes add up in different orders.
_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Assets:
    """What a language model learned from its data besides its weights.

    Attributes:
        tokenizer: the vocabulary.
        units: of each layer of the state that reads forward.
    """

    tokenizer: Tokenizer
    units: tuple[int, ...]


@dataclass(frozen=True)
class TextScore:
    """How probable a text is.

    Attributes:
        log_probability: natural logarithm, the end of the text included.
        pieces: predictions it is the sum of, the end included; 0 if there was nothing
            to read.
        backward: the same read from right to left, if the model reads so too.
        unfamiliar: whether the text is unlike those of the training.
    """

    log_probability: float
    pieces: int
    backward: float | None = None
    unfamiliar: bool = False

    @property
    def perplexity(self) -> float:
        """Of a piece; 1 if there was nothing to read."""
        return _perplexity(-self.log_probability, max(self.pieces, 1))

    def as_dict(self) -> dict[str, Any]:
        """The result as plain JSON data."""
        return {
            "log_probability": self.log_probability,
            "pieces": self.pieces,
            "perplexity": self.perplexity,
            "backward_log_probability": self.backward,
            "unfamiliar": self.unfamiliar,
        }

    def as_text(self) -> str:
        """The log-probability and the perplexity of a piece."""
        return f"{self.log_probability:.2f} (perplexity {self.perplexity:.1f})"

    def warning(self) -> str | None:
        """What the user should know about this answer, if anything."""
        if not self.pieces:
            return "there is nothing to read; the log-probability is that of nothing, 0"
        return UNFAMILIAR if self.unfamiliar else None

    def agrees(self, other: TextScore) -> bool:
        """Whether two runtimes' answers differ by no more than rounding."""
        pairs = [(self.log_probability, other.log_probability)]
        if self.backward is not None and other.backward is not None:
            pairs.append((self.backward, other.backward))
        same = [math.isclose(a, b, rel_tol=_TOLERANCE, abs_tol=1e-3) for a, b in pairs]
        return self.pieces == other.pieces and all(same)


def load_assets(config: LanguageModelConfig, directory: Path) -> Assets:
    """Opens the vocabulary."""
    units = (config.model.units,) * config.model.layers
    return Assets(Tokenizer.load(directory / TOKENIZER_FILE), units)


def before(endpoint: str, inputs: Sequence[str], assets: Assets) -> Arrays:
    """Texts as the endpoint takes them: strings, or padded ids and their lengths."""
    if endpoint == SERVER_ENDPOINT:
        return {"text": np.array([normalize(t).encode() for t in inputs], dtype=object)}
    texts = [clean(text) for text in inputs]
    rows = [[EOS, *ids, EOS] for ids in assets.tokenizer.encode(texts)]
    ids, lengths = padded(rows)
    return {"ids": ids, "lengths": lengths - 1}


def after(
    endpoint: str, outputs: Arrays, inputs: Sequence[str], assets: Assets
) -> list[TextScore]:
    """The score of each text."""
    del endpoint
    backward = outputs.get("backward_log_probability")
    results = []
    for n, text in enumerate(inputs):
        text = clean(text)
        if not assets.tokenizer.canonical(text):
            results.append(TextScore(0.0, 0, None if backward is None else 0.0))
            continue
        results.append(
            TextScore(
                float(outputs["log_probability"][n]),
                int(outputs["pieces"][n]),
                None if backward is None else float(backward[n]),
                is_unfamiliar(text, assets.tokenizer),
            )
        )
    return results


def references(
    config: LanguageModelConfig, split: str, files: Sequence[Path] = ()
) -> tuple[list[str], list[str]]:
    """The texts of a split, or of the given files; each is its own reference.

    Args:
        config: names the splits: ``train``, ``validation``, or one of `data.test`.
        split: which one.
        files: instead of a split, tables with the same column, or texts a line each.

    Raises:
        UserError: there is no such split, or its files are bad.
    """
    texts = read_split(config, split, files)
    return texts, texts


def score(
    results: Sequence[TextScore], references: Sequence[str]
) -> tuple[dict[str, float], dict[str, str]]:
    """Perplexity of a piece and of a word, and bits for each character."""
    total = -sum(r.log_probability for r in results)
    pieces = max(sum(r.pieces for r in results), 1)
    read = [t for t, r in zip(references, results, strict=True) if r.pieces]
    words = max(sum(len(text.split()) + 1 for text in read), 1)
    characters = max(sum(len(text) + 1 for text in read), 1)
    scores = {
        "perplexity": _perplexity(total, pieces),
        "word_perplexity": _perplexity(total, words),
        "bits_per_character": total / characters / math.log(2),
    }
    signatures = {
        "perplexity": "of a piece and of the end of a text; read forward",
        "word_perplexity": "the same for each word between spaces and each end",
        "bits_per_character": "the same for each character and each end",
    }
    if all(r.backward is not None for r in results):
        backward = -sum(r.backward or 0.0 for r in results)
        scores["backward_perplexity"] = _perplexity(backward, pieces)
        signatures["backward_perplexity"] = "of a piece; read from the end"
    return scores, signatures


def _perplexity(nats: float, count: int) -> float:
    """Finite, even of a model that has gone astray."""
    return math.exp(min(nats / count, 700.0))


def samples(config: LanguageModelConfig) -> list[str]:
    """A few hand-written inputs, easy and odd."""
    del config
    return [
        "The film was much better than I had expected.",
        "Expected I had than better much was film the.",
        "She opened the door and saw",
        "",
        " ",
        "?",
        "<p>Great acting,<br />poor story &amp; no end.</p>",
        "Ein sehr schöner Film — 3 €!",
        "日本語 🙂 שלום",
        "good " * 60,
        "The first half is slow. " * 20 + "Then it is brilliant.",
    ]
