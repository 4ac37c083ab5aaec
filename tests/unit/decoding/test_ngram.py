"""N-gram models: probabilities add up, equal their definition, and survive a file."""

from __future__ import annotations

import gzip
import itertools
import math
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlp_speech.decoding.arpa import END, START, UNKNOWN, NGrams, read_arpa, write_arpa
from nlp_speech.decoding.kenlm_model import KenLM, read_model
from nlp_speech.decoding.ngram import estimate
from nlp_speech.errors import UserError

TEXT: list[list[str]] = [
    [str(word) for word in line.split()]
    for line in (
        "one two three",
        "one two four",
        "two three one",
        "five",
        "one two three four five",
        "",
        "four four four",
    )
]
texts = st.lists(
    st.lists(st.sampled_from("a b c d e".split()), max_size=6), min_size=1, max_size=12
).filter(lambda text: any(text))


def vocabulary(text: list[list[str]]) -> set[str]:
    return {word for sentence in text for word in sentence} | {END, UNKNOWN}


def by_definition(text: list[list[str]], context: tuple[str, ...], word: str) -> float:
    """Chen and Goodman 1998, equations 25 to 28, with the fixed discounts."""

    def count(words: tuple[str, ...], order: int) -> int:
        full = [(START, *s, END) for s in text]
        size = len(words)
        if order == size or words[0] == START:
            return sum(
                s[n : n + size] == words for s in full for n in range(len(s) - size + 1)
            )
        before = {
            s[n - 1]
            for s in full
            for n in range(1, len(s) - size + 1)
            if s[n : n + size] == words
        }
        return len(before)

    def probability(context: tuple[str, ...], word: str) -> float:
        every = vocabulary(text) - {UNKNOWN}
        if context:
            below = probability(context[1:], word)
        else:
            below = 1 / (len(every) + 1)
        counts = {w: count((*context, w), 3) for w in every}
        total = sum(counts.values())
        if not total:
            return below
        discount = Counter({1: 0.5, 2: 1.0, 3: 1.5})
        left = sum(discount[min(c, 3)] for c in counts.values()) / total
        own = counts.get(word, 0)
        return max(0, own - discount[min(own, 3)]) / total + left * below

    return probability(context, word)


def test_equals_its_definition() -> None:
    model = estimate(TEXT, 3)
    # The text is too small for discounts of its own.
    contexts = {c for table in model.tables[1:] for c in (w[:-1] for w in table)}
    for context in sorted(contexts):
        for word in sorted(vocabulary(TEXT)):
            found, _ = model.score(context, word)
            expected = by_definition(TEXT, context, word)
            assert 10**found == pytest.approx(expected, rel=1e-9), (context, word)


@settings(max_examples=50)
@given(texts, st.integers(1, 4), st.lists(st.integers(0, 3), max_size=4))
def test_probabilities_add_up_to_one(
    text: list[list[str]], order: int, prune: list[int]
) -> None:
    model = estimate(text, order, prune)
    words = vocabulary(text)
    contexts: set[tuple[str, ...]] = {(), ("e", "a")[: order - 1], model.start()}
    for table in model.tables[:-1]:
        contexts |= {w for w in table if w[-1] != END}
    for context in contexts:
        total = sum(10 ** model.score(context, word)[0] for word in words)
        assert total == pytest.approx(1, abs=1e-9), context


def test_a_real_text_has_discounts_of_its_own() -> None:
    words = "a b c d e f g h".split()
    text = [[words[(i * j) % 8] for j in range(1, 2 + i % 5)] for i in range(60)]
    model = estimate(text, 2)
    for context in ((START,), ("a",), ("b",)):
        total = sum(10 ** model.score(context, w)[0] for w in vocabulary(text))
        assert total == pytest.approx(1, abs=1e-9)


@given(texts, st.integers(2, 4))
def test_pruning_leaves_no_gaps(text: list[list[str]], order: int) -> None:
    model, whole = estimate(text, order, [0, 0, 1]), estimate(text, order)
    assert model.tables[0].keys() == whole.tables[0].keys()
    for shorter, table in itertools.pairwise(model.tables):
        assert all(words[:-1] in shorter for words in table)
        assert all(words[1:] in shorter for words in table)
    counts = Counter(
        tuple(words[n : n + order])
        for words in ((START, *sentence, END) for sentence in text)
        for n in range(len(words) - order + 1)
    )
    if order > 2:
        assert model.tables[-1].keys() == {w for w, n in counts.items() if n > 1}


def test_pruning_counts_how_often_an_ngram_was_seen() -> None:
    text = [list("xbcd")] * 2 + [list("ybce")] * 2
    model = estimate(text, 3, [0, 2])
    # "b c" begins two trigrams, each seen twice, and itself was seen four times.
    assert [w for w in model.tables[1] if START not in w and END not in w] == [
        ("b", "c")
    ]


def test_what_is_pruned_falls_back() -> None:
    model = estimate(TEXT, 2, [0, 1])
    assert ("one", "two") in model.tables[1]
    assert ("two", "four") not in model.tables[1]
    (value, _), (weight, _) = model.score((), "four"), model.score(("two",), "four")
    assert weight == pytest.approx(value + model.tables[0][("two",)][1])


def test_seen_sentences_are_likelier() -> None:
    model = estimate(TEXT, 3)
    assert model.sentence("one two three".split()) > model.sentence(
        "three two one".split()
    )
    assert model.sentence(["nine"]) < model.sentence(["five"])


@pytest.mark.parametrize("name", ["m.arpa", "m.arpa.gz"])
def test_a_file_keeps_the_model(name: str, tmp_path: Path) -> None:
    model, path = estimate(TEXT, 3), tmp_path / "m.arpa"
    write_arpa(model, path)
    if name.endswith(".gz"):
        (tmp_path / name).write_bytes(gzip.compress(path.read_bytes()))
    found = read_arpa(tmp_path / name)
    assert found.order == 3
    for sentence in [*TEXT, ["nine", "one"]]:
        expected = model.sentence(sentence)
        assert found.sentence(sentence) == pytest.approx(expected, abs=1e-5)


SRILM = """\
\\data\\
ngram 1=4
ngram 2=2

\\1-grams:
-1.0 <unk>
-99 <s> -0.3
-0.5 </s>
-0.4 a -0.2

\\2-grams:
-0.1 <s> a
-0.6 a a

\\end\\
"""


def test_back_off_by_hand(tmp_path: Path) -> None:
    (tmp_path / "m.arpa").write_text(SRILM)
    model = read_arpa(tmp_path / "m.arpa")
    assert model.score((START,), "a") == (-0.1, ("a",))
    assert model.score(("a",), END)[0] == pytest.approx(-0.7)
    assert model.score((START,), "b")[0] == pytest.approx(-1.3)
    assert dict(model.words()) == {"a": -0.4}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("-0.4 a -0.2", "-0.4 a b c"), r"m.arpa:9: .*a probability, 1 words"),
        (("-0.4 a -0.2", "x a"), r"m.arpa:9: .*no number"),
        (("ngram 2=2", "ngram 2=3"), "cut short"),
        (("\\end\\\n", ""), "cut short"),
        (("\\2-grams:", "\\3-grams:"), r"m.arpa:11: .*2-grams: is expected"),
        (("ngram 1=4", "ngram 1"), r"m.arpa:2: .*no count"),
        (("\\data\\", "data"), "no ARPA file"),
    ],
)
def test_a_bad_file_is_named(
    change: tuple[str, str], message: str, tmp_path: Path
) -> None:
    (tmp_path / "m.arpa").write_text(SRILM.replace(*change))
    with pytest.raises(UserError, match=message):
        read_arpa(tmp_path / "m.arpa")


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_arpa(tmp_path / "missing.arpa")
    (tmp_path / "cut.arpa.gz").write_bytes(gzip.compress(SRILM.encode())[:40])
    with pytest.raises(UserError, match="cannot be read"):
        read_arpa(tmp_path / "cut.arpa.gz")


def test_text_that_teaches_nothing_is_an_error() -> None:
    with pytest.raises(UserError, match="no words"):
        estimate([[], []], 2)
    with pytest.raises(UserError, match="marks sentences"):
        estimate([["a", "<s>"]], 2)
    with pytest.raises(UserError, match="order"):
        estimate([["a"]], 0)


def test_an_empty_model_says_so() -> None:
    assert NGrams([{(UNKNOWN,): (-1.0, 0.0)}]).score((), "a")[0] == -1.0
    assert math.isclose(NGrams([{}]).score((), "a")[0], -99)


def test_words_may_hold_other_white_space(tmp_path: Path) -> None:
    model = estimate([["10\u00a0000", "men"]] * 3, 2)
    write_arpa(model, tmp_path / "m.arpa")
    found = dict(read_arpa(tmp_path / "m.arpa").words())
    assert found.keys() == {"10\u00a0000", "men"}


def test_a_byte_order_mark_and_a_name_in_capitals(tmp_path: Path) -> None:
    write_arpa(estimate([["a", "b"]], 2), tmp_path / "m.arpa")
    content = "\ufeff".encode() + (tmp_path / "m.arpa").read_bytes()
    (tmp_path / "M.ARPA.GZ").write_bytes(gzip.compress(content))
    assert dict(read_arpa(tmp_path / "M.ARPA.GZ").words()).keys() == {"a", "b"}
    damaged = bytearray(gzip.compress(content * 50))
    damaged[12:16] = b"\xff" * 4
    (tmp_path / "d.arpa.gz").write_bytes(damaged)
    with pytest.raises(UserError, match="cannot be read"):
        read_arpa(tmp_path / "d.arpa.gz")


@pytest.mark.parametrize("order", [1, 7])
def test_any_order_is_read(tmp_path: Path, order: int) -> None:
    """KenLM wants two to six words."""
    sentence = "a b c d e f g h".split()
    write_arpa(estimate([sentence] * 3, order), tmp_path / "m.arpa")
    model = read_model(tmp_path / "m.arpa")
    context, total = model.start(), 0.0
    for word in (*sentence, END):
        value, context = model.score(context, word)
        total += value
    ours = read_arpa(tmp_path / "m.arpa").sentence(sentence)
    assert total == pytest.approx(ours, abs=1e-4)


def test_only_short_ngrams_are_read_if_asked(tmp_path: Path) -> None:
    write_arpa(estimate(TEXT, 3), tmp_path / "m.arpa")
    whole = read_arpa(tmp_path / "m.arpa")
    found = read_arpa(tmp_path / "m.arpa", order=1)
    assert found.tables == whole.tables[:1]


def test_a_compressed_model_is_the_same(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.arpa", "b.arpa.gz", "c.arpa.gz")]
    for file in files:
        write_arpa(estimate(TEXT, 3), file)
    plain, one, other = files
    assert read_arpa(one) == read_arpa(plain)
    assert gzip.decompress(one.read_bytes()) == plain.read_bytes()
    assert one.read_bytes() == other.read_bytes()


def test_kenlm_is_given_a_plain_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not every build of it reads compressed ones."""
    read: list[bytes] = []
    kenlm: Any = ModuleType("kenlm")
    kenlm.Config = SimpleNamespace
    kenlm.ARPALoadComplain = SimpleNamespace(NONE=0)
    kenlm.Model = lambda path, config: read.append(Path(path).read_bytes())
    monkeypatch.setitem(sys.modules, "kenlm", kenlm)
    for name in ("m.arpa", "m.arpa.gz"):
        write_arpa(estimate(TEXT, 3), tmp_path / name)
        KenLM(tmp_path / name, {})
    assert read == [(tmp_path / "m.arpa").read_bytes()] * 2
    (tmp_path / "m.arpa.gz").write_bytes((tmp_path / "m.arpa.gz").read_bytes()[:99])
    with pytest.raises(UserError, match=r"m\.arpa\.gz: KenLM cannot read it"):
        KenLM(tmp_path / "m.arpa.gz", {})


@pytest.mark.parametrize("name", ["m.arpa", "m.arpa.gz"])
def test_kenlm_gives_the_same_numbers(tmp_path: Path, name: str) -> None:
    pytest.importorskip("kenlm")
    write_arpa(estimate(TEXT, 3), tmp_path / name)
    ours, theirs = read_arpa(tmp_path / name), read_model(tmp_path / name)
    assert dict(theirs.words()) == dict(ours.words())
    for sentence in [*TEXT, ["nine", "one"]]:
        context, total = theirs.start(), 0.0
        for word in (*sentence, END):
            value, context = theirs.score(context, word)
            total += value
        assert total == pytest.approx(ours.sentence(sentence), abs=1e-4)
