"""The look at documents finds what was put there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nlp_speech.check import look_at
from nlp_speech.tasks.summarization.config import SummarizationConfig

WORDS = "sun moon tree lake hill road bird fish stone cloud".split()


def row(number: int) -> dict[str, object]:
    a, b = WORDS[number % 10], WORDS[number // 10]
    return {"document": f"The {a} saw the {b}", "summary": [f"{a} {b}", f"{b} {a}"]}


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    lines = [json.dumps(row) + "\n" for row in rows]
    path.write_text("".join(lines), encoding="utf-8")
    return path


@pytest.fixture
def rows() -> dict[str, list[dict[str, object]]]:
    return {
        "train": [row(n) for n in range(60)],
        "val": [row(n) for n in range(60, 70)],
        "test": [row(n) for n in range(70, 80)],
    }


def look(directory: Path, rows: dict[str, list[dict[str, object]]]) -> dict:
    table = {
        name: {"file": str(write(directory / f"{name}.jsonl", found))}
        for name, found in rows.items()
    }
    data = {"train": [table["train"]], "validation": table["val"]}
    values = {"data": {**data, "test": {"test": table["test"]}}}
    values |= {"decoding": {"max_source_length": 12}, "batch": {"max_length": 12}}
    config = SummarizationConfig.model_validate_json(json.dumps(values))
    return {(f.split, f.problem): f for f in look_at(config).findings}


def test_good_documents(tmp_path: Path, rows: dict) -> None:
    assert look(tmp_path, rows) == {}


def test_bad_documents(tmp_path: Path, rows: dict) -> None:
    train, long = rows["train"], "word " * 20
    train[1]["document"] = " "
    train[2]["summary"] = [" ", ""]
    train[3]["document"] = "A long one " + long
    train[4]["summary"] = ["Another long one " + long, "short"]
    train[5]["summary"] = train[5]["document"]
    rows["val"][3]["summary"] = []
    rows["test"][0] = dict(train[9])
    found = look(tmp_path, rows)
    problems = {key: f.examples[0].split(":")[1] for key, f in found.items()}
    assert problems == {
        ("train", "have an empty document"): "2",
        ("train", "have an empty summary"): "3",
        ("validation", "have an empty summary"): "4",
        (
            "train",
            "have a document of more than 12 words: read in part "
            "(decoding.max_source_length)",
        ): "4",
        (
            "train",
            "have a summary of more than 12 words: left out (batch.max_length)",
        ): "5",
        ("train", "repeat the document as summary"): "6",
        ("test", "have a document of the training set (10.0%)"): "1",
        ("test", "stand in the training set with the same summary"): "1",
    }
    # Training leaves such a row out; validation cannot be scored with it.
    assert [key for key, f in found.items() if f.is_error] == [
        ("validation", "have an empty summary")
    ]
