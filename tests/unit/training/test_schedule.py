"""The learning rate at its corners."""

from __future__ import annotations

from typing import Any

import pytest

from nlp_speech.sections import TrainingSection
from nlp_speech.training.schedule import WarmupDecay


def rate(decay: Any, update: int) -> float:
    section = TrainingSection(
        updates=1000,
        warmup_updates=100,
        learning_rate=0.01,
        final_learning_rate=0.001,
        decay=decay,
    )
    return float(WarmupDecay(section)(update))


@pytest.mark.parametrize("decay", ["constant", "inverse_sqrt", "linear", "cosine"])
def test_rises_to_the_peak(decay: str) -> None:
    assert rate(decay, 0) == pytest.approx(0.0001)
    assert rate(decay, 49) == pytest.approx(0.005)
    assert rate(decay, 99) == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("decay", "half", "end"),
    [
        ("constant", 0.01, 0.01),
        ("inverse_sqrt", 0.01 * (100 / 550) ** 0.5, 0.01 * (100 / 1000) ** 0.5),
        ("linear", 0.0055, 0.001),
        ("cosine", 0.0055, 0.001),
    ],
)
def test_falls_as_named(decay: str, half: float, end: float) -> None:
    assert rate(decay, 549) == pytest.approx(half, rel=1e-4)
    assert rate(decay, 999) == pytest.approx(end, rel=1e-4)
