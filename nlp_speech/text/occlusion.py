"""Why an answer came out: what changes when a word is taken out of the text.

Occlusion (Zeiler and Fergus 2014; Li et al. 2016, "Understanding Neural Networks
through Representation Erasure") asks the finished model only, so that it explains every
runtime, a quantized device file too, where no gradient is to be had.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from nlp_speech.text.normalization import TAG

_WORD = re.compile(rf"\s*(?:{TAG}|\S)+\s*")
_LEAST = 1e-6  # a probability nearer to 0 or 1 counts as this near


class Part(NamedTuple):
    """A piece of a text and how much it speaks for the answer.

    Attributes:
        text: a word, or several of a long text, with the white space after it.
        weight: how much the answer's log-odds fall without it; below 0, it speaks
            against the answer.
    """

    text: str
    weight: float


def split_parts(text: str, limit: int) -> list[str]:
    """Cuts a text between words into at most `limit` parts that join to the text.

    A tag of HTML is never cut, since half of one is no tag but words.
    """
    words = _WORD.findall(text)
    size = max(1, math.ceil(len(words) / limit))
    return ["".join(words[n : n + size]) for n in range(0, len(words), size)]


def explain_by_occlusion(
    probability: Callable[[Sequence[str]], Sequence[float]],
    text: str,
    limit: int = 400,
) -> list[Part]:
    """Weighs each word of a text by the answer without it.

    Args:
        probability: gives, for each of several texts, the probability of the answer
            that is to be explained.
        text: what was answered.
        limit: parts at most; the words of a longer text are weighed several at once.

    Returns:
        Parts that join to the text; none for a text without words.
    """
    parts = split_parts(text, limit)
    if not parts:
        return []
    without = ["".join(parts[:n] + parts[n + 1 :]) for n in range(len(parts))]
    whole, *others = (_log_odds(p) for p in probability([text, *without]))
    return [Part(part, whole - o) for part, o in zip(parts, others, strict=True)]


def _log_odds(probability: float) -> float:
    p = min(max(probability, _LEAST), 1 - _LEAST)
    return math.log(p / (1 - p))
