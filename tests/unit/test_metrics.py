from __future__ import annotations

import math
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp_speech import metrics
from nlp_speech.errors import UserError

words = st.lists(st.sampled_from("a b c d Dog cat".split()), min_size=6, max_size=12)
pairs = st.lists(st.tuples(words, words), min_size=1, max_size=6)


def ngrams(tokens: list[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1))


def plain_bleu(answers: list[list[str]], references: list[list[str]]) -> float:
    """Papineni et al. 2002 with exponential smoothing of counts of zero."""
    logs, smooth = 0.0, 1.0
    for n in range(1, 5):
        right = total = 0
        for answer, reference in zip(answers, references, strict=True):
            got = ngrams(answer, n)
            right += sum((got & ngrams(reference, n)).values())
            total += sum(got.values())
        if right == 0:
            smooth *= 2
            logs += math.log(1 / (smooth * total))
        else:
            logs += math.log(right / total)
    size, wanted = (sum(map(len, side)) for side in (answers, references))
    return 100 * math.exp(logs / 4 + min(0.0, 1 - wanted / size))


def plain_chrf(answers: list[str], references: list[str]) -> float:
    """Popovic 2015: F2 of character n-grams to 6, counted without spaces."""
    precision = recall = 0.0
    for n in range(1, 7):
        right = got = wanted = 0
        for answer, reference in zip(answers, references, strict=True):
            a = ngrams(list(answer.replace(" ", "")), n)
            b = ngrams(list(reference.replace(" ", "")), n)
            right += sum((a & b).values())
            got += sum(a.values())
            wanted += sum(b.values())
        precision += right / got / 6
        recall += right / wanted / 6
    if precision + recall == 0:
        return 0.0
    return 100 * 5 * precision * recall / (4 * precision + recall)


def joined(sides: list[list[str]]) -> list[str]:
    return [" ".join(side) for side in sides]


@given(pairs)
def test_bleu_is_that_of_its_paper(rows: list[tuple[list[str], list[str]]]) -> None:
    answers, references = ([row[n] for row in rows] for n in (0, 1))
    got = metrics.bleu(joined(answers), joined(references)).value
    if any(set(a) & set(r) for a, r in zip(answers, references, strict=True)):
        assert got == pytest.approx(plain_bleu(answers, references))
    else:
        assert got == 0


@given(pairs)
def test_lowercased_bleu_is_bleu_in_lower_case(
    rows: list[tuple[list[str], list[str]]],
) -> None:
    answers, references = (joined([row[n] for row in rows]) for n in (0, 1))
    lower = [a.lower() for a in answers], [r.lower() for r in references]
    got = metrics.bleu_lowercased(answers, references).value
    assert got == pytest.approx(metrics.bleu(*lower).value)


@given(pairs)
def test_chrf_is_that_of_its_paper(rows: list[tuple[list[str], list[str]]]) -> None:
    answers, references = (joined([row[n] for row in rows]) for n in (0, 1))
    got = metrics.chrf(answers, references).value
    assert got == pytest.approx(plain_chrf(answers, references))


def test_bleu_takes_detokenized_text() -> None:
    reference = ["Ein Hund, der am Strand läuft, bellt."]
    assert metrics.bleu(reference, reference).value == pytest.approx(100)
    tokenized = ["Ein Hund , der am Strand läuft , bellt ."]
    assert metrics.bleu(tokenized, reference).value == pytest.approx(100)
    assert metrics.chrf(reference, reference).value == pytest.approx(100)


def test_case_counts_unless_lowercased() -> None:
    answers, references = ["ein hund läuft am strand"], ["Ein Hund läuft am Strand"]
    assert metrics.bleu(answers, references).value < 60
    lowercased = metrics.bleu_lowercased(answers, references)
    assert lowercased.value == pytest.approx(100)


def test_signatures_tell_what_was_done() -> None:
    text = ["one two three four"]
    bleu = metrics.bleu(text, text).signature
    assert bleu.startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")
    assert "case:lc" in metrics.bleu_lowercased(text, text).signature
    assert "nc:6|nw:0" in metrics.chrf(text, text).signature


def test_exact_match_is_the_share_of_equal_answers() -> None:
    score = metrics.exact_match(["a", "B", "", "d "], ["a", "b", "", "d"])
    assert score.value == 50
    assert score.name == "exact_match"


def test_empty_answers_are_scored() -> None:
    for scorer in (*metrics.TRANSLATION, metrics.exact_match):
        assert scorer(["", ""], ["one two three four", "five"]).value == 0


def test_several_scores_are_plain_data() -> None:
    text = ["one two three four"]
    scorers = (*metrics.TRANSLATION, metrics.exact_match)
    values, signatures = metrics.score(text, text, scorers)
    names = ["bleu", "chrf", "bleu_lowercased", "exact_match"]
    assert list(values) == list(signatures) == names
    assert list(values.values()) == pytest.approx([100] * 4)
    assert {type(v) for v in values.values()} == {float}
    assert {type(s) for s in signatures.values()} == {str}
    assert list(metrics.score(text, text).values) == names[:3]


@pytest.mark.parametrize("scorer", [*metrics.TRANSLATION, metrics.exact_match])
def test_wrong_numbers_of_texts_are_told(scorer: metrics.Scorer) -> None:
    with pytest.raises(UserError, match="1 answers and 2 references"):
        scorer(["a"], ["a", "b"])
    with pytest.raises(UserError, match="nothing to score"):
        scorer([], [])


def test_importing_it_imports_no_metric() -> None:
    code = "import sys, nlp_speech.metrics; print('sacrebleu' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


LABELS = st.lists(st.sampled_from("abc"), min_size=1, max_size=30)


@given(st.data(), LABELS)
def test_accuracy_and_macro_f1_by_hand(data: st.DataObject, right: list[str]) -> None:
    size = len(right)
    found = data.draw(st.lists(st.sampled_from("abc"), min_size=size, max_size=size))
    pairs = list(zip(found, right, strict=True))
    hits = sum(a == b for a, b in pairs)
    assert metrics.accuracy(found, right).value == pytest.approx(100 * hits / size)
    scores = []
    for label in {*found, *right}:
        both = sum(a == b == label for a, b in pairs)
        wrong = sum((a == label) != (b == label) for a, b in pairs)
        scores.append(2 * both / (2 * both + wrong))
    expected = 100 * sum(scores) / len(scores)
    assert metrics.macro_f1(found, right).value == pytest.approx(expected)


def test_calibration_error() -> None:
    # Nine of ten at 0.9 and three of four at 0.75 are as right as they say.
    said = [0.9] * 10 + [0.75] * 4
    right = [True] * 9 + [False] + [True] * 3 + [False]
    assert metrics.calibration_error(said, right).value == pytest.approx(0)
    # All wrong at full confidence; at the edges nothing falls out.
    assert metrics.calibration_error([1.0, 1.0], [False, False]).value == 1
    assert metrics.calibration_error([0.0, 1.0], [False, True]).value == 0
    # Errors of one bin make up for each other, those of two do not.
    mixed = metrics.calibration_error([0.61, 0.65], [True, False])
    assert mixed.value == pytest.approx(abs(0.61 + 0.65 - 1) / 2)
    apart = metrics.calibration_error([0.2, 0.8], [True, False])
    assert apart.value == pytest.approx((0.8 + 0.8) / 2)
    with pytest.raises(UserError, match="nothing to score"):
        metrics.calibration_error([], [])


def test_rouge_by_hand() -> None:
    answers = ["The cats sat", "no"]
    references = [["a cat sat here", "dogs"], ["yes"]]
    rouge1, rouge2, rouge_l = metrics.rouge(answers, references)
    # "cat sat": 2 of 3 said, 2 of 4 wanted; stemmed, so that the pair counts too.
    assert rouge1.value == pytest.approx(100 * (2 * 2 / (3 + 4)) / 2)
    assert rouge2.value == pytest.approx(100 * (2 * 1 / (2 + 3)) / 2)
    assert rouge_l.value == pytest.approx(rouge1.value)
    assert [s.name for s in (rouge1, rouge2, rouge_l)] == ["rouge1", "rouge2", "rougeL"]


def test_the_best_reference_counts() -> None:
    worse, better = ["nothing"], ["nothing", "a b"]
    assert metrics.rouge(["a b"], [worse])[0].value == 0
    assert metrics.rouge(["a b"], [better])[0].value == 100


def test_novelty_by_hand() -> None:
    copied, novel, length = metrics.novelty(["The dog barks", ""], ["the dog", "x"])
    assert copied.value == pytest.approx(100 * 2 / 3)
    assert novel.value == 50
    assert length.value == 1.5


@pytest.mark.parametrize(
    "text",
    ["日本語の本を読む人がいます。", "Россия и мир сегодня вечером", "ภาษาไทยง่ายมาก"],
)
def test_a_right_answer_scores_in_any_script(text: str) -> None:
    assert metrics.bleu([text], [text]).value == pytest.approx(100)
    assert [s.value for s in metrics.rouge([text], [[text]])] == pytest.approx(
        [100] * 3
    )
    other = "".join(reversed(text))
    assert metrics.bleu([other], [text]).value < 100


def test_the_signature_says_what_bleu_counted() -> None:
    assert "tok:char" in metrics.bleu(["日本"], ["日本語"]).signature
    assert "tok:13a" in metrics.bleu(["a dog"], ["a dog"]).signature
