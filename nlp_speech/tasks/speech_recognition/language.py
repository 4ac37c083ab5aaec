"""A recognizer's language model: made in training, used by the host of any runtime.

It is an n-gram model of words over the log-probabilities that every endpoint returns,
so that all runtimes give the same text.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from nlp_speech.data.paths import resolve
from nlp_speech.data.texts import numbered_texts
from nlp_speech.decoding.arpa import NGrams, read_arpa, write_arpa
from nlp_speech.decoding.ctc_host import PrefixSearch
from nlp_speech.decoding.fusion import Fusion, FusionOptions, WordModel
from nlp_speech.decoding.kenlm_model import read_model
from nlp_speech.decoding.ngram import estimate
from nlp_speech.errors import UserError
from nlp_speech.tasks.speech_recognition.config import (
    LanguageSection,
    SpeechRecognitionConfig,
)
from nlp_speech.text.labels import Labels, clean, spoken

LANGUAGE_FILE = "language.arpa.gz"


def prepare_language(
    config: SpeechRecognitionConfig,
    transcripts: Sequence[str],
    labels: Labels,
    directory: Path,
) -> None:
    """Makes the language model that the config asks for, or none.

    Args:
        config: the experiment.
        transcripts: of the training set, in the config's case; not read if the model is
            a file.
        labels: what the recognizer writes.
        directory: where the model goes.

    Raises:
        UserError: a file of the config is missing or bad, or the recognizer has no
            labels for what stands there.
    """
    section = config.language
    _check_hot_words(section.hot_words, config, labels.symbols)
    (directory / LANGUAGE_FILE).unlink(missing_ok=True)
    if section.file is not None:
        path = resolve(section.file)
        model = read_arpa(path)
        _check_words(model, path, labels.symbols)
        write_arpa(model, directory / LANGUAGE_FILE)
    elif section.order:
        characters = set().union(*labels.symbols)
        if not any(characters.issuperset(text) for text in transcripts):
            raise UserError(
                f"with vocabulary.case {config.vocabulary.case} the recognizer has no "
                "labels for the letters of the transcripts; give another case"
            )
        texts = [*transcripts, *_written(config, characters)]
        sentences = (text.split() for text in texts)
        model = estimate(sentences, section.order, section.prune)
        write_arpa(model, directory / LANGUAGE_FILE)


def _check_words(model: NGrams, path: Path, symbols: Sequence[str]) -> None:
    """Sees to it that a model's words are such as the recognizer can write."""
    letters = set().union(*symbols)
    words = [word for word, _ in model.words()]
    written = sum(letters.issuperset(word) for word in words)
    if not written:
        raise UserError.at(
            path,
            None,
            "no word of this model can be written with the recognizer's labels; give "
            "one in the case and the alphabet of the transcripts",
        )
    if 2 * written < len(words):
        logging.getLogger(__name__).warning(
            "%s: %d of %d words cannot be written with the recognizer's labels",
            path,
            len(words) - written,
            len(words),
        )


def same_model(one: LanguageSection, other: LanguageSection) -> bool:
    """Whether two sections ask for the same model, however much it counts."""
    names = ("order", "text", "prune", "file")
    return all(getattr(one, name) == getattr(other, name) for name in names)


def load_fusion(config: SpeechRecognitionConfig, directory: Path) -> Fusion | None:
    """What the language adds to a search, or None where the config has no language.

    Raises:
        UserError: the model is missing or damaged.
    """
    section = config.language
    if not section.used:
        return None
    model: WordModel | None = None
    if section.has_model:
        model = read_model(directory / LANGUAGE_FILE)
    return Fusion(model, options_of(config))


def options_of(config: SpeechRecognitionConfig) -> FusionOptions:
    """How much the language counts; hot words in the case of the recognizer."""
    section, case = config.language, config.vocabulary.case
    return FusionOptions(
        weight=section.weight,
        word_bonus=section.word_bonus,
        unknown_penalty=section.unknown_penalty,
        hot_words={clean(word, case): b for word, b in section.hot_words.items()},
    )


def with_hot_words(
    fusion: Fusion | None,
    config: SpeechRecognitionConfig,
    symbols: Sequence[str],
    words: Mapping[str, float],
) -> Fusion | None:
    """What the language adds to a search, with more words to expect.

    Args:
        fusion: without them, or None.
        config: of the recognizer, whose case the words get.
        symbols: what its labels add to the text.
        words: each with what is added to the score for it.

    Raises:
        UserError: what is given is not one word of the recognizer's letters.
    """
    if not words:
        return fusion
    more = _check_hot_words(words, config, symbols)
    options = fusion.options if fusion else options_of(config)
    hot_words = {**options.hot_words, **more}
    model = fusion.model if fusion else None
    return Fusion(model, replace(options, hot_words=hot_words))


def _check_hot_words(
    words: Mapping[str, float], config: SpeechRecognitionConfig, symbols: Sequence[str]
) -> dict[str, float]:
    """Hot words in the case of the recognizer."""
    letters = set().union(*symbols)
    found = {clean(word, config.vocabulary.case): b for word, b in words.items()}
    for word, bonus in found.items():
        if not word or " " in word or set(word) - letters:
            raise UserError(
                f"{word!r} cannot be a hot word; give one word in letters that the "
                "recognizer writes"
            )
        if not math.isfinite(bonus):
            raise UserError(f"hot word {word!r}: {bonus} nats; give a finite number")
    return found


def search_of(
    config: SpeechRecognitionConfig, symbols: Sequence[str], fusion: Fusion | None
) -> PrefixSearch:
    """The host's search; without a language it is that of the graph."""
    decoding = config.decoding
    size = decoding.beam_size if fusion is None else config.language.beam_size
    return PrefixSearch(symbols, size, decoding.labels_per_step, fusion)


def _written(config: SpeechRecognitionConfig, characters: set[str]) -> Iterator[str]:
    """The sentences of texts, as if somebody had transcribed them."""
    for section in config.language.text:
        path, read, used = resolve(section.file), 0, 0
        for _, text in numbered_texts(path, section.text):
            read += 1
            found = spoken(text, characters, config.vocabulary.case)
            if found:
                used += 1
                yield found
        if not used:
            raise UserError.at(
                path,
                None,
                "no sentence of this text for the language model can be written with "
                "the labels; set vocabulary.case to the case of the transcripts",
            )
        most = 2 * used > read
        logging.getLogger(__name__).log(
            logging.INFO if most else logging.WARNING,
            "%s: %d sentences for the language model; %d are left out that have "
            "letters or digits without a label, or no word",
            path,
            used,
            read - used,
        )
