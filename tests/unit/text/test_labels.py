"""Labels of a recognizer."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp_speech.errors import UserError
from nlp_speech.sections import TokenizerSection
from nlp_speech.text.labels import Characters, Pieces, clean, spoken, text_of
from nlp_speech.text.tokenizer import train_tokenizer


def test_characters_are_numbered_from_one() -> None:
    labels = Characters.of(["ba", "a é"])
    assert labels.symbols == ("", " ", "a", "b", "é")
    assert labels.size == 5
    assert labels.encode(["ab", "", "a?b é"]) == [[2, 3], [], [2, 3, 1, 4]]
    assert labels.unknown("ab?!") == {"?", "!"}


@given(st.text(alphabet="abc é'"))
def test_labels_spell_the_text(text: str) -> None:
    text = clean(text)
    labels = Characters("abc é'")
    [ids] = labels.encode([text])
    assert 0 not in ids
    assert text_of(ids, labels.symbols) == text


def test_spaces_are_single() -> None:
    labels = Characters("ab ")
    assert text_of([1, 2, 1, 1, 3, 1], labels.symbols) == "a b"


def test_characters_are_saved(tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    Characters.of(["größe \u2028 x"]).save(path)
    assert Characters.load(path).symbols == Characters.of(["größe \u2028 x"]).symbols
    for content in ("[1]", '["ab"]', "{", "null"):
        path.write_text(content)
        with pytest.raises(UserError, match=r"labels\.json"):
            Characters.load(path)


def test_transcripts_without_characters_are_refused() -> None:
    with pytest.raises(UserError, match="transcripts are empty"):
        Characters.of(["", " "])


def test_pieces_spell_the_text() -> None:
    texts = ["the cat sat on the mat", "a dog ran to the cat", "the mat"] * 5
    section = TokenizerSection(vocabulary_size=20)
    labels = Pieces(train_tokenizer(texts, section))
    assert labels.symbols[:4] == ("", "", "", "")
    assert labels.size == len(labels.symbols) == labels.tokenizer.size
    for text, ids in zip(texts, labels.encode(texts), strict=True):
        assert text_of(ids, labels.symbols) == text
    [known] = labels.encode(["the \u65e5 cat"])
    assert min(known) > 3


@pytest.mark.parametrize(
    ("text", "case", "expected"),
    [
        ("  a\t b\n", "keep", "a b"),
        ("Cafe\u0301", "upper", "CAFÉ"),
        ("ÄB", "lower", "äb"),
    ],
)
def test_clean(text: str, case: str, expected: str) -> None:
    assert clean(text, case) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\u201cDon\u2019t!\u201d, she said.", "DON'T SHE SAID"),
        ("well-known -- ' really?", "WELL KNOWN REALLY"),
        ("at 5 o'clock", None),
        ("na\u00efve", None),
        ("...", ""),
        ("\u2018Stop\u2019, he said", "STOP HE SAID"),
        ("co\u00adoperate", "COOPERATE"),
        ("the boys' 'red' hats", "THE BOYS RED HATS"),
        ("x\u0331 marks", None),
        ("\u0939\u093f A", None),
        ("A\u093fB", None),
    ],
)
def test_spoken(text: str, expected: str | None) -> None:
    letters = {*map(chr, range(ord("A"), ord("Z") + 1)), "'", " "}
    assert spoken(text, letters, "upper") == expected


def test_apostrophes_are_those_of_the_labels() -> None:
    letters = set("dont lhome")
    assert spoken("l\u2019homme", letters | {"\u2019"}) == "l\u2019homme"
    assert spoken("don\u2019t", letters | {"'"}) == "don't"
    assert spoken("don't", letters) is None
