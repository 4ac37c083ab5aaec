"""Word and character error rates against an edit distance of our own."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp_speech import metrics
from nlp_speech.errors import UserError

sentences = st.lists(st.sampled_from("one two three four".split()), max_size=6)
corpora = st.lists(st.tuples(sentences, sentences), min_size=1, max_size=5)


def distance(answer: Sequence[str], reference: Sequence[str]) -> int:
    """Levenshtein 1966, by the full table."""
    row = list(range(len(reference) + 1))
    for i, word in enumerate(answer, start=1):
        before, row[0] = row[0], i
        for j, wanted in enumerate(reference, start=1):
            best = min(before + (word != wanted), row[j] + 1, row[j - 1] + 1)
            before, row[j] = row[j], best
    return row[-1]


@given(corpora)
def test_equals_the_edit_distance(corpus: list[tuple[list[str], list[str]]]) -> None:
    answers = [" ".join(a) for a, _ in corpus]
    references = [" ".join(r) for _, r in corpus]
    words = sum(len(r) for _, r in corpus)
    errors = metrics.word_errors(answers, references)
    assert errors.count == sum(distance(a, r) for a, r in corpus)
    assert errors.words == words
    assert (
        errors.insertions - errors.deletions == sum(len(a) for a, _ in corpus) - words
    )
    if words:
        expected = 100 * errors.count / words
        assert metrics.wer(answers, references).value == pytest.approx(expected)
        characters = sum(len(r) for r in references)
        wrong = sum(map(distance, answers, references))
        value = metrics.cer(answers, references).value
        assert value == pytest.approx(100 * wrong / characters)


def test_worst_lists_the_most_errors_first() -> None:
    answers = ["a b c", "a", "", "x y z"]
    references = ["a b c", "a b", "a", "a b c"]
    found = metrics.worst(answers, references, 2)
    assert [n for n, _ in found] == [3, 1]
    assert found[0][1] == metrics.Errors(3, 0, 0, 3)
    assert found[1][1] == metrics.Errors(0, 1, 0, 2)
    assert len(metrics.worst(answers, references, 9)) == 3


def test_nothing_to_score_is_an_error() -> None:
    for function in (metrics.wer, metrics.cer, metrics.word_errors):
        with pytest.raises(UserError, match="nothing to score"):
            function([], [])
        with pytest.raises(UserError, match="one reference for each"):
            function(["a"], [])
