"""Which texts a vocabulary takes for those that it was learned from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nlp_speech.bundle import Bundle
from nlp_speech.data.parallel import read_lines
from nlp_speech.data.paths import resolve
from nlp_speech.tasks.summarization import Summary
from nlp_speech.tasks.translation import Translation
from nlp_speech.text.familiarity import is_unfamiliar
from nlp_speech.text.tokenizer import Tokenizer

MODELS = Path(__file__).parents[3] / "saved_models"
ENGLISH = [
    "This film was so dull that I left before the end of it.",
    "A man in a red shirt is standing in front of a house.",
    "no movement , no yuks , not much of anything .",
    "WHAT A TERRIBLE FILM. DO NOT WATCH IT.",
    "Please call me back at 555-0134 tomorrow.",
]
OTHERS = [
    "Dieser Film war so langweilig, dass ich vor dem Ende gegangen bin.",
    "Ce film était si ennuyeux que je suis parti avant la fin.",
    "Этот фильм был очень скучным.",
    "この映画はとても退屈だったので途中で帰りました。",
    "xqzv kkwj qqpx zzvk wjxq",
]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return Bundle.open(MODELS / "sentiment_en").load_assets().tokenizer


def test_its_own_text_has_the_surprise_it_expects(tokenizer: Tokenizer) -> None:
    # SentencePiece's probabilities add up to a little less than 1.
    assert 1.4 < tokenizer.surprise < 1.9


@pytest.mark.parametrize("text", ENGLISH)
def test_english_is_familiar(text: str, tokenizer: Tokenizer) -> None:
    assert not is_unfamiliar(text, tokenizer)


@pytest.mark.parametrize("text", OTHERS)
def test_other_languages_are_not(text: str, tokenizer: Tokenizer) -> None:
    assert is_unfamiliar(text, tokenizer)


@pytest.mark.parametrize("text", ["", " " * 50, "映画", "Wer?"])
def test_short_texts_say_nothing(text: str, tokenizer: Tokenizer) -> None:
    assert not is_unfamiliar(text, tokenizer)


@pytest.mark.parametrize("text", ["今日は天気がいい。", "Хорошо, правда", "สวัสดีครับ"])
def test_a_short_text_of_unknown_letters_does(text: str, tokenizer: Tokenizer) -> None:
    assert is_unfamiliar(text, tokenizer)


def test_what_was_learned_from_two_languages_knows_both() -> None:
    shared = Bundle.open(MODELS / "translation_en_de").load_assets().source
    assert not is_unfamiliar("Eine Frau steht vor einem Haus und liest.", shared)
    assert is_unfamiliar("Une femme lit un livre devant une maison.", shared)


@pytest.mark.parametrize(
    ("kind", "length"),
    [(Translation, "the text is too long"), (Summary, "the document is too long")],
)
def test_a_long_foreign_text_is_told_both(kind: Any, length: str) -> None:
    warning = kind("", 0.0, truncated=True, unfamiliar=True).warning()
    assert "another language" in warning
    assert length in warning
    assert kind("", 0.0).warning() is None
    assert kind("", 0.0, unfamiliar=True).as_dict()["unfamiliar"]


def test_only_the_beginning_is_read(tokenizer: Tokenizer) -> None:
    assert not is_unfamiliar(ENGLISH[0] * 30 + OTHERS[0] * 100, tokenizer)
    assert is_unfamiliar(" " * 1000 + OTHERS[0], tokenizer)


@pytest.mark.parametrize(
    ("language", "least", "most"), [("en", 0, 0.02), ("de", 0.98, 1), ("fr", 0.95, 1)]
)
def test_captions(language: str, least: float, most: float, tokenizer: Any) -> None:
    path = resolve(f"multi30k/val.{language}.gz")
    some = {"en": ENGLISH, "de": OTHERS[:1], "fr": OTHERS[1:2]}[language]
    # Where the data are, every validation sentence.
    texts = [t for t in read_lines(path) if len(t) >= 20] if path.exists() else some
    share = sum(is_unfamiliar(text, tokenizer) for text in texts) / len(texts)
    assert least <= share <= most
