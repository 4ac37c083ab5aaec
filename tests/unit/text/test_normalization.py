"""Our own normalization, against the rule written in its docstring."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp_speech.text.normalization import normalize, strip_tags

ANY = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("Zwei Hunde.", "Zwei Hunde."),
        ("a\0b", "a b"),
        ("\0", " "),
        ("\ud800a\udfff", "\ufffda\ufffd"),
        # Two halves that Python did not join are two lone surrogates.
        ("\ud83d\ude00", "\ufffd\ufffd"),
        ("\U0001f600\u202e\ufeff\x01", "\U0001f600\u202e\ufeff\x01"),
    ],
)
def test_rule(text: str, expected: str) -> None:
    assert normalize(text) == expected


@given(ANY)
def test_is_utf8_without_nul_and_idempotent(text: str) -> None:
    once = normalize(text)
    assert "\0" not in once
    assert once.encode("utf-8").decode("utf-8") == once
    assert normalize(once) == once


@given(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0")))
def test_leaves_the_rest_to_sentencepiece(text: str) -> None:
    assert normalize(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no tags", "no tags"),
        ("one<br />two<BR>three", "one two three"),
        ('<a href="x?a=1">link</a>', " link "),
        ("<!-- a comment -->x", " x"),
        ("<p\nclass=a>x</p\n>", " x "),
        # Hearts, comparisons and arrows stay.
        ("I <3 it, a < b > c, -> <>", "I <3 it, a < b > c, -> <>"),
        ("Tom &amp; Jerry&nbsp;&quot;&#39;&lt;b&gt;", "Tom & Jerry \"'<b>"),
        # Only once: what was written as text is text.
        ("&amp;lt;", "&lt;"),
    ],
)
def test_tags(text: str, expected: str) -> None:
    assert strip_tags(text) == expected
