"""Joining pieces, some copied: the graph does what Python does."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from nlp_speech.sections import TokenizerSection
from nlp_speech.text.copying import CopyingDecoder
from nlp_speech.text.flat import FlatIds, padded
from nlp_speech.text.tokenizer import EOS, UNK, Tokenizer, train_tokenizer

TEXTS = [f"{a} {b} {c}." for a in ("a dog", "we") for b in "xyz" for c in "uvw"]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(TEXTS, TokenizerSection(vocabulary_size=17))


@pytest.fixture(scope="module")
def decoder(tokenizer: Tokenizer) -> CopyingDecoder:
    return CopyingDecoder(tokenizer)


def copied(tokenizer: Tokenizer, text: str) -> list[int]:
    """The whole text, its unknown pieces copied."""
    [ids] = tokenizer.encode([text])
    return [tokenizer.size + n if i == UNK else i for n, i in enumerate(ids)]


def test_what_the_vocabulary_lacks_survives(tokenizer: Tokenizer) -> None:
    text = "we 日本語🙂 x dog🙂.שלום a"
    [surfaces] = tokenizer.surfaces([text])
    assert tokenizer.join(copied(tokenizer, text), surfaces) == text
    [ids] = tokenizer.encode([text])
    assert "\u2047" in tokenizer.join(ids, surfaces)


@settings(max_examples=100)
@given(
    st.lists(st.text() | st.text("we dog.é🙂日\t\u2581"), min_size=1, max_size=4),
    st.lists(st.integers(0, 16), max_size=8),
)
def test_the_graph_joins_like_python(
    tokenizer: Tokenizer, decoder: CopyingDecoder, texts: list[str], more: list[int]
) -> None:
    surfaces = tokenizer.surfaces(texts)
    assert [len(s) for s in surfaces] == [len(ids) for ids in tokenizer.encode(texts)]
    raw = [t.encode("utf-8", "surrogatepass") for t in texts]
    in_graph = decoder.surfaces(tf.constant(raw))
    rows = [[*copied(tokenizer, t), *more, EOS] for t in texts]
    ids, lengths = padded(rows)
    found = decoder.join(ids[:, None], lengths[:, None], in_graph).numpy()[:, 0]
    expected = [tokenizer.join(r, s) for r, s in zip(rows, surfaces, strict=True)]
    assert [t.decode() for t in found] == expected


def test_shortened_sequences_keep_their_end() -> None:
    flat = FlatIds.of([[5, 6, 7, 8], [9], []], end=EOS)
    short = flat.shortened(2)
    assert [row.tolist() for row in map(short.__getitem__, range(3))] == [
        [5, 6, EOS],
        [9, EOS],
        [EOS],
    ]
    np.testing.assert_array_equal(flat.shortened(9).ids, flat.ids)
