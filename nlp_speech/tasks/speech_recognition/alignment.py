"""How many steps a transcript needs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise


def steps_needed(labels: Sequence[int]) -> int:
    """The steps that CTC needs at least: one a label, and a blank between equals.

    Source: Graves et al. 2006, "Connectionist temporal classification", section 3.
    """
    return len(labels) + sum(a == b for a, b in pairwise(labels))
