"""Where recognized words differ from what was said: counts, the worst, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from nlp_speech.metrics import check_pairs


class Errors(NamedTuple):
    """The word errors of an utterance, or of many.

    Attributes:
        substitutions: words heard as another.
        deletions: words not heard.
        insertions: words heard that were not said.
        words: words that were said.
    """

    substitutions: int
    deletions: int
    insertions: int
    words: int

    @property
    def count(self) -> int:
        """All errors."""
        return self.substitutions + self.deletions + self.insertions


def word_errors(answers: Sequence[str], references: Sequence[str]) -> Errors:
    """Counts word errors of each kind over all utterances.

    Args:
        answers: one an utterance.
        references: one for each answer.

    Raises:
        UserError: there is nothing to score, or not as many references as answers.
    """
    import jiwer

    check_pairs(answers, references)
    found = jiwer.process_words(list(references), list(answers))
    words = found.hits + found.substitutions + found.deletions
    return Errors(found.substitutions, found.deletions, found.insertions, words)


def worst(
    answers: Sequence[str], references: Sequence[str], count: int
) -> list[tuple[int, Errors]]:
    """The utterances with the most word errors.

    Args:
        answers: one an utterance.
        references: one for each answer.
        count: how many at most.

    Returns:
        The number of each utterance, from 0, with its errors; the most errors first,
        those without any left out.

    Raises:
        UserError: there is nothing to score, or not as many references as answers.
    """
    check_pairs(answers, references)
    pairs = zip(answers, references, strict=True)
    found = [(n, word_errors([a], [r])) for n, (a, r) in enumerate(pairs)]
    wrong = [(n, errors) for n, errors in found if errors.count]
    return sorted(wrong, key=lambda pair: -pair[1].count)[:count]


def error_report(
    inputs: Sequence[str],
    answers: Sequence[str],
    references: Sequence[str],
    count: int,
) -> dict[str, Any]:
    """The word errors of each kind and the worst utterances, as plain JSON data.

    Args:
        inputs: what each utterance is called.
        answers: one an utterance.
        references: one for each answer.
        count: of the worst utterances, at most.

    Returns:
        `substitutions`, `deletions`, `insertions` and `words`, and in `worst` the same
        of single utterances with their `input`, `reference` and `answer`.

    Raises:
        UserError: there is nothing to score, or not as many references as answers.
    """
    found = worst(answers, references, count) if count else []
    return {
        **word_errors(answers, references)._asdict(),
        "worst": [
            {
                "input": inputs[n],
                "reference": references[n],
                "answer": answers[n],
                **errors._asdict(),
            }
            for n, errors in found
        ],
    }


def aligned(answer: str, reference: str, width: int = 80) -> list[str]:
    """The words of an answer below those of its reference, and a mark below errors.

    Args:
        answer: what was heard.
        reference: what was said.
        width: characters of a line; what is longer goes on below.
    """
    import jiwer

    found = jiwer.process_words([reference], [answer])
    shown = jiwer.visualize_alignment(found, show_measures=False, line_width=width)
    _, *lines = shown.splitlines()  # a heading comes first
    return [line.rstrip() for line in lines if line.strip()]
