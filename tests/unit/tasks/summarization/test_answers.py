"""What a summarizer answers: copied words, odd input, bad config."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nlp_speech.config import read_config
from nlp_speech.errors import UserError
from nlp_speech.runtime import answer
from nlp_speech.runtime.keras import KerasPredictor
from nlp_speech.tasks import summarization as task
from nlp_speech.tasks.summarization import training
from nlp_speech.tasks.summarization.corpus import read_training

TASK: Any = task

ROWS = [
    (f"{who} saw {what} near the {where} today", f"{who} saw {what}")
    for who in ("Ann", "Ben", "the old man")
    for what in ("a dog", "two birds", "nobody")
    for where in ("lake", "station", "hill")
]


def make_config(directory: Path, rows: Any = ROWS, *more: str) -> Any:
    lines = [json.dumps({"document": d, "summary": s}) + "\n" for d, s in rows]
    (directory / "train.jsonl").write_text("".join(lines), encoding="utf-8")
    lines = [json.dumps({"document": d, "summary": s}) + "\n" for d, s in ROWS[:4]]
    (directory / "val.jsonl").write_text("".join(lines), encoding="utf-8")
    table = '{file: "' + str(directory) + '/%s.jsonl"}'
    file = directory / "config.yaml"
    file.write_text(
        f"task: summarization\ndata:\n  train: [{table % 'train'}]\n"
        f"  validation: {table % 'val'}\n",
        encoding="utf-8",
    )
    small = ["tokenizer.vocabulary_size=31", "model.units=8"]
    small += ["model.embedding_units=8", "decoding.max_source_length=40"]
    return read_config(file, [*small, "decoding.max_length=12", *more])


class Reader:
    """A model that copies from the first place on: what comes out is known."""

    def __init__(self, directory: Path) -> None:
        config = make_config(directory)
        training.prepare(config, directory / "learned")
        self.assets = task.load_assets(config, directory / "learned")
        model = training.build(config, self.assets)
        # Nothing is written, all is copied; whatever was read once is not read again.
        gate: Any = model.gate
        gate.bias.assign([-100.0])
        attention = model.decoder.attention
        for weight in attention.weights:
            weight.assign(np.zeros(weight.shape))
        attention.coverage_bias.assign([-100.0])
        endpoints = training.endpoints(config, self.assets, model)
        self.predictor = KerasPredictor(endpoints)

    def __call__(self, inputs: list[str], endpoint: str) -> list[task.Summary]:
        return answer(TASK, self.assets, self.predictor, inputs, endpoint=endpoint)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    return Reader(tmp_path_factory.mktemp("reader"))


@pytest.mark.parametrize("endpoint", [task.SERVER_ENDPOINT, task.DEVICE_ENDPOINT])
def test_unknown_words_come_out_letter_for_letter(
    reader: Reader, endpoint: str
) -> None:
    for text in ("日本語🙂", "🙂 ①", "שלום"):
        [result] = reader([text], endpoint)
        for summary in result.n_best:
            assert "\u2047" not in summary.text
        said = "".join(h.text for h in result.n_best)
        assert set(said) - {" "} <= set(text.replace("①", "1")) - {" "}
        assert set(said) & set("日🙂ש")


@pytest.mark.parametrize("endpoint", [task.SERVER_ENDPOINT, task.DEVICE_ENDPOINT])
def test_odd_documents(reader: Reader, endpoint: str) -> None:
    empty, blank, long, short = reader(["", " \t", "Ann saw " * 5000, "Ann"], endpoint)
    for result in (empty, blank):
        assert result.text == ""
        assert result.empty
        assert "nothing to read" in (result.warning() or "")
    assert long.truncated
    assert "too long" in (long.warning() or "")
    assert short.warning() is None
    assert short.text


@pytest.mark.parametrize("endpoint", [task.SERVER_ENDPOINT, task.DEVICE_ENDPOINT])
def test_html_says_what_its_text_says(reader: Reader, endpoint: str) -> None:
    plain, marked = reader(
        ["Ann saw 日 & a dog", "<p class='x'>Ann saw <b>日</b>&nbsp;&amp;<br/>a dog"],
        endpoint,
    )
    assert marked.n_best == plain.n_best
    assert "日" in "".join(h.text for h in marked.n_best)
    assert marked.document.split() == plain.document.split()
    [nothing] = reader(["<br />"], endpoint)
    assert nothing.empty


def test_html_is_not_learned(tmp_path: Path) -> None:
    rows = [(f"<p>{d}</p>", f"<b>{s}</b>") for d, s in ROWS]
    learned = []
    for name, found in (("plain", ROWS), ("marked", rows)):
        directory = tmp_path / name
        directory.mkdir()
        config = make_config(directory, found)
        training.prepare(config, directory)
        assets = task.load_assets(config, directory)
        batches = training.training_data(config, assets, "train").dataset(0)
        learned.append([b["source"].numpy().tolist() for b in batches])
    assert learned[0] == learned[1]


@pytest.mark.parametrize("endpoint", [task.SERVER_ENDPOINT, task.DEVICE_ENDPOINT])
def test_a_hundred_thousand_words(reader: Reader, endpoint: str) -> None:
    [result] = reader(["Ann saw " * 50_000], endpoint)
    assert result.truncated
    assert result.text


def test_both_endpoints_say_the_same(reader: Reader) -> None:
    inputs = [*TASK.samples(None), *(document for document, _ in ROWS[:3])]
    server, device = (
        reader(inputs, e) for e in (task.SERVER_ENDPOINT, task.DEVICE_ENDPOINT)
    )
    assert [r.n_best for r in server] == [r.n_best for r in device]


def test_training_documents_of_other_splits_are_left_out(tmp_path: Path) -> None:
    rows = [*ROWS, ROWS[-1]]
    config = make_config(tmp_path, rows, "data.exclude_splits=[validation]")
    found = read_training(config)
    assert found.excluded == 4
    assert len(found.pairs) == len(ROWS) - 4


def test_long_documents_are_cut_for_training(tmp_path: Path) -> None:
    rows = [*ROWS, ("Ben saw nobody " * 50, "Ben")]
    config = make_config(tmp_path, rows)
    training.prepare(config, tmp_path / "learned")
    assets = task.load_assets(config, tmp_path / "learned")
    data = training.training_data(config, assets, "train")
    longest = 0
    for batch in data.dataset(0):
        longest = max(longest, int(batch["source_lengths"].numpy().max()))
    assert longest == 41
    assert data.left_out(0) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("data.exclude_splits=[none]", "no split 'none'"),
        ("batch.max_length=20", "max_source_length"),
        ("model.copy_sources=true", "copy_source"),
    ],
)
def test_bad_configs(tmp_path: Path, change: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_config(tmp_path, ROWS, change)


def test_nothing_to_train_on(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no row has both"):
        read_training(make_config(tmp_path, [(" ", "a"), ("b", "")]))
    config = make_config(tmp_path, ROWS[:4], "data.exclude_splits=[validation]")
    with pytest.raises(UserError, match="leaves no training row"):
        read_training(config)
