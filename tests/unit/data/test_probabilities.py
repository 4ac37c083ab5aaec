"""What another model, or several people, say of texts, as a column of a table."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nlp_speech.data.labelled import Example, read_examples
from nlp_speech.errors import UserError

Read = Callable[..., list[Example]]
NAMES = {"0": "bad", "1": "bad", "2": "good"}
STARS = {"0": "1", "1": "2", "2": "3"}  # names that are other labels


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads cells, or what they are to hold as JSON, from a table."""

    def read(*cells: Any, names: dict[str, str] | None = None) -> list[Example]:
        path = tmp_path / "a.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["sentence", "says"])
            for cell in cells:
                text = cell if isinstance(cell, str) else json.dumps(cell)
                rows.writerow(["fine", text])
        return read_examples(path, "sentence", "says", names, taught=True)

    return read


def test_the_label_is_the_most_probable_class(read: Read) -> None:
    [found] = read({"bad": 0.25, "good": 0.75})
    assert found == Example("fine", "good", (("bad", 0.25), ("good", 0.75)))


def test_rounded_ones_are_brought_to_a_sum_of_1(read: Read) -> None:
    [found] = read({"a": 0.33, "b": 0.33, "c": 0.33})
    assert sum(dict(found.probabilities).values()) == pytest.approx(1, abs=1e-9)


def test_keys_are_labels_or_names(read: Read) -> None:
    [found] = read({" 0": 0.3, "1": 0.3, "2": 0.4}, names=NAMES)
    assert found.label == "bad"
    assert dict(found.probabilities) == pytest.approx({"bad": 0.6, "good": 0.4})
    by_name = {"bad": 0.25, "good": 0.75}
    assert read(by_name, names=NAMES) == read(by_name)
    assert read({"0": 0.6, "1": 0.4}, names=STARS)[0].label == "1"
    assert read({"1": 0, "2": 0.6, "3": 0.4}, names=STARS)[0].label == "2"


@pytest.mark.parametrize(
    ("given", "names", "message"),
    [
        ({"bad": 0.7, "good": 0.7}, None, r"the probabilities sum to 1\.4, not to 1"),
        ({" ": 1}, None, "a probability has no class"),
        ({"odd": 0, "2": 1}, NAMES, "'odd', '2' are not all names .* 'bad', 'good'"),
        ({"1": 0.5, "2": 0.5}, STARS, "'1', '2' are labels and also names of other"),
    ],
)
def test_what_is_wrong_is_told(
    read: Read, given: Any, names: Any, message: str
) -> None:
    with pytest.raises(UserError, match=rf"a\.csv:2: {message}"):
        read(given, names=names)


@pytest.mark.parametrize(
    "cell",
    [
        *("good", 0.7, [1], "[" * 100_000, {"a": True}, {"a": 98.5}),
        *({"a": float("nan")}, {"a": -0.1, "b": 1.1}, {"a": 10**400}),
    ],
)
def test_what_is_no_object_of_probabilities(read: Read, cell: Any) -> None:
    with pytest.raises(UserError, match=r"a\.csv:3: .* is no JSON object of prob"):
        read({"a": 1}, cell)
