"""When two runtimes' answers are the same."""

from __future__ import annotations

from dataclasses import dataclass

from nlp_speech.contract import same_answer


@dataclass
class Word:
    word: str

    def as_text(self) -> str:
        return self.word


@dataclass
class Number:
    value: float

    def as_text(self) -> str:
        return f"{self.value:.1f}"

    def agrees(self, other: Number) -> bool:
        return abs(self.value - other.value) < 1e-3


def test_texts_are_compared_letter_for_letter() -> None:
    assert same_answer(Word("a"), Word("a"))
    assert not same_answer(Word("a"), Word("A"))


def test_numbers_are_compared_as_their_result_says() -> None:
    # Their texts differ in the last digit.
    assert same_answer(Number(0.04999), Number(0.05001))
    assert not same_answer(Number(0.96), Number(1.04))
