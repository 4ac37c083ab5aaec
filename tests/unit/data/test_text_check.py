"""The look at texts finds what was put there, and nothing else."""

from __future__ import annotations

import random
from typing import Any

import pytest

from nlp_speech.data.text_check import (
    Limit,
    TextRow,
    copied_cells,
    main_script,
    text_findings,
    uneven_classes,
)

COLUMNS = ("source", "target")


def rows(name: str, count: int, seed: int) -> list[TextRow]:
    """Different sentences of four to six words."""
    rng = random.Random(seed)
    words = ["".join(rng.choices("abcdefgh", k=6)) for _ in range(400)]
    return [
        TextRow(
            f"{name}:{n}",
            (" ".join(rng.sample(words, 5)), " ".join(rng.sample(words, 5)).upper()),
            "xy"[n % 2],
        )
        for n in range(1, count + 1)
    ]


@pytest.fixture
def splits() -> dict[str, list[TextRow]]:
    return {"train": rows("train", 60, 1), "test": rows("test", 10, 2)}


def found(splits: dict[str, list[TextRow]], **options: Any) -> dict:
    findings = text_findings(splits, COLUMNS, **options)
    return {(f.split, f.problem): f for f in findings}


def test_good_text(splits: dict[str, list[TextRow]]) -> None:
    assert found(splits, limits={"source": Limit(5, "left out")}) == {}
    assert list(copied_cells(splits, COLUMNS)) == []
    assert list(uneven_classes(splits, "")) == []


def test_empty_and_long(splits: dict[str, list[TextRow]]) -> None:
    train = splits["train"]
    train[3] = train[3]._replace(cells=(train[3].cells[0], " "))
    train[7] = train[7]._replace(cells=("one two three four five six", "six"))
    limits = {"source": Limit(5, "left out (key)", ("train",))}
    splits["test"][0] = TextRow("test:1", ("one two three four five six", "seven"))
    result = found(splits, limits=limits)
    assert result.keys() == {
        ("train", "have an empty target"),
        ("train", "have a source of more than 5 words: left out (key)"),
        ("test", "have a source of the training set (10.0%)"),
    }
    assert result["train", "have an empty target"].examples == ("train:4",)


def test_copies_with_and_without_their_label(splits: dict[str, list[TextRow]]) -> None:
    train = splits["train"]
    source, target = train[0].cells
    twin = (f" {source.title()}!", target)
    train.append(TextRow("train:61", twin, train[0].label))
    train.append(TextRow("train:62", twin, train[1].label))
    result = found(splits)
    assert {k: f.count for k, f in result.items()} == {
        ("train", "are copies of another row"): 1,
        ("train", "are copies of another row with another label"): 1,
    }


@pytest.mark.parametrize(("count", "is_error"), [(2, False), (8, True)])
def test_leaks(splits: dict[str, list[TextRow]], count: int, is_error: bool) -> None:
    for n in range(count):
        target = splits["train"][n].cells[1] if n else "other"
        splits["test"][n] = TextRow(f"test:{n}", (splits["train"][n].cells[0], target))
    result = found(splits)
    given = result["test", f"have a source of the training set ({count}0.0%)"]
    pairs = result["test", "stand in the training set with the same target"]
    assert (given.count, pairs.count) == (count, count - 1)
    assert given.is_error == pairs.is_error == is_error
    assert found(splits, cleared=("test",)) == {}


def test_wrong_script(splits: dict[str, list[TextRow]]) -> None:
    splits["test"][4] = TextRow("test:5", ("Привет, мир", "hello world"))
    splits["train"][9] = TextRow("train:10", ("just text", "これは日本語です"))
    result = found(splits)
    assert result.keys() == {
        ("test", "have a source in another script than Latin"),
        ("train", "have a target in another script than Latin"),
    }


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("A dog, 12 cats", "LATIN"),
        ("über Straße", "LATIN"),
        ("\uff21\uff22\uff23\uff24", "LATIN"),
        ("ΓΔΛΞ ΠΣΦΨ Kosmo", "GREEK"),
        ("漢字とカタカナ", "CJK"),
        ("12 — ?!", ""),
        ("Δ=Σ", ""),
        ("", ""),
    ],
)
def test_main_script(text: str, script: str) -> None:
    assert main_script(text) == script


def test_copied_source(splits: dict[str, list[TextRow]]) -> None:
    splits["train"][5] = TextRow("t:6", ("Tom is here now.", "tom is here now"))
    splits["train"][6] = TextRow("t:7", ("Tom!", "Tom!"))
    [finding] = copied_cells(splits, COLUMNS)
    assert finding.problem == "repeat the source as target"
    assert finding.examples == ("t:6: 'Tom is here now.'",)


def test_uneven_classes(splits: dict[str, list[TextRow]]) -> None:
    splits["train"] += [TextRow("t", (f"row {n}", ""), "x") for n in range(100)]
    splits["test"] = [row._replace(label="x") for row in splits["test"]]
    train, test = uneven_classes(splits, "mend it")
    assert train.problem.endswith("; mend it")
    assert train.examples == ("x: 130 (81.2%)", "y: 30 (18.8%)")
    assert test.examples == ("x: 10 (100.0%)", "y: 0 (0.0%)")
