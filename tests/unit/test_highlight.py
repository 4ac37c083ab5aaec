"""Coloured words, as a page and in a terminal."""

from __future__ import annotations

from html.parser import HTMLParser

from nlp_speech.highlight import Highlighted, html_page, terminal_text

PARTS = [("a <b> & ", 0.0), ("bad ", -2.0), ("film", 1.0)]


class Page(HTMLParser):
    """What a browser would see."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.spans: list[tuple[str, str]] = []
        self.tags: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "span":
            self.spans.append((dict(attrs)["style"] or "", ""))

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] == ["span"] and data.strip():
            self.spans[-1] = (self.spans[-1][0], data)


def test_page() -> None:
    page = html_page("a/1 <x>", [Highlighted("positive 0.9 <", PARTS)])
    read = Page(page)
    assert [text for _, text in read.spans] == [text for text, _ in PARTS]
    styles = [style for style, _ in read.spans]
    assert ",0.00)" in styles[0]
    assert styles[1] == "background:rgba(218,54,51,0.75)"
    assert styles[2].startswith("background:rgba(46,160,67,0.3")
    assert "b" not in read.tags
    assert "positive 0.9 &lt;" in page
    # Nothing is fetched from elsewhere.
    assert "http" not in page


def test_no_parts_and_no_weights() -> None:
    assert "<span" not in html_page("t", [Highlighted("x", [])])
    assert terminal_text(Highlighted("x", [("word", 0.0)])).spans == []


def test_terminal() -> None:
    text = terminal_text(Highlighted("x", PARTS))
    assert text.plain == "a <b> & bad film"
    assert [str(span.style) for span in text.spans] == ["bold red", "green"]
