"""Taking words out, and the parts that a text is cut into."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nlp_speech.text.occlusion import explain_by_occlusion, split_parts


@given(st.text(" ab\n\u3000", max_size=40), st.integers(1, 9))
def test_parts_join_to_the_text(text: str, limit: int) -> None:
    parts = split_parts(text, limit)
    assert "".join(parts) == (text if text.strip() else "")
    assert len(parts) <= limit
    assert all(part.strip() for part in parts)
    if parts and len(text.split()) <= limit:
        assert len(parts) == len(text.split())


def test_certainty_has_finite_weights() -> None:
    parts = explain_by_occlusion(lambda texts: [float("a" in t) for t in texts], "a b")
    assert [round(part.weight, 2) for part in parts] == [27.63, 0.0]


def test_a_tag_is_one_part() -> None:
    text = 'A <a href="x.com/bad" title="worst film">great</a> film, 3 < 4.'
    assert split_parts(text, 99) == [
        "A ",
        '<a href="x.com/bad" title="worst film">great</a> ',
        "film, ",
        "3 ",
        "< ",
        "4.",
    ]
