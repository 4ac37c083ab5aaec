"""Scores of answers against references: thin adapters on well-known libraries.

Every score is in per cent, but for the calibration error. A signature says how a score
was made, so that only scores with equal signatures are compared. A library is imported
when its score is asked for.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from nlp_speech.errors import UserError
from nlp_speech.text.words import is_unspaced, words_of

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
    """The sacreBLEU of detokenized text, cased (Post 2018).

    Its tokenizer is 13a; characters, where the references are written without spaces.

    Args:
        answers: one a sentence.
        references: one for each answer.

    Raises:
        UserError: there is nothing to score, or not as many references as answers.
    """
    from sacrebleu.metrics.bleu import BLEU

    metric = BLEU(tokenize=_tokens_of(references))
    return _corpus("bleu", metric, answers, references)


def bleu_lowercased(answers: Sequence[str], references: Sequence[str]) -> Score:
    """`bleu` without regard to case, to stand beside older numbers.

    Args:
        answers: one a sentence.
        references: one for each answer.

    Raises:
        UserError: there is nothing to score, or not as many references as answers.
    """
    from sacrebleu.metrics.bleu import BLEU

    metric = BLEU(tokenize=_tokens_of(references), lowercase=True)
    return _corpus("bleu_lowercased", metric, answers, references)


def _tokens_of(references: Sequence[str]) -> Literal["13a", "char"]:
    return "char" if is_unspaced(references) else "13a"


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
    check_pairs(answers, references)
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


def accuracy(answers: Sequence[str], references: Sequence[str]) -> Score:
    """The share of right labels.

    Args:
        answers: one label an example.
        references: the right ones.

    Raises:
        UserError: there is nothing to score, or not as many references as answers.
    """
    check_pairs(answers, references)
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

    check_pairs(answers, references)
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

    check_pairs(confidences, right)
    places = np.ceil(np.asarray(confidences, np.float64) * bins).astype(int)
    places = np.clip(places - 1, 0, bins - 1)
    surplus = np.asarray(confidences, np.float64) - np.asarray(right, np.float64)
    sums = np.bincount(places, weights=surplus, minlength=bins)
    value = float(np.abs(sums).sum() / len(surplus))
    return Score("ece", value, f"bins:{bins}|width:equal|confidence of the answer")


def rouge(
    answers: Sequence[str], references: Sequence[Sequence[str]]
) -> tuple[Score, ...]:
    """The F1 of ROUGE-1, ROUGE-2 and ROUGE-L (Lin 2004), English words stemmed.

    Words are `words_of` a text: of English those of rouge-score; there are others where
    rouge-score by itself sees none.

    Args:
        answers: one a document.
        references: one or several for each answer; the best of them counts, for each
            score by itself.

    Raises:
        UserError: there is nothing to score, or not as many references as answers.
    """
    from rouge_score.rouge_scorer import RougeScorer

    check_pairs(answers, references)
    names = ("rouge1", "rouge2", "rougeL")
    scorer = RougeScorer(list(names), tokenizer=_StemmedWords())
    rows = [
        scorer.score_multi(list(several), answer)
        for answer, several in zip(answers, references, strict=True)
    ]
    version = importlib.metadata.version("rouge-score")
    signature = (
        f"F1|words:unicode|stemmer:porter|references:best|mean|rouge-score:{version}"
    )
    return tuple(
        Score(n, 100 * sum(r[n].fmeasure for r in rows) / len(rows), signature)
        for n in names
    )


class _StemmedWords:
    """A tokenizer of rouge-score that leaves to its own what is in ASCII."""

    def __init__(self) -> None:
        from rouge_score.tokenizers import DefaultTokenizer

        self._own = DefaultTokenizer(use_stemmer=True)

    def tokenize(self, text: str) -> list[str]:
        found = []
        for word in words_of(text):
            found += self._own.tokenize(word) if word.isascii() else [word]
        return found


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
    check_pairs(answers, documents)
    words = copied = bigrams = novel = 0
    for answer, document in zip(answers, documents, strict=True):
        said, read = words_of(answer), words_of(document)
        known, known_pairs = set(read), set(pairwise(read))
        pairs = list(pairwise(said))
        words, bigrams = words + len(said), bigrams + len(pairs)
        copied += sum(word in known for word in said)
        novel += sum(pair not in known_pairs for pair in pairs)
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
    check_pairs(answers, references)
    result = metric.corpus_score(answers, [references])
    return Score(name, float(result.score), str(metric.get_signature()))


def _error_rate(
    name: str, unit: str, answers: Sequence[str], references: Sequence[str]
) -> Score:
    import jiwer

    check_pairs(answers, references)
    rate = jiwer.wer if unit == "words" else jiwer.cer
    value = 100 * float(rate(list(references), list(answers)))
    version = importlib.metadata.version("jiwer")
    return Score(name, value, f"case:mixed|unit:{unit}|jiwer:{version}")


def check_pairs(answers: Sequence[Any], references: Sequence[Any]) -> None:
    """Refuses what cannot be scored.

    Args:
        answers: any.
        references: as many.

    Raises:
        UserError: there is nothing to score, or not as many references as answers.
    """
    if len(answers) != len(references):
        raise UserError(
            f"there are {len(answers)} answers and {len(references)} references; "
            "give one reference for each answer"
        )
    if not answers:
        raise UserError("there is nothing to score; give at least one answer")
