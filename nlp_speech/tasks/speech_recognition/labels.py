"""What a recognizer writes: learned from transcripts, or another recognizer's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nlp_speech.errors import UserError
from nlp_speech.sections import TokenizerSection
from nlp_speech.tasks.speech_recognition.config import SpeechRecognitionConfig
from nlp_speech.text.labels import Characters, Labels, Pieces
from nlp_speech.text.tokenizer import Tokenizer, train_tokenizer

LABELS_FILE = "labels.json"
TOKENIZER_FILE = "tokenizer.model"


def learn_labels(config: SpeechRecognitionConfig, texts: Sequence[str]) -> Labels:
    """Learns the labels of a config from clean transcripts.

    Raises:
        UserError: the transcripts are empty, or do not make so many pieces.
    """
    if config.vocabulary.kind == "characters":
        return Characters.of(texts)
    section = TokenizerSection(vocabulary_size=config.vocabulary.size)
    try:
        return Pieces(train_tokenizer(texts, section))
    except UserError as error:
        message = str(error).replace("tokenizer.vocabulary_size", "vocabulary.size")
        raise UserError(message) from error


def save_labels(labels: Labels, directory: Path) -> None:
    """Writes labels to where `load_labels` finds them."""
    if isinstance(labels, Pieces):
        labels.tokenizer.save(directory / TOKENIZER_FILE)
    elif isinstance(labels, Characters):
        labels.save(directory / LABELS_FILE)


def load_labels(config: SpeechRecognitionConfig, directory: Path) -> Labels:
    """Opens the vocabulary.

    Raises:
        UserError: it is missing or damaged.
    """
    if config.vocabulary.kind == "characters":
        return Characters.load(directory / LABELS_FILE)
    return Pieces(Tokenizer.load(directory / TOKENIZER_FILE))
