"""Which texts are the same, and how a part of a data set is taken for validation."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np

from nlp_speech.text.words import Kept

_TOLD_APART = Kept("LMNS")  # letters, marks, numbers and symbols


def fingerprint(text: str) -> str:
    """What two texts share that differ in case, punctuation and spaces only.

    Letters with their marks, digits and symbols count: a vowel sign or an emoji makes
    another text. A text without any of them is its own fingerprint.
    """
    folded = unicodedata.normalize("NFC", text.casefold())
    return " ".join(folded.translate(_TOLD_APART).split()) or text.strip()


def take_share(
    prints: Sequence[str], share: float, random: np.random.Generator
) -> set[int]:
    """Draws rows for a second part; equal ones go there together.

    A text that stands in more rows than are left to draw stays in the first part, so
    that what everybody says is not lost to training.

    Args:
        prints: of each row what makes it equal to others.
        share: of all rows, for the second part; one row at least.
        random: of the draw.

    Returns:
        The numbers of the rows drawn. None if all rows are equal.
    """
    groups: dict[str, list[int]] = {}
    for row, found in enumerate(prints):
        groups.setdefault(found, []).append(row)
    count = min(max(1, round(share * len(prints))), len(prints) - 1)
    taken: set[int] = set()
    for place in random.permutation(len(prints)):
        row = int(place)
        group = groups[prints[row]]
        if len(taken) + len(group) <= count:
            taken.update(group)
        if len(taken) == count:
            break
    if not taken and len(groups) > 1:
        taken.update(min(groups.values(), key=len))
    return taken
