"""Texts whose words are coloured by weight, for a terminal and as a page of HTML."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text

_FOR, _AGAINST = (46, 160, 67), (218, 54, 51)
_PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 17px/1.8 Georgia, serif; margin: 3em auto; max-width: 44em; color: #222 }}
h2 {{ font: 600 17px system-ui, sans-serif; margin: 2em 0 .4em }}
p {{ white-space: pre-wrap }}
span {{ border-radius: .2em; padding: .1em 0 }}
footer {{ font: 13px system-ui, sans-serif; color: #666; margin-top: 3em }}
</style>
{body}
<footer>Green words speak for the answer, red ones against it; point at a word to see
how much the log-odds of the answer fall without it.</footer>
</html>
"""


@dataclass(frozen=True)
class Highlighted:
    """A text, its answer and what its parts weigh.

    Attributes:
        answer: such as "positive 0.97".
        parts: pieces of the text with their weights, which join to the text.
    """

    answer: str
    parts: Sequence[tuple[str, float]]


def html_page(title: str, texts: Iterable[Highlighted]) -> str:
    """A page without anything outside it that shows coloured texts.

    Args:
        title: of the page.
        texts: what it shows.
    """
    body = "\n".join(
        f"<h2>{html.escape(text.answer)}</h2>\n<p>{_spans(text)}</p>" for text in texts
    )
    return _PAGE.format(title=html.escape(title), body=body)


def terminal_text(text: Highlighted) -> Text:
    """The text in colours that a terminal shows, on its own background."""
    from rich.text import Text

    shown = Text()
    for part, strength in _strengths(text):
        shown.append(part, _terminal_style(strength))
    return shown


def _spans(text: Highlighted) -> str:
    spans = []
    for (part, weight), (_, strength) in zip(text.parts, _strengths(text), strict=True):
        red, green, blue = _FOR if strength > 0 else _AGAINST
        color = f"rgba({red},{green},{blue},{0.75 * abs(strength):.2f})"
        spans.append(
            f'<span style="background:{color}" title="{weight:+.2f}">'
            f"{html.escape(part)}</span>"
        )
    return "".join(spans)


def _strengths(text: Highlighted) -> list[tuple[str, float]]:
    """The parts with weights from -1 to 1, of which the largest is 1 away from 0."""
    largest = max((abs(weight) for _, weight in text.parts), default=0.0) or 1.0
    return [(part, weight / largest) for part, weight in text.parts]


def _terminal_style(strength: float) -> str:
    if abs(strength) < 0.1:
        return ""
    color = "green" if strength > 0 else "red"
    return f"bold {color}" if abs(strength) > 0.5 else color
