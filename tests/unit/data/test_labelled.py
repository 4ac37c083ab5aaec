"""Labelled texts: classes, stratified split, what stands in another split."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp_speech.data.labelled import (
    Example,
    classes_of,
    fingerprint,
    read_examples,
    split_examples,
    without,
)
from nlp_speech.errors import UserError

EXAMPLES = st.lists(
    st.builds(Example, st.text("ab ", max_size=4), st.sampled_from("xyz")), min_size=1
)


@given(EXAMPLES, st.floats(0.01, 0.99), st.integers(0, 3))
def test_split(examples: list[Example], share: float, seed: int) -> None:
    train, validation = split_examples(examples, share, seed)
    assert (train, validation) == split_examples(examples, share, seed)
    assert Counter(train) + Counter(validation) == Counter(examples)
    # No text is in both, and each class stays in training.
    seen = {fingerprint(e.text) for e in validation}
    assert not seen & {fingerprint(e.text) for e in train}
    assert {e.label for e in train} == {e.label for e in examples}


@given(st.lists(st.sampled_from("xyz"), min_size=1), st.floats(0.01, 0.99))
def test_split_of_different_texts_takes_the_share(labels: str, share: float) -> None:
    examples = [Example(f"text {n}", label) for n, label in enumerate(labels)]
    _, validation = split_examples(examples, share, 1)
    taken = Counter(e.label for e in validation)
    for label, count in Counter(labels).items():
        assert taken[label] == min(max(1, round(share * count)), count - 1)


def test_split_of_texts_that_many_say() -> None:
    """As in chats: a text has 1,000 / rank rows."""
    examples = [
        Example(f"text {rank}", "xy"[rank % 2])
        for rank in range(1, 1001)
        for _ in range(1000 // rank)
    ]
    train, validation = split_examples(examples, 0.1, 1)
    assert len(validation) == pytest.approx(0.1 * len(examples), rel=0.02)
    assert len(train) + len(validation) == len(examples)


def test_another_seed_is_another_split() -> None:
    examples = [Example(f"text {n}", "xy"[n % 2]) for n in range(100)]
    splits = {tuple(split_examples(examples, 0.2, seed)[1]) for seed in range(5)}
    assert len(splits) == 5


def test_without_ignores_case_punctuation_and_spaces() -> None:
    examples = [Example(t, "x") for t in ("It 's  GOOD !", "it s bad", "!", "?!")]
    left = without(examples, ["it's good", "?!"])
    assert [e.text for e in left] == ["it s bad", "!"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("वह गया", "वह गयी"),  # vowel signs are marks, not letters
        ("I got it 😀", "I got it 😡"),
        ("learn C++", "learn C#"),
        ("5", "+5"),
    ],
)
def test_other_texts_are_others(one: str, other: str) -> None:
    assert fingerprint(one) != fingerprint(other)


def test_the_same_text_in_other_unicode() -> None:
    assert fingerprint("Na\u00efve!") == fingerprint("nai\u0308ve")


def test_classes() -> None:
    def of(labels: str) -> tuple[str, ...]:
        return classes_of(labels.split(), None)

    assert of("b a c a") == ("a", "b", "c")
    assert of("10 9 -1") == ("-1", "9", "10")
    found = ["good", "bad"]
    names = {"1": "good", "0": "bad", "2": "good"}
    assert classes_of(found, names) == ("good", "bad")
    with pytest.raises(UserError, match="no training row has the label 'odd'"):
        classes_of(found, {**names, "3": "odd"})
    with pytest.raises(UserError, match="all 2 training rows have the label x; a cl"):
        of("x x")


def test_reading(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("sentence\tclass\nfine\t1 \n \t0\nbad\t0\n", encoding="utf-8")
    names = {"0": "no", "1": "yes"}
    read = read_examples(path, "sentence", "class", names)
    assert read == [Example("fine", "yes"), Example("bad", "no")]
    assert len(read_examples(path, "sentence", "class", keep_blank=True)) == 3
    with pytest.raises(UserError, match=r"a\.tsv:2: unknown label '1'; .* has: '0'"):
        read_examples(path, "sentence", "class", {"0": "no"})
    path.write_text("sentence\tclass\nfine\t1\ngood\t\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"a\.tsv:3: the label is empty"):
        read_examples(path, "sentence", "class")
    path.write_text("sentence\tclass\n \t1\n", encoding="utf-8")
    with pytest.raises(UserError, match="no row has a text"):
        read_examples(path, "sentence", "class")
