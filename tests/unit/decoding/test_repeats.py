"""No n-gram twice, and no answer too short."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from nlp_speech.decoding.beam_search import beam_search
from nlp_speech.decoding.repeats import NO_SCORE, repeats

BOS, EOS = 2, 3


def ngrams(ids: list[int], n: int) -> list[tuple[int, ...]]:
    return [tuple(ids[i : i + n]) for i in range(len(ids) - n + 1)]


@settings(max_examples=60)
@given(
    st.integers(0, 9).flatmap(
        lambda t: st.lists(
            st.lists(st.integers(0, 2), min_size=t, max_size=t), min_size=1, max_size=3
        )
    ),
    st.integers(1, 4),
)
def test_finds_what_would_be_said_twice(rows: list[list[int]], n: int) -> None:
    prefix = np.array(rows, np.int32).reshape(len(rows), -1)
    found = repeats(tf.constant(prefix), n, 4).numpy()
    for row, blocked in zip(rows, found, strict=True):
        for piece, value in enumerate(blocked):
            *before, last = ngrams([*row, piece], n) or [()]
            assert (value <= NO_SCORE) == (last in before)
            assert value <= NO_SCORE or value == 0


def stubborn(ids: Any, state: Any) -> Any:
    """Always wants the same three pieces: 4 5 6 4 5 6 ..."""
    wanted = tf.where((ids >= 4) & (ids < 6), ids + 1, 4)
    logits = tf.one_hot(wanted, 8) * 4 + tf.one_hot(tf.fill(tf.shape(ids), EOS), 8) * 2
    return tf.nn.log_softmax(logits), tf.ones([tf.shape(ids)[0], 1]), state


def search(beam: int, **options: Any) -> list[list[int]]:
    found = beam_search(
        stubborn,
        (tf.zeros([2, 1]),),
        batch_size=2,
        max_lengths=tf.constant([12, 7]),
        bos=BOS,
        eos=EOS,
        beam_size=beam,
        **options,
    )
    rows = zip(found.ids.numpy(), found.lengths.numpy(), strict=True)
    return [
        ids[k, :size].tolist() for ids, sizes in rows for k, size in enumerate(sizes)
    ]


@pytest.mark.parametrize("beam", [1, 4])
def test_no_answer_says_anything_twice(beam: int) -> None:
    free = search(beam, min_lengths=tf.constant([10, 7]))
    assert any(len(set(ngrams(a, 2))) < len(ngrams(a, 2)) for a in free)
    for answer in search(beam, min_lengths=tf.constant([10, 7]), block_ngrams=2):
        assert len(set(ngrams(answer, 2))) == len(ngrams(answer, 2))


@pytest.mark.parametrize("beam", [1, 4])
def test_no_answer_is_too_short(beam: int) -> None:
    lengths = [len(answer) for answer in search(beam, min_lengths=tf.constant([5, 5]))]
    assert min(lengths) >= 5
    if beam > 1:
        assert min(len(answer) for answer in search(beam)) < 5


def test_the_longest_length_comes_first() -> None:
    answers = search(3, min_lengths=tf.constant([50, 50]))
    assert max(map(len, answers)) == 12
