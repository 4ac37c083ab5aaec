"""Word and character error rates against an edit distance of our own."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp_speech import metrics, word_errors
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
    errors = word_errors.word_errors(answers, references)
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
    found = word_errors.worst(answers, references, 2)
    assert [n for n, _ in found] == [3, 1]
    assert found[0][1] == word_errors.Errors(3, 0, 0, 3)
    assert found[1][1] == word_errors.Errors(0, 1, 0, 2)
    assert len(word_errors.worst(answers, references, 9)) == 3


def test_a_report_counts_by_kind_and_names_the_worst() -> None:
    answers, references = ["a b c", "a", "x b y z"], ["a b c", "a b", "a b c"]
    report = word_errors.error_report(["one", "two", "three"], answers, references, 1)
    assert {k: v for k, v in report.items() if k != "worst"} == {
        "substitutions": 2,
        "deletions": 1,
        "insertions": 1,
        "words": 8,
    }
    [worst] = report["worst"]
    assert (worst["input"], worst["reference"]) == ("three", "a b c")
    assert (worst["substitutions"], worst["insertions"]) == (2, 1)
    assert not word_errors.error_report(["i"], ["a"], ["b"], 0)["worst"]


def test_words_stand_below_each_other() -> None:
    said, heard, marks = word_errors.aligned("a too b x c d f", "a two b c d e f")
    assert said.split()[1:] == ["a", "two", "b", "*", "c", "d", "e", "f"]
    assert heard.split()[1:] == ["a", "too", "b", "x", "c", "d", "*", "f"]
    assert said.index("two") == heard.index("too") == marks.index("S") - 2
    assert (marks.index("I"), marks.index("D")) == (said.index("*"), heard.index("*"))
    wrapped = word_errors.aligned("a " * 60, "b " * 60, width=60)
    assert len(wrapped) >= 6
    assert max(map(len, wrapped)) <= 60
    assert (
        len(word_errors.aligned("", "one")) == len(word_errors.aligned("one", "")) == 3
    )


def test_nothing_to_score_is_an_error() -> None:
    for function in (metrics.wer, metrics.cer, word_errors.word_errors):
        with pytest.raises(UserError, match="nothing to score"):
            function([], [])
        with pytest.raises(UserError, match="one reference for each"):
            function(["a"], [])
