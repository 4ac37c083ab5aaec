"""What the recognizer answers: transcripts and words with their times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from nlp_speech.text.hypotheses import Hypothesis


@dataclass(frozen=True)
class Word:
    """A word, or a part of one, and when it was said.

    Attributes:
        text: the word.
        start: in seconds.
        end: in seconds.
        confidence: the least probable label's probability, 0 to 1.
    """

    text: str
    start: float
    end: float
    confidence: float

    def as_dict(self) -> dict[str, Any]:
        """The word as plain JSON data."""
        return {
            "text": self.text,
            "start": self.start,
            "end": self.end,
            "confidence": self.confidence,
        }

    def later(self, seconds: float) -> Word:
        """The word in a recording that begins so much earlier."""
        return replace(self, start=self.start + seconds, end=self.end + seconds)


@dataclass(frozen=True)
class Transcript:
    """What the recognizer answers to a sound.

    Attributes:
        text: the best transcript.
        score: its log-probability, with what a language model adds.
        n_best: the best transcripts, this one first.
        words: its words with their times.
        characters: or pieces, the labels that words consist of, with their times.
        seconds: how much sound was read.
        truncated: whether the sound is as long as the config allows, or longer: then
            it was read in part.
        log_probs: of each label at each step, [steps, labels], or None.
    """

    text: str
    score: float
    n_best: tuple[Hypothesis, ...] = ()
    words: tuple[Word, ...] = ()
    characters: tuple[Word, ...] = ()
    seconds: float = 0.0
    truncated: bool = False
    log_probs: np.ndarray | None = None

    def as_dict(self) -> dict[str, Any]:
        """The result as plain JSON data, without the log-probabilities."""
        n_best = [{"text": h.text, "score": h.score} for h in self.n_best]
        return {
            "text": self.text,
            "score": self.score,
            "n_best": n_best,
            "words": [word.as_dict() for word in self.words],
            "characters": [part.as_dict() for part in self.characters],
            "seconds": self.seconds,
            "truncated": self.truncated,
        }

    def as_text(self) -> str:
        """The transcript."""
        return self.text

    def warning(self) -> str | None:
        """What the user should know about this answer, if anything."""
        if self.truncated:
            return "the sound is too long and was recognized in part"
        return None


class HeardLabels(NamedTuple):
    """The labels of one hypothesis.

    Attributes:
        ids: in order.
        starts: the first step of each.
        ends: the step after its last one.
        confidence: of each.
    """

    ids: Sequence[int]
    starts: Sequence[int]
    ends: Sequence[int]
    confidence: Sequence[float]

    def rows(self) -> Iterator[tuple[int, int, int, float]]:
        """Each label with what belongs to it."""
        for label, start, end, probability in zip(*self, strict=True):
            yield int(label), int(start), int(end), float(probability)


def characters_of_labels(
    heard: HeardLabels, symbols: Sequence[str], seconds_per_step: float
) -> tuple[Word, ...]:
    """The labels that can be heard, each with its times; see `words_of_labels`."""
    return tuple(
        Word(letters, start * seconds_per_step, end * seconds_per_step, probability)
        for label, start, end, probability in heard.rows()
        if (letters := symbols[label].strip(" "))
    )


def words_of_labels(
    heard: HeardLabels,
    symbols: Sequence[str],
    seconds_per_step: float,
    offset: float = 0.0,
) -> tuple[Word, ...]:
    """Groups labels to words.

    Args:
        heard: the labels.
        symbols: what a label adds to the text; a space before it begins a word.
        seconds_per_step: the time that a step stands for.
        offset: the time of the first step, in seconds.
    """
    words: list[Word] = []
    text, first, last, least = "", 0, 0, 1.0

    def end_word() -> None:
        if text:
            begin = offset + first * seconds_per_step
            words.append(Word(text, begin, offset + last * seconds_per_step, least))

    for label, start, end, probability in heard.rows():
        symbol = symbols[label]
        if symbol.startswith(" "):
            end_word()
            text, least = "", 1.0
        if letters := symbol.strip(" "):
            first = first if text else start
            last = end
            least = min(least, probability)
            text += letters
    end_word()
    return tuple(words)
