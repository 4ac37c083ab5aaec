"""Every tokenizer: the Python face, the graph face, a SavedModel and LiteRT agree."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import interpreter as litert
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tensorflow_text import tflite_registrar

from nlp_speech.data.parallel import read_lines
from nlp_speech.data.paths import resolve
from nlp_speech.sections import TokenizerSection
from nlp_speech.text.graph import GraphTokenizer
from nlp_speech.text.normalization import normalize
from nlp_speech.text.sampling import SubwordSampler
from nlp_speech.text.tokenizer import EOS, PAD, UNK, Tokenizer, train_tokenizer

ROOT = Path(__file__).parents[2]
COMMITTED = sorted((ROOT / "saved_models").glob("*/*/*.model"))
PARTS = {
    "latin": ["a dog", "Ein Hund", "über die Straße", "l'été", "fi", "1/2", ",", "."],
    "world": [
        "שלום",
        "مرحبا",
        "日本語",
        "ใครๆ",
        "👨‍👩‍👧",
        "😀",
        "e\u0301",
        "й",
        "क्षि",
        "x",
    ],
}
# Where tokenizers have gone wrong: white space, controls, compatibility forms, marks
# that reorder or join, the piece separator, texts that look like special pieces.
ODD = [
    *" \t\n\r\x0b\x0c\0\x01\x1b\x7f\x85\xa0\xad",
    *"\u1680\u2028\u2029\u3000\u200b\u200d\u200f",
    *"\u202e\u2060\ufeff\ufffd\ufdd0\uffff\U0010ffff\U000e0001\ufe0f\u20e3\ud800\udfff",
    *"\u2047\u2581\u2585\ufb01\u1100\u1161\u11a8\u0130\u01c5\u2460\u0300\u0345\U0001f1e9",
    "<s>", "</s>", "<unk>", "<pad>", "\u2581\u2581", " \u2047 ",
]  # fmt: skip


@dataclass
class Faces:
    """A tokenizer as Python and as graph, and some text it was trained on."""

    python: Tokenizer
    graph: GraphTokenizer
    known: list[str]

    def graph_encode(self, texts: list[str]) -> list[list[int]]:
        # Lone surrogates exist in Python only; any other string gets there unchanged.
        raw = [t.encode("utf-8", "surrogatepass") for t in texts]
        if any("\ud800" <= c <= "\udfff" for text in texts for c in text):
            raw = [normalize(text).encode() for text in texts]
        ids: Any = self.graph.encode(tf.constant(raw, tf.string))
        return ids.to_list()

    def graph_decode(self, ids: list[list[int]]) -> list[str]:
        ragged: Any = tf.RaggedTensor
        rows = ragged.from_row_lengths(
            tf.constant([i for row in ids for i in row], tf.int32),
            tf.constant([len(row) for row in ids], tf.int32),
        )
        return [text.decode() for text in self.graph.decode(rows).numpy()]


def trained(parts: list[str], **options: Any) -> Tokenizer:
    pick = random.Random(1)
    words = ["".join(pick.choices(parts, k=3)) for _ in range(60)]
    texts = [" ".join(pick.choices(words, k=5)) for _ in range(400)]
    return train_tokenizer(texts, TokenizerSection(vocabulary_size=50, **options))


@pytest.fixture(scope="module", params=[*PARTS, "folded", *COMMITTED], ids=str)
def faces(request: pytest.FixtureRequest) -> Faces:
    if isinstance(request.param, Path):
        tokenizer = Tokenizer.load(request.param)
        # One of English alone lacks the umlauts.
        known = [p for p in PARTS["latin"] if UNK not in tokenizer.encode([p])[0]]
        assert len(known) > 4
    elif request.param == "folded":
        known = PARTS["latin"]
        tokenizer = trained(known, normalization="nmt_nfkc_cf")
    else:
        known = PARTS[request.param]
        tokenizer = trained(known)
    return Faces(tokenizer, GraphTokenizer(tokenizer), known)


def any_text() -> st.SearchStrategy[str]:
    known = st.sampled_from([p for parts in PARTS.values() for p in parts])
    anything = st.text(st.characters(exclude_categories=()), max_size=40)
    pieces = st.lists(known | st.sampled_from(ODD) | anything, max_size=12)
    mixed = pieces.map("".join)
    long = st.tuples(mixed, st.integers(0, 300)).map(lambda t: t[0] * t[1])
    return mixed | long | anything


@settings(max_examples=250)
@given(texts=st.lists(any_text(), min_size=1, max_size=8))
@example(texts=[""])
@example(texts=ODD)
@example(texts=["a dog " * 40_000, "x" * 100_000, "日" * 50_000, "e\u0301" * 50_000])
def test_faces_agree_on_every_string(faces: Faces, texts: list[str]) -> None:
    ids = faces.python.encode(texts)
    assert faces.graph_encode(texts) == ids
    assert faces.graph_decode(ids) == faces.python.decode(ids)


@settings(max_examples=150)
@given(data=st.data())
def test_faces_agree_on_every_row_of_ids(faces: Faces, data: st.DataObject) -> None:
    number = st.integers(0, faces.python.size - 1) | st.integers(0, 8)
    ids = data.draw(st.lists(st.lists(number, max_size=12), min_size=1, max_size=8))
    assert faces.graph_decode(ids) == faces.python.decode(ids)


def sampled(faces: Faces, texts: list[str], alpha: float, seed: int) -> list[list[int]]:
    drawn = SubwordSampler(faces.python, texts, alpha)((seed,))
    return [drawn[n].tolist() for n in range(len(drawn))]


@settings(max_examples=150)
@given(texts=st.lists(any_text(), min_size=1, max_size=4), seed=st.integers(0, 9))
def test_ids_are_in_range_and_never_special(
    faces: Faces, texts: list[str], seed: int
) -> None:
    for rows in (faces.python.encode(texts), sampled(faces, texts, 0.2, seed)):
        flat = np.array([i for row in rows for i in row], int)
        assert len(rows) == len(texts)
        assert ((flat == 1) | (flat > 3)).all()
        assert (flat < faces.python.size).all()


@settings(max_examples=150)
@given(data=st.data())
def test_round_trip_of_known_text(faces: Faces, data: st.DataObject) -> None:
    parts = st.sampled_from([*faces.known, " ", "  "])
    text = "".join(data.draw(st.lists(parts, max_size=20)))
    wanted = faces.python.canonical(text)
    ids = faces.python.encode([text])
    assert faces.python.decode(ids) == [wanted]
    assert faces.graph_decode(ids) == [wanted]
    assert faces.python.decode(sampled(faces, [text], 0.1, 1)) == [wanted]


def test_faces_agree_on_ordinary_text(faces: Faces) -> None:
    texts = [" ".join(faces.known)]
    # Where the data are, on every validation sentence.
    for language in ("en", "de", "fr", "cs"):
        path = resolve(f"multi30k/val.{language}.gz")
        texts += read_lines(path) if path.exists() else [path.name]
    assert faces.graph_encode(texts) == faces.python.encode(texts)


def test_a_batch_is_its_rows(faces: Faces) -> None:
    texts = [*faces.known, *ODD, ""]
    alone = [faces.graph_encode([text])[0] for text in texts]
    assert faces.graph_encode(texts) == alone


def test_two_tokenizers_in_one_saved_model(faces: Faces, tmp_path: Path) -> None:
    other = trained([*PARTS["latin"], "zq"])
    module: Any = tf.Module()
    module.first, module.second = faces.graph, GraphTokenizer(other)
    strings = [tf.TensorSpec([None], tf.string)]

    def ids(tokenizer: GraphTokenizer, text: tf.Tensor) -> tf.Tensor:
        return tokenizer.encode(text).to_tensor(PAD)

    module.encode = tf.function(
        lambda t: (ids(module.first, t), ids(module.second, t)), strings
    )
    module.decode = tf.function(
        module.first.decode, [tf.TensorSpec([None, None], tf.int32)]
    )
    tf.saved_model.save(module, str(tmp_path))
    loaded: Any = tf.saved_model.load(str(tmp_path))
    texts = [*faces.known, "a\0b", "日x", ""]
    for found, tokenizer in zip(
        loaded.encode(tf.constant(texts)), (faces.python, other), strict=True
    ):
        rows = [[i for i in row if i != PAD] for row in found.numpy().tolist()]
        assert rows == tokenizer.encode(texts)
    first = loaded.encode(tf.constant(texts))[0]
    found = [text.decode() for text in loaded.decode(first).numpy()]
    assert found == faces.python.decode(first.numpy())


def test_converts_to_tflite(faces: Faces) -> None:
    def there_and_back(text: tf.Tensor) -> dict[str, tf.Tensor]:
        ids: Any = faces.graph.encode(text, normalized=True)
        # LiteRT's Python wrapper cannot hand out an empty tensor: one id more.
        ended = tf.concat([ids.values, [EOS]], axis=0)
        return {"ids": ended, "text": faces.graph.decode(ids.to_tensor(PAD))}

    function: Any = tf.function(there_and_back, [tf.TensorSpec([1], tf.string)])
    convert = tf.lite.TFLiteConverter.from_concrete_functions(
        [function.get_concrete_function()], faces.graph
    )
    convert.allow_custom_ops = True
    runner: Any = litert.InterpreterWithCustomOps(
        model_content=convert.convert(),
        custom_op_registerers=tflite_registrar.SELECT_TFTEXT_OPS,
    ).get_signature_runner()
    for text in [*faces.known, "日 x", ""]:
        found = runner(text=np.array([text.encode()], dtype=object))
        (ids,) = faces.python.encode([text])
        assert found["ids"].tolist() == [*ids, EOS]
        assert [t.decode() for t in found["text"]] == faces.python.decode([ids])
