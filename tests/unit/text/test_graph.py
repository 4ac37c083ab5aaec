"""The graph face of the tokenizer; that it agrees is in tests/contracts."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import sentencepiece
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from nlp_speech.errors import UserError
from nlp_speech.sections import TokenizerSection
from nlp_speech.text.graph import GraphTokenizer, normalize_graph, strip_tags_graph
from nlp_speech.text.normalization import normalize, strip_tags
from nlp_speech.text.tokenizer import BOS, EOS, PAD, UNK, Tokenizer, train_tokenizer

TEXTS = [
    f"{a} {b} {c}." for a in ("a dog", "ein Hund", "we") for b in "xyz" for c in "uvw"
]
IDS = {"pad_id": PAD, "unk_id": UNK, "bos_id": BOS, "eos_id": EOS}


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(TEXTS, TokenizerSection(vocabulary_size=21))


@pytest.fixture(scope="module")
def graph(tokenizer: Tokenizer) -> GraphTokenizer:
    return GraphTokenizer(tokenizer)


@settings(max_examples=200)
@given(
    st.lists(
        st.binary(max_size=12)
        | st.lists(
            st.sampled_from(b"\xe2\x82\xac\xed\xa0\xf0\x9f\xc3(\x80\xf4\x90\0")
        ).map(bytes)
        | st.text().map(str.encode),
        min_size=1,
        max_size=20,
    )
)
def test_normalizes_any_bytes_like_python(raw: list[bytes]) -> None:
    expected = [normalize(b.decode("utf-8", "replace")) for b in raw]
    found = normalize_graph(tf.constant(raw)).numpy()
    assert [b.decode("utf-8") for b in found] == expected


MARKUP = ["<", ">", "/", "!", "b", "&", "amp;", "lt;", "nbsp;", "#39;", "é\n", " ", "3"]


@settings(max_examples=200)
@given(st.lists(st.lists(st.sampled_from(MARKUP)).map("".join), min_size=1))
def test_takes_tags_out_like_python(texts: list[str]) -> None:
    found = strip_tags_graph(tf.constant([t.encode() for t in texts])).numpy()
    assert [b.decode("utf-8") for b in found] == [strip_tags(t) for t in texts]


def test_encode_gives_int32_with_int32_splits(graph: GraphTokenizer) -> None:
    ids: Any = graph.encode(tf.constant(["a dog", "", "x"]))
    assert ids.dtype == tf.int32
    # TensorFlow Lite's operator takes no other.
    assert ids.row_splits.dtype == tf.int32
    assert ids.row_lengths().numpy()[1] == 0


def test_decode_of_dense_ids(tokenizer: Tokenizer, graph: GraphTokenizer) -> None:
    ids = np.random.default_rng(0).integers(0, tokenizer.size, (4, 3, 7), np.int32)
    lengths = np.random.default_rng(1).integers(0, 8, (4, 3), np.int32)
    found = graph.decode(tf.constant(ids), tf.constant(lengths)).numpy()
    assert found.shape == (4, 3)
    rows = [
        tokenizer.decode(row[:n] for row, n in zip(*pair, strict=True))
        for pair in zip(ids, lengths, strict=True)
    ]
    assert [[text.decode() for text in row] for row in found] == rows
    everything = graph.decode(tf.constant(ids)).numpy()
    assert [t.decode() for t in everything[0]] == tokenizer.decode(ids[0])


def test_decode_of_nothing(graph: GraphTokenizer) -> None:
    assert graph.decode(tf.zeros([0, 5], tf.int32)).numpy().tolist() == []
    assert graph.decode(tf.zeros([2, 0], tf.int32)).numpy().tolist() == [b"", b""]


def foreign(**options: Any) -> Tokenizer:
    model = io.BytesIO()
    options = {"unk_surface": "\u2047", "vocab_size": 21, **IDS, **options}
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS),
        model_writer=model,
        hard_vocab_limit=False,
        minloglevel=2,
        **options,
    )
    return Tokenizer(model.getvalue())


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"model_type": "bpe"}, "model_type must be unigram"),
        ({"byte_fallback": True, "vocab_size": 277}, "byte_fallback must be off"),
        ({"normalization_rule_name": "identity"}, "normalization must be nmt_nfkc"),
        ({"unk_surface": " ? "}, "unk_surface must be"),
    ],
)
def test_refuses_what_the_operator_reads_wrongly(
    options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(UserError, match=reason):
        GraphTokenizer(foreign(**options))


def test_takes_a_foreign_model_of_the_right_kind() -> None:
    tokenizer = foreign()
    ids: Any = GraphTokenizer(tokenizer).encode(tf.constant(TEXTS))
    assert ids.to_list() == tokenizer.encode(TEXTS)
