"""Ids laid out flat, and the encoding of a corpus for an epoch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp_speech.data.encoding import PairEncoder
from nlp_speech.sections import TokenizerSection
from nlp_speech.text.flat import FlatIds
from nlp_speech.text.tokenizer import EOS, Tokenizer, train_tokenizer

ROWS = st.lists(st.lists(st.integers(0, 9), max_size=5), max_size=8)
PAIRS = [(f"a dog number {n}", f"ein Hund Nummer {n}") for n in range(2300)]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    texts = [text for pair in PAIRS for text in pair]
    return train_tokenizer(texts, TokenizerSection(vocabulary_size=60))


@given(ROWS)
def test_flat_ids(rows: list[list[int]]) -> None:
    flat = FlatIds.of(rows)
    assert [flat[n].tolist() for n in range(len(flat))] == rows
    assert flat.lengths.tolist() == [len(row) for row in rows]
    assert flat.ids.dtype == np.int32
    ended = FlatIds.of(rows, end=3)
    assert [ended[n].tolist() for n in range(len(ended))] == [[*r, 3] for r in rows]


def test_without_sampling(tokenizer: Tokenizer) -> None:
    encode = PairEncoder(PAIRS, tokenizer, tokenizer, TokenizerSection(), 1, False)
    for epoch in (0, 1):
        for side, flat in enumerate(encode(epoch)):
            expected = tokenizer.encode([pair[side] for pair in PAIRS])
            assert [flat[n].tolist() for n in range(len(flat))] == [
                [*row, EOS] for row in expected
            ]


@pytest.mark.parametrize("source", [True, False])
@pytest.mark.parametrize("target", [True, False])
def test_sampling(tokenizer: Tokenizer, source: bool, target: bool) -> None:
    section = TokenizerSection(sample_source=source, sample_target=target)

    def encoder(seed: int) -> PairEncoder:
        return PairEncoder(PAIRS, tokenizer, tokenizer, section, seed, True)

    first, same = encoder(1)(3), encoder(1)(3)
    later, other = encoder(1)(4), encoder(2)(3)
    for side, sampled in enumerate((source, target)):
        flat = first[side]
        texts = [pair[side] for pair in PAIRS]
        assert tokenizer.decode(flat[n] for n in range(len(flat))) == texts
        assert (flat.ids[flat.offsets[1:] - 1] == EOS).all()
        assert np.array_equal(flat.ids, same[side].ids)
        for unlike in (later, other):
            assert np.array_equal(flat.ids, unlike[side].ids) != sampled
