"""Scores of answers against references: thin adapters on well-known libraries.

Every score is in per cent, but for the calibration error. A signature says how a score
was made, so that only scores with equal signatures are compared. A library is imported
when its score is asked for.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from nlp_speech.errors import UserError

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric


@dataclass(frozen=True)
class Score:
    """One score.

    Attributes:
        name: as in reports and in `Scores.values`.
        value: in per cent.
        signature: how it was made.
    """

    name: str
    value: float
    signature: str


class Scores(NamedTuple):
    """Several scores as plain data.

    Attributes:
        values: the score of each name, in per cent.
        signatures: how each was made, by the same names.
    """

    values: dict[str, float]
    signatures: dict[str, str]


class Scorer(Protocol):
    """A function of answers and references, such as `bleu`."""

    def __call__(self, answers: Sequence[str], references: Sequence[str]) -> Score:
        """Scores the answers."""
        ...


def bleu(answers: Sequence[str], references: Sequence[str]) -> Score:
    """The sacreBLEU of detokenized text, cased, tokenizer 13a (Post 2018).

    Args:
        answers: one a sentence.
        references: one for each answer.

    Raises:
        UserError: there is nothing to score, or not as many references as answers.
    """
    from sacrebleu.metrics.bleu import BLEU

    return _corpus("bleu", BLEU(tokenize="13a"), answers, references)


def bleu_lowercased(answers: Sequence[str], references: Sequence[str]) -> Score:
    """`bleu` without regard to case, to stand beside older numbers.

    Args:
        answers: one a sentence.
        references: one for each answer.

    Raises:
        UserError: there is nothing to score, or not as many references as answers.
    """
    from sacrebleu.metrics.bleu import BLEU

    metric = BLEU(tokenize="13a", lowercase=True)
    return _corpus("bleu_lowercased", metric, answers, references)


def chrf(answers: Sequence[str], references: Sequence[str]) -> Score:
    """The character n-gram score chrF2 (Popovic 2015).

    Args:
        answers: one a sentence.
        references: one for each answer.

    Raises:
        UserError: there is nothing to score, or not as many references as answers.
    """
    from sacrebleu.metrics.chrf import CHRF

    return _corpus("chrf", CHRF(), answers, references)


def exact_match(answers: Sequence[str], references: Sequence[str]) -> Score:
    """The share of answers that equal their reference, code point for code point.

    Args:
        answers: one a sentence.
        references: one for each answer.

    Raises:
        UserError: there is nothing to score, or not as many references as answers.
    """
    _check(answers, references)
    right = sum(a == r for a, r in zip(answers, references, strict=True))
    return Score("exact_match", 100 * right / len(answers), "case:mixed|strip:no")


def wer(answers: Sequence[str], references: Sequence[str]) -> Score:
    """The word error rate: substitutions, deletions and insertions for each word.

    Args:
        answers: one an utterance; words are separated by white space.
        references: one for each answer; an empty one has no words to divide by, but the
            words of its answer are insertions.

    Raises:
        UserError: there is nothing to score, or not as many references as answers.
    """
    return _error_rate("wer", "words", answers, references)


def cer(answers: Sequence[str], references: Sequence[str]) -> Score:
    """The character error rate: as `wer` with characters, spaces among them.

    Args:
        answers: one an utterance.
        references: one for each answer.

    Raises:
        UserError: there is nothing to score, or not as many references as answers.
    """
    return _error_rate("cer", "characters", answers, references)


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

    _check(answers, references)
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
    _check(answers, references)
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


def accuracy(answers: Sequence[str], references: Sequence[str]) -> Score:
    """The share of right labels.

    Args:
        answers: one label an example.
        references: the right ones.

    Raises:
        UserError: there is nothing to score, or not as many references as answers.
    """
    _check(answers, references)
    right = sum(a == r for a, r in zip(answers, references, strict=True))
    return Score("accuracy", 100 * right / len(answers), "exact label")


def macro_f1(answers: Sequence[str], references: Sequence[str]) -> Score:
    """The mean F1 of all classes that occur, each counting the same.

    Args:
        answers: one label an example.
        references: the right ones.

    Raises:
        UserError: there is nothing to score, or not as many references as answers.
    """
    import sklearn
    from sklearn.metrics import f1_score

    _check(answers, references)
    # Every class that occurs in either has a denominator above 0.
    value = f1_score(list(references), list(answers), average="macro")
    return Score(
        "macro_f1",
        100 * float(value),
        f"average:macro|scikit-learn:{sklearn.__version__}",
    )


def calibration_error(
    confidences: Sequence[float], right: Sequence[bool], bins: int = 15
) -> Score:
    """The expected calibration error, a fraction (Guo et al. 2017, equation 3).

    Args:
        confidences: the probability of each answer, 0 to 1.
        right: whether the answer was right.
        bins: of equal width, over the confidences.

    Raises:
        UserError: there is nothing to score, or not as many of the one as of the other.
    """
    import numpy as np

    _check(confidences, right)
    places = np.ceil(np.asarray(confidences, np.float64) * bins).astype(int)
    places = np.clip(places - 1, 0, bins - 1)
    surplus = np.asarray(confidences, np.float64) - np.asarray(right, np.float64)
    sums = np.bincount(places, weights=surplus, minlength=bins)
    value = float(np.abs(sums).sum() / len(surplus))
    return Score("ece", value, f"bins:{bins}|width:equal|confidence of the answer")


def rouge(
    answers: Sequence[str], references: Sequence[Sequence[str]]
) -> tuple[Score, ...]:
    """The F1 of ROUGE-1, ROUGE-2 and ROUGE-L (Lin 2004), words stemmed.

    Args:
        answers: one a document.
        references: one or several for each answer; the best of them counts, for each
            score by itself.

    Raises:
        UserError: there is nothing to score, or not as many references as answers.
    """
    from rouge_score.rouge_scorer import RougeScorer

    _check(answers, references)
    names = ("rouge1", "rouge2", "rougeL")
    scorer = RougeScorer(list(names), use_stemmer=True)
    rows = [
        scorer.score_multi(list(several), answer)
        for answer, several in zip(answers, references, strict=True)
    ]
    version = importlib.metadata.version("rouge-score")
    signature = f"F1|stemmer:porter|references:best|mean|rouge-score:{version}"
    return tuple(
        Score(n, 100 * sum(r[n].fmeasure for r in rows) / len(rows), signature)
        for n in names
    )


def novelty(answers: Sequence[str], documents: Sequence[str]) -> tuple[Score, ...]:
    """How much of summaries is new, how much stands in the document, and their length.

    Args:
        answers: one a document.
        documents: what was summarized.

    Returns:
        ``copied_words`` and ``novel_bigrams``, the share of words that stand in the
        document and of pairs of words that do not, and ``words``, the mean length.

    Raises:
        UserError: there is nothing to score, or not as many of the one as of the other.
    """
    _check(answers, documents)
    words = copied = bigrams = novel = 0
    for answer, document in zip(answers, documents, strict=True):
        said, read = (re.findall(r"\w+", t.casefold()) for t in (answer, document))
        pairs, there = list(pairwise(said)), set(pairwise(read))
        words, bigrams = words + len(said), bigrams + len(pairs)
        copied += sum(word in set(read) for word in said)
        novel += sum(pair not in there for pair in pairs)
    of = "all summaries together|words:letters and digits, case folded"
    return (
        Score("copied_words", 100 * copied / max(words, 1), of),
        Score("novel_bigrams", 100 * novel / max(bigrams, 1), of),
        Score("words", words / len(answers), "mean of summaries"),
    )


TRANSLATION: tuple[Scorer, ...] = (bleu, chrf, bleu_lowercased)
"""What translations are scored by."""


def score(
    answers: Sequence[str],
    references: Sequence[str],
    scorers: Sequence[Scorer] = TRANSLATION,
) -> Scores:
    """Several scores of the same answers.

    Args:
        answers: one a sentence.
        references: one for each answer.
        scorers: functions of this module.

    Raises:
        UserError: there is nothing to score, or not as many references as answers.
    """
    scores = [scorer(answers, references) for scorer in scorers]
    return Scores(
        values={s.name: s.value for s in scores},
        signatures={s.name: s.signature for s in scores},
    )


def _corpus(
    name: str, metric: Metric, answers: Sequence[str], references: Sequence[str]
) -> Score:
    _check(answers, references)
    result = metric.corpus_score(answers, [references])
    return Score(name, float(result.score), str(metric.get_signature()))


def _error_rate(
    name: str, unit: str, answers: Sequence[str], references: Sequence[str]
) -> Score:
    import jiwer

    _check(answers, references)
    rate = jiwer.wer if unit == "words" else jiwer.cer
    value = 100 * float(rate(list(references), list(answers)))
    version = importlib.metadata.version("jiwer")
    return Score(name, value, f"case:mixed|unit:{unit}|jiwer:{version}")


def _check(answers: Sequence[Any], references: Sequence[Any]) -> None:
    if len(answers) != len(references):
        raise UserError(
            f"there are {len(answers)} answers and {len(references)} references; "
            "give one reference for each answer"
        )
    if not answers:
        raise UserError("there is nothing to score; give at least one answer")
