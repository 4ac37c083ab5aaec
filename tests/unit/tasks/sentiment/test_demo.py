"""The generated reviews: seeded, balanced, new combinations in the held-out parts."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from nlp_speech.data.labelled import read_examples
from nlp_speech.tasks.sentiment.demo import LABELS, SIZES, make_corpus, write_corpus

CORPUS = make_corpus(1)


def test_sizes_and_balance() -> None:
    for split, size in SIZES.items():
        counts = Counter(r.label for r in CORPUS[split])
        assert counts == dict.fromkeys(LABELS, size // 2)


def test_no_text_and_no_combination_in_two_splits() -> None:
    for attribute in ("text", "combination"):
        found = {s: {getattr(r, attribute) for r in rows} for s, rows in CORPUS.items()}
        assert not found["train"] & found["test"]
        assert not found["train"] & found["val"]
        assert not found["val"] & found["test"]
    assert len({r.text for rows in CORPUS.values() for r in rows}) == sum(
        SIZES.values()
    )


def test_held_out_words_are_known() -> None:
    words = {
        s: set(re.findall(r"[\w']+", " ".join(r.text.lower() for r in rows)))
        for s, rows in CORPUS.items()
    }
    assert words["test"] <= words["train"]
    assert words["val"] <= words["train"]


def test_single_clauses_mean_what_they_say() -> None:
    """The labels against another reading of the simplest sentences."""
    checked = 0
    for review in CORPUS["train"]:
        last = review.text.split(". ")[-1]
        if re.search(r"[,;:]|think|obody|doubt|Still|Besides", review.text):
            continue
        good = re.search(
            "superb|wonderful|charming|excellent|lovely|brilliant|delightful|perfect"
            "|great|pleasant|fine|impressive",
            last,
        )
        negated = re.search(r"\bnot\b|n't|never|by no means", last)
        assert review.label == LABELS[bool(good) != bool(negated)], review.text
        checked += 1
    assert checked > 200


def test_counting_words_is_not_enough() -> None:
    """The same adjective stands in reviews of both labels."""
    labels = [r.label for r in CORPUS["train"] if "superb" in r.text]
    share = labels.count("positive") / len(labels)
    assert 0.35 < share < 0.75


def test_files(tmp_path: Path) -> None:
    write_corpus(tmp_path / "a", 1)
    write_corpus(tmp_path / "b", 1)
    write_corpus(tmp_path / "c", 2)
    for split, size in SIZES.items():
        name = f"{split}.csv"
        assert (tmp_path / "a" / name).read_bytes() == (
            tmp_path / "b" / name
        ).read_bytes()
        assert (tmp_path / "a" / name).read_bytes() != (
            tmp_path / "c" / name
        ).read_bytes()
        assert len(read_examples(tmp_path / "a" / name, "text", "label")) == size
