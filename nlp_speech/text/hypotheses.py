"""What a search wrote: the best texts and what it ranked them by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# The search fills the slots for which it found nothing with a score far below this.
_NOTHING = -1e8


@dataclass(frozen=True)
class Hypothesis:
    """One of several texts that the search found.

    Attributes:
        text: what it says.
        score: what the search ranked it by; higher is better.
    """

    text: str
    score: float


def found_texts(texts: Sequence[str], scores: np.ndarray) -> tuple[Hypothesis, ...]:
    """The hypotheses of one input, best first, without slots that hold nothing.

    A search may write one text in several ways, as other pieces: the best one counts.

    Args:
        texts: of each slot, best first.
        scores: of each slot, [slots].
    """
    found: dict[str, Hypothesis] = {}
    for text, score in zip(texts, scores, strict=True):
        if score > _NOTHING:
            found.setdefault(text, Hypothesis(text, float(score)))
    return tuple(found.values())
