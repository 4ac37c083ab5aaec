"""A classifier from new to predict on the command line, and its bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

NlpSpeech = Any
PNG = b"\x89PNG\r\n\x1a\n"
TEXT = "The plot is superb, but the acting was never good."
SMALL = {
    "model": {"units": 16, "embedding_units": 16, "window": 8, "bidirectional": False},
    "tokenizer": {"vocabulary_size": 120, "sample": False},
    "batch": {"tokens": 1000, "max_length": 30, "buckets": 1},
    "training": {"updates": 60, "warmup_updates": 5, "evaluate_every": 30},
    "export": {"budget": 100.0},
}


def write_table(path: Path, rows: list[tuple[str, str]]) -> dict[str, str]:
    lines = [json.dumps({"text": text, "label": label}) for text, label in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return {"file": str(path)}


def write_config(directory: Path, **data: Any) -> Path:
    path = directory / "mine.yaml"
    values = {"task": "sentiment", "data": data, **SMALL}
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def bundle(nlp_speech: NlpSpeech, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("sentiment")
    rows = [(f"a {w} {n}", w) for n in ("film", "hotel") for w in ("good", "bad") * 20]
    rows = [(f"{text} {n % 9}", label) for n, (text, label) in enumerate(rows)]
    config = write_config(
        directory,
        train=[write_table(directory / "train.jsonl", rows)],
        test={"held_out": write_table(directory / "test.jsonl", rows[:30])},
    )
    run = directory / "run"
    done = nlp_speech(
        "train", config, "--no-check", "--output", run, *_small_vocabulary()
    )
    assert done.code == 0, done.err
    assert "for validation" in done.err or "update 60" in done.err
    done = nlp_speech("export", run, "--output", directory / "bundle")
    assert done.code == 0, done.err
    return directory / "bundle" / "1"


def _small_vocabulary() -> tuple[str, ...]:
    return "--set", "tokenizer.vocabulary_size=26"


def test_the_temperature_is_in_the_bundle(bundle: Path) -> None:
    metrics = json.loads((bundle / "metrics.json").read_text())
    assert "temperature" in metrics["weights"]
    assert set(metrics["assets"]) == {"data.json", "labels.json", "tokenizer.model"}


def test_evaluate_and_its_picture(
    nlp_speech: NlpSpeech, bundle: Path, tmp_path: Path
) -> None:
    words = ("--split", "held_out", "--plot", tmp_path / "c.png")
    done = nlp_speech("evaluate", bundle, *words, "--json", tmp_path / "r.json")
    assert done.code == 0, done.err
    assert (tmp_path / "c.png").read_bytes().startswith(PNG)
    report = json.loads((tmp_path / "r.json").read_text())
    assert {"accuracy", "macro_f1", "ece"} <= set(report["metrics"])
    assert report["confusion"]["labels"] == ["bad", "good"]
    counts = report["confusion"]["counts"]
    assert [sum(row) for row in counts] == [15, 15]
    right = counts[0][0] + counts[1][1]
    assert report["metrics"]["accuracy"] == pytest.approx(100 * right / 30)


@pytest.mark.parametrize("runtime", ["saved_model", "tflite"])
def test_predict_and_explain(
    nlp_speech: NlpSpeech, bundle: Path, tmp_path: Path, runtime: str
) -> None:
    words = (bundle, TEXT, "--runtime", runtime)
    done = nlp_speech("predict", *words, "--json")
    assert done.code == 0, done.err
    record = json.loads(done.out)
    assert record["input"] == TEXT
    assert sum(record["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    ranked = nlp_speech("predict", *words, "--n-best", 2).out.splitlines()
    assert ranked[0].split("\t")[1] == record["label"]
    page = tmp_path / "why.html"
    done = nlp_speech("predict", *words, "--explain", page)
    assert done.code == 0, done.err
    assert TEXT in done.out
    assert done.out.startswith(record["label"])
    assert page.read_text(encoding="utf-8").count("<span") == len(TEXT.split())
    explained = json.loads(
        nlp_speech("predict", *words, "--explain", page, "--json").out
    )
    assert "".join(part for part, _ in explained.pop("explanation")) == TEXT
    assert explained.keys() == record.keys()


def test_an_empty_text_is_answered_with_a_warning(
    nlp_speech: NlpSpeech, bundle: Path
) -> None:
    done = nlp_speech("predict", bundle, "")
    counts = json.loads((bundle / "labels.json").read_text())
    commonest = max(counts, key=lambda label: counts[label])
    assert (done.code, done.out) == (0, f"{commonest}\n")
    assert "there is nothing to read" in done.err


def test_a_translator_has_no_words_to_weigh(
    nlp_speech: NlpSpeech, trained_bundle: Path, tmp_path: Path
) -> None:
    done = nlp_speech("predict", trained_bundle, "one", "--explain", tmp_path / "x")
    assert done.code == 1
    assert done.err == "nlp-speech: --explain: a translation has no words to weigh\n"
    done = nlp_speech("evaluate", trained_bundle, "--plot", tmp_path / "x.png")
    assert done.code == 1
    assert "no classes to confuse" in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_picture_of_no_format_is_told_before_the_answers(
    nlp_speech: NlpSpeech, bundle: Path, tmp_path: Path
) -> None:
    words = ("--plot", tmp_path / "c.doc", "--json", tmp_path / "r.json")
    done = nlp_speech("evaluate", bundle, *words)
    assert done.code == 1
    assert "give the picture one of the suffixes: " in done.err
    assert "accuracy" not in done.out
    assert list(tmp_path.iterdir()) == []


GOOD = [("good", "x"), ("fine", "x"), ("bad", "y"), ("poor", "y")]


@pytest.mark.parametrize(
    ("rows", "data", "message"),
    [
        (GOOD, {"text": "review"}, "train.jsonl:1: there is no column 'review'; the"),
        (GOOD, {"labels": {"x": "a", "z": "b"}}, "train.jsonl:3: unknown label 'y'"),
        (GOOD[:2], {}, "all 2 training rows have the label x"),
        ([("  ", "x"), ("", "y")], {}, "train.jsonl: no row has a text"),
    ],
)
def test_bad_data_ends_in_one_sentence(
    nlp_speech: NlpSpeech, tmp_path: Path, rows: Any, data: Any, message: str
) -> None:
    table = write_table(tmp_path / "train.jsonl", rows)
    text = data.pop("text", None)
    config = write_config(
        tmp_path, train=[table | ({"text": text} if text else {})], **data
    )
    done = nlp_speech("train", config, "--output", tmp_path / "run")
    assert done.code == 1
    assert message in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "run").exists()


def test_an_unknown_label_in_given_data(
    nlp_speech: NlpSpeech, bundle: Path, tmp_path: Path
) -> None:
    table = write_table(tmp_path / "a.jsonl", [("fine", "good"), ("so so", "maybe")])
    done = nlp_speech("evaluate", bundle, "--data", table["file"])
    assert done.code == 1
    assert "example 2 has the label 'maybe', which the model does not know" in done.err
