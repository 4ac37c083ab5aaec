"""The host's search equals the graph's; a language model changes what is found."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from nlp_speech.decoding.ctc import prefix_beam_search
from nlp_speech.decoding.ctc_host import PrefixSearch, confidences
from nlp_speech.decoding.fusion import Fusion, FusionOptions
from nlp_speech.decoding.ngram import estimate

SYMBOLS = ("", " ", "a", "b", "c", "d")
GRAPH: Any = tf.function(prefix_beam_search, reduce_retracing=True)


def random_log_probs(steps: int, seed: int, sharpness: float = 2.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(steps, len(SYMBOLS))) * sharpness
    return (logits - np.log(np.exp(logits).sum(-1, keepdims=True))).astype(np.float32)


def text(labels: tuple[int, ...]) -> str:
    return "".join(SYMBOLS[label] for label in labels)


def test_without_a_model_only_hot_words_count() -> None:
    fusion = Fusion(None, FusionOptions(word_bonus=0.5, hot_words={"ad": 2.0}))
    state = fusion.start()
    for symbol in "ab ad ":
        state = fusion.extend(state, symbol)
    assert state.total == 2.0
    assert fusion.largest_gain == 2.0


@pytest.mark.parametrize(("beam_size", "each"), [(1, 3), (4, 2), (6, 5)])
def test_equals_the_search_in_the_graph(beam_size: int, each: int) -> None:
    for seed, steps in enumerate((40, 1, 17, 60)):
        log_probs = random_log_probs(steps, seed)
        search = PrefixSearch(SYMBOLS, beam_size, each)
        search.advance(log_probs)
        graph = GRAPH(tf.constant(log_probs[None]), [steps], beam_size, each)
        for slot, found in enumerate(search.best(beam_size)):
            n = int(graph.lengths[0, slot])
            assert found.labels == tuple(graph.ids[0, slot, :n].numpy())
            assert found.starts == tuple(graph.starts[0, slot, :n].numpy())
            assert found.ends == tuple(graph.ends[0, slot, :n].numpy())
            assert found.score == found.acoustic
            score = float(graph.scores[0, slot])
            assert found.score == pytest.approx(score, abs=1e-3)


@pytest.mark.parametrize("beam_size", [1, 2, 3, 8])
def test_a_probability_of_zero(beam_size: int) -> None:
    log_probs = random_log_probs(12, 0)
    log_probs[:, 2], log_probs[3], log_probs[3, 1] = -np.inf, -np.inf, 0
    search = PrefixSearch(SYMBOLS, beam_size, 3)
    search.advance(log_probs)
    found = search.best(beam_size)[0]
    assert 2 not in found.labels
    assert np.isfinite(found.score)
    floored = PrefixSearch(SYMBOLS, beam_size, 3)
    floored.advance(np.maximum(log_probs, -100))
    assert floored.best()[0].labels == found.labels


@settings(max_examples=20)
@given(st.lists(st.integers(0, 30), max_size=5), st.integers(0, 99))
def test_pieces_of_a_stream_give_what_the_whole_gives(
    cuts: list[int], seed: int
) -> None:
    log_probs = random_log_probs(30, seed)
    fusion = Fusion(estimate([["ab", "cd"], ["ab"]], 2), FusionOptions())
    whole = PrefixSearch(SYMBOLS, 4, 4, fusion)
    whole.advance(log_probs)
    pieces = PrefixSearch(SYMBOLS, 4, 4, fusion)
    pieces.advance(log_probs[::-1])
    pieces.reset()
    for start, end in pairwise([0, *sorted(cuts), 30]):
        pieces.advance(log_probs[start:end])
        pieces.best(partial=True)
    assert pieces.steps == whole.steps == 30
    assert pieces.best(4) == whole.best(4)


def all_texts(log_probs: np.ndarray, fusion: Fusion) -> list[tuple[float, str]]:
    """Every text that a beam without limits finds, by its score with a language."""
    search = PrefixSearch(SYMBOLS, 100_000, len(SYMBOLS))
    search.advance(log_probs)
    found = []
    for hypothesis in search.best(100_000):
        state = fusion.start()
        for label in hypothesis.labels:
            state = fusion.extend(state, SYMBOLS[label])
        found.append((hypothesis.acoustic + fusion.finish(state), hypothesis.labels))
    return [(score, text(labels)) for score, labels in sorted(found, reverse=True)]


@pytest.mark.parametrize("seed", range(4))
def test_a_wide_beam_finds_the_best_of_all_with_the_language(seed: int) -> None:
    log_probs = random_log_probs(5, seed, sharpness=1.0)
    model = estimate([["ab", "cd"], ["ab", "ab"], ["d"]], 2)
    options = FusionOptions(0.8, 1.0, 3.0, {"da": 2.0, "b": 0.5})
    fusion = Fusion(model, options)
    search = PrefixSearch(SYMBOLS, 2000, len(SYMBOLS), fusion)
    search.advance(log_probs)
    found = search.best(5)
    expected = all_texts(log_probs, fusion)[:5]
    assert [text(h.labels) for h in found] == [t for _, t in expected]
    assert [h.score for h in found] == pytest.approx([s for s, _ in expected])


def spelled(words: str, other: str, share: float) -> np.ndarray:
    """Log-probabilities of a spelling, and of another one of the same length."""
    rows = []
    for first, second in zip(words, other, strict=True):
        row = np.full(len(SYMBOLS), 1e-4)
        row[SYMBOLS.index(first)] += share
        row[SYMBOLS.index(second)] += 1 - share
        blank = np.full(len(SYMBOLS), 1e-4)
        blank[0] = 1
        rows += [row, blank]
    values = np.array(rows)
    return np.log(values / values.sum(-1, keepdims=True)).astype(np.float32)


def heard(log_probs: np.ndarray, fusion: Fusion | None) -> str:
    search = PrefixSearch(SYMBOLS, 8, 5, fusion)
    search.advance(log_probs)
    return text(search.best()[0].labels)


def test_language_model_and_hot_words_decide() -> None:
    log_probs = spelled("ab ac", "ab ad", 0.6)
    assert heard(log_probs, None) == "ab ac"
    model = estimate([["ab", "ad"]] * 3 + [["ac"]], 2)
    assert heard(log_probs, Fusion(model, FusionOptions(weight=0.0))) == "ab ac"
    assert heard(log_probs, Fusion(model, FusionOptions(weight=1.0))) == "ab ad"
    hot = FusionOptions(hot_words={"ad": 2.0})
    assert heard(log_probs, Fusion(None, hot)) == "ab ad"
    other = FusionOptions(hot_words={"a": 2.0})
    assert heard(log_probs, Fusion(None, other)) != "ab ad"


def test_an_unwanted_word_says_nothing_about_others() -> None:
    """With "ad" unwanted "ab" was lost where both letters of it had to be kept."""
    fusion = Fusion(None, FusionOptions(hot_words={"ad": -4.0, "ba": 1.0}))
    state = fusion.extend(fusion.start(), "a")
    assert state.total == 0.0
    assert fusion.extend(fusion.start(), "b").total == 1.0
    assert fusion.finish(fusion.extend(state, "d")) == -4.0
    assert fusion.finish(fusion.extend(state, "b")) == 0.0


def test_no_label_adds_more_than_the_largest_gain() -> None:
    """Beyond what `ahead` has counted: where being unknown is cheap, that is much."""
    model = estimate([["ab", "ad"]] * 9 + [["cab"]], 2)
    for options in (FusionOptions(), FusionOptions(weight=4.0, unknown_penalty=0.5)):
        fusion = Fusion(model, options)
        for word in ("ab", "ad", "cab", "dd", "cb"):
            state = fusion.start()
            for symbol in word:
                after = fusion.extend(state, symbol)
                gain = after.total - state.total
                assert not state.partial or gain <= fusion.largest_gain
                state = after
    assert Fusion(model, FusionOptions()).largest_gain == 0.0


def test_an_unknown_word_costs_its_penalty() -> None:
    log_probs = spelled("ab cc", "ab cd", 0.7)
    model = estimate([["ab", "cd"]], 2)
    strict = Fusion(model, FusionOptions(weight=0.1, unknown_penalty=9.0))
    lax = Fusion(model, FusionOptions(weight=0.1, unknown_penalty=0.0))
    assert heard(log_probs, strict) == "ab cd"
    assert heard(log_probs, lax) == "ab cc"


def test_confidence_is_the_mean_probability() -> None:
    log_probs = random_log_probs(30, 5)
    search = PrefixSearch(SYMBOLS, 5, 5)
    search.advance(log_probs)
    [found] = search.best()
    rows = zip(found.labels, found.starts, found.ends, strict=True)
    expected = [np.exp(log_probs[a:b, label]).mean() for label, a, b in rows]
    assert len(expected) > 3
    np.testing.assert_allclose(confidences(log_probs, found), expected)


def test_nothing_heard_is_the_empty_answer() -> None:
    search = PrefixSearch(SYMBOLS, 3, 3)
    search.advance(np.zeros([0, len(SYMBOLS)], np.float32))
    [found] = search.best()
    assert (found.labels, found.starts, found.score) == ((), (), 0.0)
