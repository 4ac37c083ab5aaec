"""The host side of a language model: corpus, arrays, results and scores."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nlp_speech.errors import UserError
from nlp_speech.tasks import language_model as task
from nlp_speech.tasks.language_model.corpus import read_corpus
from nlp_speech.tasks.language_model.demo import SIZES, make_corpus, write_corpus
from nlp_speech.text.tokenizer import EOS

TEXTS = [f"This is text number {n}." for n in range(40)]


def config_of(directory: Path, texts: list[str] = TEXTS, **data: Any) -> Any:
    (directory / "train.txt").write_text("\n".join(texts), encoding="utf-8")
    values = {"data": {"train": [{"file": str(directory / "train.txt")}], **data}}
    return task.Config.model_validate_json(json.dumps(values))


def test_texts_that_stand_elsewhere_are_left_out(tmp_path: Path) -> None:
    other = tmp_path / "test.tsv"
    other.write_text("text\nTHIS is text <b>number</b> 3\nsome other\n")
    section = {"file": str(other)}
    config = config_of(tmp_path, exclude=[section], test={"test": section})
    corpus = read_corpus(config)
    assert corpus.excluded == 1
    assert len(corpus.validation) == 1
    assert sorted(corpus.train + corpus.validation) == sorted(set(TEXTS) - {TEXTS[3]})
    assert task.references(config, "test")[0] == [
        "THIS is text  number  3",
        "some other",
    ]
    with pytest.raises(UserError, match="no split 'dev'; choose one of: train, "):
        task.references(config, "dev")


def test_validation_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "val.txt").write_text(f"{TEXTS[7]}\nnew\n")
    config = config_of(tmp_path, validation={"file": str(tmp_path / "val.txt")})
    corpus = read_corpus(config)
    assert corpus.validation == [TEXTS[7], "new"]
    assert corpus.excluded == 1
    assert TEXTS[7] not in corpus.train


def test_too_few_texts(tmp_path: Path) -> None:
    for texts in (["only one"], ["again"] * 9):
        with pytest.raises(UserError, match="there is one training text only"):
            read_corpus(config_of(tmp_path, texts))


def test_scores_are_those_of_the_sums() -> None:
    texts = ["one two three", "four", " "]
    results = [
        task.TextScore(-12.0, 6, -10.0),
        task.TextScore(-3.0, 2, -4.0),
        task.TextScore(0.0, 0, 0.0),
    ]
    scores, signatures = task.score(results, texts)
    assert scores.keys() == signatures.keys()
    assert scores["perplexity"] == pytest.approx(math.exp(15 / 8))
    assert scores["word_perplexity"] == pytest.approx(math.exp(15 / 6))
    assert scores["bits_per_character"] == pytest.approx(15 / 19 / math.log(2))
    assert scores["backward_perplexity"] == pytest.approx(math.exp(14 / 8))
    forward = [task.TextScore(-1.0, 1)]
    assert "backward_perplexity" not in task.score(forward, ["x"])[0]


def test_a_model_that_has_gone_astray_has_a_score() -> None:
    found = task.TextScore(-2000.0, 1, -2000.0)
    assert math.isfinite(found.perplexity)
    scores, _ = task.score([found], ["x"])
    assert all(math.isfinite(value) for value in scores.values())


def test_results_agree_within_rounding() -> None:
    result = task.TextScore(-250.0, 40, -260.0)
    assert result.agrees(task.TextScore(-250.0001, 40, -260.0))
    assert not result.agrees(task.TextScore(-250.1, 40, -260.0))
    assert not result.agrees(task.TextScore(-250.0, 40, -260.1))
    assert not result.agrees(task.TextScore(-250.0, 41, -260.0))
    assert result.perplexity == pytest.approx(math.exp(6.25))
    assert result.warning() is None


def test_a_text_stands_between_ends(tmp_path: Path) -> None:
    from nlp_speech.tasks.language_model import training

    config = config_of(tmp_path)
    config = config.model_copy(
        update={
            "tokenizer": config.tokenizer.model_copy(update={"vocabulary_size": 30})
        }
    )
    training.prepare(config, tmp_path / "assets")
    assets = task.load_assets(config, tmp_path / "assets")
    arrays = task.before("score_ids", [TEXTS[0], "", "<br/>"], assets)
    for ids, length in zip(arrays["ids"], arrays["lengths"], strict=True):
        assert ids[0] == ids[length] == EOS
        assert not np.any(ids[length + 1 :])
    assert arrays["lengths"].tolist()[1:] == [1, 1]
    assert assets.tokenizer.decode(arrays["ids"][:1]) == [TEXTS[0]]
    outputs = {"log_probability": -np.ones(3), "pieces": arrays["lengths"]}
    found = task.after("score_ids", outputs, [TEXTS[0], "", "<br/>"], assets)
    assert found[0].pieces > 1
    assert [r.pieces for r in found[1:]] == [0, 0]
    assert [r.perplexity for r in found[1:]] == [1, 1]
    assert found[1].warning()


def test_the_generated_corpus(tmp_path: Path) -> None:
    corpus = make_corpus(1)
    assert {name: len(texts) for name, texts in corpus.items()} == SIZES
    texts = [text for part in corpus.values() for text in part]
    assert len(set(texts)) == len(texts)
    write_corpus(tmp_path, 1)
    first = (tmp_path / "train.txt").read_bytes()
    write_corpus(tmp_path, 1)
    assert (tmp_path / "train.txt").read_bytes() == first
