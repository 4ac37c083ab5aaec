"""The splits of a language model experiment, without TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nlp_speech.data.paths import resolve
from nlp_speech.data.texts import read_texts, split_texts, without_texts
from nlp_speech.errors import UserError
from nlp_speech.sections import TextSection
from nlp_speech.tasks.language_model.config import LanguageModelConfig
from nlp_speech.text.normalization import clean


@dataclass(frozen=True)
class Corpus:
    """What a model is trained on and chosen by.

    Attributes:
        train: the training texts, without HTML tags.
        validation: the validation texts, likewise.
        excluded: training texts left out because they stand elsewhere too.
    """

    train: list[str]
    validation: list[str]
    excluded: int


def read_corpus(config: LanguageModelConfig) -> Corpus:
    """Reads, checks and splits the training texts.

    Raises:
        UserError: a file is bad, or too few texts are left.
    """
    data = config.data
    texts = [text for part in data.train for text in _read(part)]
    others = [text for part in data.exclude for text in _read(part)]
    validation = [] if data.validation is None else _read(data.validation)
    kept = without_texts(texts, [*others, *validation])
    if not kept:
        raise UserError(
            "data.exclude and data.validation leave no training text; give training "
            "texts of their own"
        )
    train = kept
    if data.validation is None:
        train, validation = split_texts(kept, data.validation_share, config.seed)
    if not validation:
        raise UserError(
            "there is one training text only, which leaves none for validation; put a "
            "text on each line, or give data.validation"
        )
    own = 0 if data.validation else len(validation)
    return Corpus(train, validation, len(texts) - len(train) - own)


def read_split(
    config: LanguageModelConfig, split: str, files: Sequence[Path] = ()
) -> list[str]:
    """Reads a split, or the given files instead, without HTML tags.

    Raises:
        UserError: there is no such split, or its file is bad.
    """
    data = config.data
    if files:
        like = data.validation or data.train[0]
        parts = [like.model_copy(update={"file": str(f.resolve())}) for f in files]
        return [text for part in parts for text in _read(part, keep_blank=True)]
    if split in ("train", "validation"):
        corpus = read_corpus(config)
        return corpus.train if split == "train" else corpus.validation
    if split not in data.test:
        choices = ", ".join(("train", "validation", *data.test))
        raise UserError(f"there is no split {split!r}; choose one of: {choices}")
    return _read(data.test[split], keep_blank=True)


def _read(part: TextSection, keep_blank: bool = False) -> list[str]:
    texts = read_texts(resolve(part.file), part.text, keep_blank)
    return [clean(text) for text in texts]
