"""Words of any script."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score import tokenize

from nlp_speech.text.words import is_unspaced, words_of


@given(st.text(st.characters(max_codepoint=127)))
def test_of_ascii_they_are_those_of_rouge_score(text: str) -> None:
    assert words_of(text) == tokenize.tokenize(text, None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Größe für Mädchen", ["größe", "für", "mädchen"]),
        ("nai\u0308ve", ["naïve"]),
        ("वह गयी।", ["वह", "गयी"]),
        ("Привет, мир!", ["привет", "мир"]),
        ("日本語と English", ["日", "本", "語", "と", "english"]),
        ("ที่นี่", ["ที่", "นี่"]),
        ("... 😀", []),
    ],
)
def test_of_other_scripts(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_scripts_without_spaces() -> None:
    assert is_unspaced(["日本語の本", "OK"])
    assert not is_unspaced(["Ein Hund", "日本"])
    assert not is_unspaced(["한국어 문장", "", "!"])
