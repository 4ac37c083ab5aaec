from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from nlp_speech.decoding.beam_search import (
    NO_SCORE,
    Hypotheses,
    beam_search,
    log_softmax,
)

BOS, EOS = 2, 3
CODES = 997


@dataclass(frozen=True)
class Answer:
    """What an independent search found."""

    ids: tuple[int, ...]
    score: float
    attention: np.ndarray


class Toy:
    """A random model whose next piece depends on all pieces before it.

    A state is a number that is hashed with each piece; it selects a row of a table.
    """

    def __init__(self, seed: int, vocabulary: int, source_size: int = 5) -> None:
        generator = np.random.default_rng(seed)
        logits = generator.normal(size=(CODES, vocabulary)) * 2
        logits -= np.log(np.exp(logits).sum(1, keepdims=True))
        self.log_probs = logits.astype(np.float32)
        weights = generator.random((CODES, source_size)) ** 4
        weights /= weights.sum(1, keepdims=True)
        self.attention = weights.astype(np.float32)
        self.vocabulary = vocabulary
        self.source_size = source_size

    def step(self, ids: Any, code: Any) -> Any:
        code = (code * 31 + ids + 7) % CODES
        log_probs = tf.gather(self.log_probs, code)
        return log_probs, tf.gather(self.attention, code), code

    def score(
        self, ids: tuple[int, ...], code: int, alpha: float, beta: float, length: int
    ) -> Answer:
        """Wu et al.'s score of one hypothesis, from the definition, in float64."""
        total, attention = 0.0, []
        for last, piece in zip((BOS, *ids), (*ids, EOS), strict=True):
            code = (code * 31 + last + 7) % CODES
            total += float(self.log_probs[code, piece])
            attention.append(self.attention[code].astype(np.float64))
        covered = np.clip(np.sum(attention, axis=0)[:length], 1e-6, 1)
        score = total / ((5 + len(ids) + 1) / 6) ** alpha + beta * np.log(covered).sum()
        return Answer(ids, score, np.array(attention[:-1]))

    def every(self, code: int, longest: int, *options: Any) -> list[Answer]:
        """All hypotheses there are, best first."""
        others = [v for v in range(self.vocabulary) if v != EOS]
        answers = [
            self.score(ids, code, *options)
            for n in range(longest + 1)
            for ids in itertools.product(others, repeat=n)
        ]
        return sorted(answers, key=lambda answer: -answer.score)

    def search(self, code: int, longest: int, beam: int, *options: Any) -> list[Answer]:
        """A plain beam search with lists, which never stops before it must."""
        live: list[tuple[float, tuple[int, ...], int]] = [(0.0, (), code)]
        pool: list[Answer] = []
        for time in range(longest + 1):
            continued = []
            for total, ids, old in live:
                code_now = (old * 31 + (ids[-1] if ids else BOS) + 7) % CODES
                for v in range(self.vocabulary):
                    value = total + float(self.log_probs[code_now, v])
                    continued.append((value, ids, code_now, v))
            continued.sort(key=lambda c: -c[0])
            among = continued if time == longest else continued[:beam]
            pool += [self.score(c[1], code, *options) for c in among if c[3] == EOS]
            pool = sorted(pool, key=lambda answer: -answer.score)[:beam]
            if len(pool) == beam:
                break
            rest = [c for c in continued if c[3] != EOS][:beam]
            live = [(value, (*ids, v), now) for value, ids, now, v in rest]
        return pool


def run(
    toy: Toy,
    codes: list[int],
    max_lengths: list[int],
    beam: int,
    alpha: float = 1.0,
    beta: float = 0.0,
    lengths: list[int] | None = None,
    n_best: int | None = None,
) -> Hypotheses:
    return beam_search(
        toy.step,
        tf.constant(codes, tf.int32),
        batch_size=len(codes),
        max_lengths=tf.constant(max_lengths, tf.int32),
        bos=BOS,
        eos=EOS,
        beam_size=beam,
        length_penalty=alpha,
        coverage_penalty=beta,
        source_lengths=tf.constant(lengths or [toy.source_size] * len(codes)),
        n_best=n_best,
    )


def found(hypotheses: Hypotheses, row: int) -> list[Answer]:
    """The answers of a row; checks the slots without hypothesis and the padding."""
    ids, lengths, scores, alignment = (np.array(x[row]) for x in hypotheses)
    answers = []
    for n, (length, score) in enumerate(zip(lengths, scores, strict=True)):
        assert not ids[n, length:].any()
        assert not alignment[n, length:].any()
        if score == np.float32(NO_SCORE):
            assert length == 0
            assert (scores[n:] == score).all()
        else:
            pieces = tuple(int(i) for i in ids[n, :length])
            answers.append(Answer(pieces, float(score), alignment[n, :length]))
    return answers


def assert_same(got: list[Answer], wanted: list[Answer]) -> None:
    assert [a.ids for a in got] == [a.ids for a in wanted]
    for a, b in zip(got, wanted, strict=True):
        assert a.score == pytest.approx(b.score, rel=1e-5, abs=1e-5)
        if b.ids:
            np.testing.assert_allclose(a.attention, b.attention, atol=1e-6)


seeds = st.integers(0, 2**31)
alphas = st.sampled_from([0.0, 0.6, 1.0, 2.0])
betas = st.sampled_from([0.0, 0.2, 1.0])


@given(seeds, st.sampled_from([(4, 3), (5, 2), (6, 2)]), alphas, betas)
@settings(max_examples=25)
def test_a_beam_of_all_hypotheses_is_exact(
    seed: int, size: tuple[int, int], alpha: float, beta: float
) -> None:
    vocabulary, longest = size
    toy = Toy(seed, vocabulary)
    beam = sum((vocabulary - 1) ** n for n in range(longest + 1))
    result = run(toy, [1, 2], [longest, longest - 1], beam, alpha, beta, [5, 3])
    assert_same(found(result, 0), toy.every(1, longest, alpha, beta, 5))
    assert_same(found(result, 1), toy.every(2, longest - 1, alpha, beta, 3))


@given(
    seeds,
    st.integers(5, 12),
    st.integers(1, 6),
    st.lists(st.integers(0, 9), min_size=1, max_size=4),
    alphas,
    betas,
)
@settings(max_examples=60)
def test_it_finds_what_a_plain_search_finds(
    seed: int,
    vocabulary: int,
    beam: int,
    max_lengths: list[int],
    alpha: float,
    beta: float,
) -> None:
    toy = Toy(seed, vocabulary)
    codes = list(range(len(max_lengths)))
    lengths = [1 + n % 5 for n in codes]
    result = run(toy, codes, max_lengths, beam, alpha, beta, lengths)
    for n, longest in enumerate(max_lengths):
        wanted = toy.search(codes[n], longest, beam, alpha, beta, lengths[n])
        assert_same(found(result, n), wanted)


@given(seeds, st.integers(2, 5), st.integers(0, 12), alphas, betas)
@settings(max_examples=30)
def test_fewer_answers_are_the_first_of_more(
    seed: int, beam: int, longest: int, alpha: float, beta: float
) -> None:
    # the plain search does not know when nothing can be won any more
    toy = Toy(seed, 6)
    for n_best in range(1, beam + 1):
        result = run(toy, [3], [longest], beam, alpha, beta, n_best=n_best)
        wanted = toy.search(3, longest, beam, alpha, beta, 5)[:n_best]
        assert_same(found(result, 0), wanted)


@given(seeds, st.integers(2, 5))
@settings(max_examples=20)
def test_answers_are_sorted_and_distinct(seed: int, beam: int) -> None:
    answers = found(run(Toy(seed, 7), [5], [8], beam), 0)
    assert answers
    assert len({a.ids for a in answers}) == len(answers)
    scores = [a.score for a in answers]
    assert scores == sorted(scores, reverse=True)


@given(seeds, st.integers(0, 10))
@settings(max_examples=30)
def test_a_beam_of_one_is_greedy(seed: int, longest: int) -> None:
    toy = Toy(seed, 9)
    code, ids = 4, [BOS]
    while True:
        code = (code * 31 + ids[-1] + 7) % CODES
        best = int(toy.log_probs[code].argmax())
        if best == EOS or len(ids) > longest:
            break
        ids.append(best)
    (answer,) = found(run(toy, [4], [longest], 1), 0)
    assert answer.ids == tuple(ids[1:])


@given(
    seeds,
    st.lists(
        st.tuples(st.integers(0, 99), st.integers(0, 9), st.integers(1, 5)),
        min_size=2,
        max_size=5,
    ),
    st.integers(1, 4),
    st.booleans(),
    st.sampled_from([0.0, 0.3]),
)
@settings(max_examples=25)
def test_rows_do_not_depend_on_their_batch(
    seed: int, rows: list[tuple[int, int, int]], beam: int, one: bool, beta: float
) -> None:
    toy = Toy(seed, 8)
    codes, max_lengths, lengths = (list(c) for c in zip(*rows, strict=True))
    n_best = 1 if one else None
    together = run(toy, codes, max_lengths, beam, 1.0, beta, lengths, n_best)
    for n, (code, longest, length) in enumerate(rows):
        alone = run(toy, [code], [longest], beam, 1.0, beta, [length], n_best)
        size = alone.ids.shape[2]
        np.testing.assert_array_equal(together.lengths[n], alone.lengths[0])
        # TensorFlow's logarithm, of the coverage penalty only, rounds differently where
        # the last elements of a tensor do not fill a vector
        tolerance = 1e-6 if beta else 0
        np.testing.assert_allclose(together.scores[n], alone.scores[0], rtol=tolerance)
        np.testing.assert_array_equal(together.ids[n, :, :size], alone.ids[0])
        np.testing.assert_array_equal(
            together.alignment[n, :, :size], alone.alignment[0]
        )
        assert not together.ids[n, :, size:].numpy().any()


@given(seeds, st.integers(1, 4))
@settings(max_examples=15)
def test_source_padding_does_not_count_as_not_covered(seed: int, beam: int) -> None:
    toy, padded = Toy(seed, 7), Toy(seed, 7)
    padded.attention = np.pad(toy.attention, [(0, 0), (0, 3)])
    a = run(toy, [5], [6], beam, 1.0, 0.5, [5])
    b = run(padded, [5], [6], beam, 1.0, 0.5, [5])
    np.testing.assert_array_equal(a.ids, b.ids)
    np.testing.assert_allclose(a.scores, b.scores, rtol=1e-6)


def test_a_maximum_of_nothing_gives_the_empty_answer() -> None:
    toy = Toy(0, 7)
    result = run(toy, [1, 2], [0, 0], 3)
    assert result.ids.shape == (2, 3, 1)
    assert result.alignment.shape == (2, 3, 1, toy.source_size)
    for n in (0, 1):
        assert_same(found(result, n), [toy.score((), n + 1, 1.0, 0.0, 5)])


def test_a_model_that_only_ends_gives_the_empty_answer() -> None:
    toy = Toy(0, 7)
    toy.log_probs = np.full_like(toy.log_probs, -np.inf)
    toy.log_probs[:, EOS] = 0
    (answer,) = found(run(toy, [1], [20], 4), 0)
    assert answer.ids == ()
    assert answer.score == 0


def test_a_model_that_never_ends_is_ended_at_the_maximum() -> None:
    toy = Toy(0, 7)
    toy.log_probs[:, EOS] = -100
    answers = found(run(toy, [1, 1], [6, 3], 4), 0)
    assert [len(a.ids) for a in answers] == [6] * 4


def test_a_forbidden_piece_is_never_chosen() -> None:
    toy = Toy(0, 6)
    toy.log_probs[:, [0, 2]] = -np.inf
    answers = found(run(toy, [1], [3], 60), 0)
    assert {i for a in answers for i in a.ids} == {1, 4, 5}
    assert len(answers) == 1 + 3 + 9 + 27


def test_the_search_stops_when_all_rows_are_done() -> None:
    calls = []

    def step(ids: Any, code: Any) -> Any:
        calls.append(0)
        return toy.step(ids, code)

    toy = Toy(0, 7)
    toy.log_probs[:, EOS] = 0
    toy.log_probs[:, [0, 1, 2, 4, 5, 6]] = [-5, -6, -7, -8, -9, -10]
    options: Any = {"batch_size": 2, "bos": BOS, "eos": EOS, "beam_size": 4}
    code, longest = tf.constant([1, 2]), tf.constant([3, 50])
    # the empty answer cannot be beaten; three more end at the second step
    for n_best, steps in ((1, 1), (4, 2)):
        calls.clear()
        beam_search(step, code, max_lengths=longest, n_best=n_best, **options)
        assert len(calls) == steps


def test_no_rows_give_no_answers() -> None:
    result = run(Toy(0, 7), [], [], 3)
    assert result.ids.shape == (0, 3, 0)
    assert result.scores.shape == (0, 3)


@pytest.mark.parametrize(("beam", "n_best"), [(0, None), (2, 3), (2, 0)])
def test_sizes_out_of_range_are_refused(beam: int, n_best: int | None) -> None:
    with pytest.raises(ValueError, match="n_best"):
        run(Toy(0, 7), [1], [2], beam, n_best=n_best)


def test_the_coverage_penalty_needs_lengths() -> None:
    with pytest.raises(ValueError, match="source_lengths"):
        beam_search(
            Toy(0, 7).step,
            tf.constant([0]),
            batch_size=1,
            max_lengths=tf.constant([1]),
            bos=BOS,
            eos=EOS,
            beam_size=2,
            coverage_penalty=0.1,
        )


@given(seeds, st.integers(1, 50), st.sampled_from([0.1, 1.0, 30.0, 1e4]))
@settings(max_examples=40)
def test_log_softmax_is_exact(seed: int, size: int, scale: float) -> None:
    logits = np.random.default_rng(seed).normal(size=(3, size)) * scale
    logits = logits.astype(np.float32)
    top = logits.astype(np.float64) - logits.max(1, keepdims=True)
    wanted = top - np.log(np.exp(top).sum(1, keepdims=True))
    np.testing.assert_allclose(log_softmax(logits), wanted, rtol=1e-6, atol=1e-6)


def test_any_batch_size_in_a_graph(tmp_path: Path) -> None:
    toy = Toy(3, 8)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32)] * 2, autograph=False)
    def search(codes: Any, max_lengths: Any) -> Any:
        batch_size = tf.size(codes)
        return beam_search(
            toy.step,
            codes,
            batch_size=batch_size,
            max_lengths=max_lengths,
            bos=BOS,
            eos=EOS,
            beam_size=3,
            coverage_penalty=0.2,
            source_lengths=tf.fill([batch_size], 5),
        )

    module: Any = tf.Module()
    module.search = search
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    for codes in ([], [1], [1, 2, 3]):
        max_lengths = [7 - n for n in codes]
        eager = run(toy, codes, max_lengths, 3, 1.0, 0.2)
        inputs = tf.constant(codes, tf.int32), tf.constant(max_lengths, tf.int32)
        for answer in (search(*inputs), Hypotheses(*loaded.search(*inputs))):
            np.testing.assert_array_equal(answer.ids, eager.ids)
            np.testing.assert_allclose(answer.scores, eager.scores, rtol=1e-6)
            if codes:
                np.testing.assert_allclose(answer.alignment, eager.alignment)
