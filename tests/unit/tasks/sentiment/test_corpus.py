"""The splits of a sentiment experiment, and what is wrong with bad ones."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from nlp_speech.check import look_at
from nlp_speech.errors import UserError
from nlp_speech.tasks.sentiment import load_assets, references
from nlp_speech.tasks.sentiment.corpus import read_corpus
from nlp_speech.tasks.sentiment.data import class_weights, prepare, training_data

# Different texts of the same words.
MANY = [" ".join(words) for words in permutations("not a very good film".split())][:8]


def table(path: Path, *rows: tuple[str, str]) -> dict[str, str]:
    lines = ["text\tlabel", *("\t".join(row) for row in rows)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return {"file": str(path)}


def test_a_split_of_each_class(make_config: Any) -> None:
    config = make_config()
    corpus = read_corpus(config)
    assert corpus.classes == ("bad", "good")
    assert corpus.counts == {"bad": 3, "good": 3}
    assert sorted(e.label for e in corpus.validation) == ["bad", "good"]
    assert references(config, "validation") == (
        [e.text for e in corpus.validation],
        [e.label for e in corpus.validation],
    )
    assert len(references(config, "train")[0]) == 6


def test_training_texts_of_other_splits_are_left_out(
    make_config: Any, tmp_path: Path
) -> None:
    test = table(tmp_path / "test.tsv", ("A good film!", "good"), ("odd", "bad"))
    val = table(tmp_path / "val.tsv", ("Not bad, at all", "good"), ("so bad", "bad"))
    data = {"test": {"test": test}, "validation": val}
    everything = read_corpus(make_config(**data))
    assert (len(everything.train), everything.excluded) == (8, 0)
    corpus = read_corpus(make_config(**data, exclude_splits=["test", "validation"]))
    assert (len(corpus.train), corpus.excluded) == (6, 2)
    texts = {e.text for e in corpus.train}
    assert not {"a good film", "not bad at all"} & texts
    only = read_corpus(make_config(**data, exclude_splits=["test"]))
    assert only.excluded == 1


def test_texts_that_count_more_often(make_config: Any, tmp_path: Path) -> None:
    val = table(tmp_path / "val.tsv", ("so good", "good"), ("so bad", "bad"))
    some = table(tmp_path / "some.tsv", ("very odd", "bad"), ("so good", "good"))
    twice = {**some, "times": 2}
    train = [*make_config().model_dump(mode="json")["data"]["train"], twice]
    config = make_config(train=train, validation=val, exclude_splits=["validation"])
    corpus = read_corpus(config)
    assert [e.text for e in corpus.train].count("very odd") == 2
    assert (len(corpus.train), corpus.excluded) == (8 + 2, 1)
    assert len(corpus.validation) == 2
    with pytest.raises(ValidationError, match=r"times: .* give data\.validation"):
        make_config(train=train)
    with pytest.raises(ValidationError, match="Extra inputs"):
        make_config(validation={**val, "times": 2})


def test_splits_to_exclude_must_exist(make_config: Any) -> None:
    with pytest.raises(ValidationError, match="no split 'test'; choose from: none"):
        make_config(exclude_splits=["test"])


def test_nothing_left(make_config: Any, tmp_path: Path) -> None:
    rows = [("good", "x"), ("bad", "y")]
    test = table(tmp_path / "test.tsv", *rows)
    with pytest.raises(UserError, match="exclude_splits leaves no training row"):
        read_corpus(make_config(rows, test={"t": test}, exclude_splits=["t"]))


def test_missing_column(make_config: Any, tmp_path: Path) -> None:
    file = table(tmp_path / "a.tsv", ("good", "x"))["file"]
    config = make_config(train=[{"file": file, "text": "review"}])
    with pytest.raises(UserError, match=r"a\.tsv:1: .* 'review'; .* 'text', 'label'"):
        read_corpus(config)


def test_unknown_label(make_config: Any, tmp_path: Path) -> None:
    config = make_config(labels={"good": "positive", "awful": "negative"})
    with pytest.raises(UserError, match=r"train\.jsonl:5: unknown label 'bad'"):
        read_corpus(config)
    val = table(tmp_path / "val.tsv", ("fine", "goood"))
    with pytest.raises(UserError, match=r"val\.tsv: the label 'goood' is in no train"):
        read_corpus(make_config(validation=val))


def test_one_class(make_config: Any) -> None:
    rows = [(f"text {n}", "good") for n in range(5)]
    with pytest.raises(UserError, match="all 5 training rows have the label good"):
        read_corpus(make_config(rows))


def test_a_class_with_one_example_is_trained_on(make_config: Any) -> None:
    rows = [("a bad one", "rare"), *((text, "common") for text in MANY)]
    corpus = read_corpus(make_config(rows))
    assert corpus.counts == {"common": 6, "rare": 1}
    assert corpus.warnings == [
        "class 'rare' has 1 training example and none for validation: how well it is "
        "found cannot be measured"
    ]
    with pytest.raises(UserError, match="every class has one text"):
        read_corpus(make_config([("odd", "x"), ("even", "y")]))


def test_unknown_split(make_config: Any) -> None:
    with pytest.raises(UserError, match="no split 'tset'; choose one of: train, val"):
        references(make_config(), "tset")


def test_given_files(make_config: Any, tmp_path: Path) -> None:
    file = Path(table(tmp_path / "mine.tsv", ("fine", "good"), (" ", "bad"))["file"])
    found = references(make_config(), "", [file, file])
    assert found == (["fine", " "] * 2, ["good", "bad"] * 2)


def test_what_is_prepared(
    make_config: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [("a <b>bad</b> one", "rare"), *((text, "common") for text in MANY)]
    config = make_config(rows, labels={"common": "usual", "rare": "odd"})
    with caplog.at_level("INFO", "nlp_speech"):
        prepare(config, tmp_path / "learned")
    assert "7 training texts (usual 6, odd 1), 2 for validation" in caplog.text
    assert "cannot be measured" in caplog.text
    report = json.loads((tmp_path / "learned" / "data.json").read_text())
    assert (report["train"], report["validation"], report["excluded"]) == (7, 2, 0)
    assets = load_assets(config, tmp_path / "learned")
    assert assets.labels == ("usual", "odd")
    assert assets.shares == pytest.approx((6 / 7, 1 / 7))
    # Tags are no text.
    assert assets.tokenizer.canonical("<b>").find("<") == 0
    assert "<" not in "".join(assets.tokenizer.pieces(range(assets.tokenizer.size))[4:])


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"a": "b"}', "3"])
def test_damaged_labels(make_config: Any, tmp_path: Path, content: str) -> None:
    config = make_config()
    prepare(config, tmp_path / "learned")
    (tmp_path / "learned" / "labels.json").write_text(content)
    with pytest.raises(UserError, match=r"labels\.json: the labels cannot be read"):
        load_assets(config, tmp_path / "learned")


def test_batches_hold_labels_and_weights(make_config: Any, tmp_path: Path) -> None:
    rows = [("a bad one", "rare"), *((text, "common") for text in MANY), (" ", "x")]
    config = make_config(rows[:-1], class_weights="balanced")
    prepare(config, tmp_path / "learned")
    assets = load_assets(config, tmp_path / "learned")
    data = training_data(config, assets, "train")
    seen = []
    for batch in data.dataset(0):
        real = batch["text_lengths"].numpy() > 0
        assert not batch["labels"].numpy()[~real].any()
        assert not batch["weights"].numpy()[~real].any()
        assert batch["weights"].dtype == np.float32
        names = [assets.labels[n] for n in batch["labels"].numpy()[real]]
        weights = batch["weights"].numpy()[real].tolist()
        seen += zip(names, weights, strict=True)
    assert sorted(name for name, _ in seen) == ["common"] * 6 + ["rare"]
    # Both classes count as much, and an example 1 in the mean.
    sums = {n: sum(w for m, w in seen if m == n) for n in assets.labels}
    assert sums == pytest.approx({"common": 3.5, "rare": 3.5})


def test_class_weights(make_config: Any, tmp_path: Path) -> None:
    prepare(make_config(), tmp_path / "learned")
    assets = load_assets(make_config(), tmp_path / "learned")
    assert class_weights(make_config(), assets).tolist() == [1, 1]
    config = make_config(class_weights={"good": 2.0, "bad": 0.5})
    # Their mean over the training texts is 1: the loss keeps its size.
    assert class_weights(config, assets) == pytest.approx([0.4, 1.6])
    config = make_config(class_weights={"good": 0.001, "bad": 0.001})
    assert class_weights(config, assets) == pytest.approx([1, 1])
    for wrong in ({"good": 1.0}, {"good": 1.0, "bad": 0.0}):
        with pytest.raises(UserError, match="the classes are: bad, good"):
            read_corpus(make_config(class_weights=wrong))


def test_check_sees_what_training_would_refuse(
    make_config: Any, tmp_path: Path
) -> None:
    def errors(config: Any) -> list[str]:
        return [
            f"{f.split}: {f.problem}" for f in look_at(config).findings if f.is_error
        ]

    val = table(tmp_path / "val.tsv", ("so odd", "odd"), ("so bad", "bad"))
    assert errors(make_config()) == []
    assert errors(make_config(validation=val)) == [
        "validation: have a label that no training row has: 'odd'"
    ]
    found = look_at(make_config(test={"test": val})).findings
    assert ["test"] == [f.split for f in found if "no training row" in f.problem]
    [one] = errors(make_config([("good film", "good"), ("very good", "good")]))
    assert "a classifier needs two classes" in one
    [none] = errors(make_config(labels={"good": "good", "bad": "bad", "x": "odd"}))
    assert "no training row has the label 'odd'" in none
    [wrong] = errors(make_config(class_weights={"good": 1.0}))
    assert "give each class a number above 0" in wrong


def taught(path: Path, *rows: tuple[str, dict[str, float]]) -> dict[str, str]:
    """A table as `predict --json` writes it."""
    lines = [json.dumps({"input": text, "probabilities": p}) for text, p in rows]
    path.write_text("\n".join(lines), encoding="utf-8")
    return {"file": str(path), "text": "input", "probabilities": "probabilities"}


def test_what_another_model_says(make_config: Any, tmp_path: Path) -> None:
    says = {"bad": 0.3, "good": 0.7}
    more = taught(tmp_path / "more.jsonl", ("a film", says), ("films", {"bad": 1}))
    base = make_config().data.train[0].model_dump()
    validation = table(tmp_path / "val.tsv", ("so bad", "bad"), ("so good", "good"))
    config = make_config(train=[more, base], validation=validation)
    corpus = read_corpus(config)
    assert corpus.counts == {"bad": 5, "good": 5}
    assert not look_at(config).errors
    # Other tables have labels, as those of the config that have them.
    held = tmp_path / "held.jsonl"
    held.write_text('{"text": "bad film", "label": "bad"}', encoding="utf-8")
    assert references(make_config(train=[more, base]), "", [held])[1] == ["bad"]

    run = tmp_path / "run"
    prepare(config, run)
    assert json.loads((run / "data.json").read_text())["taught_by_probabilities"] == 2
    [batch] = training_data(config, load_assets(config, run), "train").dataset(0)
    targets = batch["targets"].numpy()
    real = batch["text_lengths"].numpy() > 0
    np.testing.assert_allclose(targets[real].sum(axis=1), 1)
    assert not targets[~real].any()
    assert np.isclose(targets, [0.3, 0.7]).all(axis=1).sum() == 1
    assert (targets.argmax(axis=1) == batch["labels"].numpy()).all()


def test_only_labels_measure(make_config: Any, tmp_path: Path) -> None:
    says = [(text, {"bad": 0.3, "good": 0.7}) for text in MANY[1:]]
    more = taught(tmp_path / "more.jsonl", *says, ("films", {"bad": 1}))
    rows = [(text, ("bad", "good")[n % 2]) for n, text in enumerate(MANY)]
    corpus = read_corpus(make_config(train=[table(tmp_path / "a.tsv", *rows), more]))
    assert corpus.validation
    assert not any(e.probabilities for e in corpus.validation)
    held = {e.text for e in corpus.validation}
    assert not held & {e.text for e in corpus.train}
    assert not corpus.warnings

    config = make_config(train=[more])
    warning, *_ = read_corpus(config).warnings
    assert "no text for validation has a label of its own" in warning
    # A table that is given is like the test set, not like what was taught.
    test = {"test": table(tmp_path / "test.tsv", ("so bad", "bad"), ("good", "good"))}
    config = make_config(train=[more], test=test)
    assert references(config, "", [tmp_path / "test.tsv"])[1] == ["bad", "good"]


def test_probabilities_of_no_class(make_config: Any, tmp_path: Path) -> None:
    says = {"bad": 0.3, "good": 0.6, "fair": 0.1}
    more = taught(tmp_path / "more.jsonl", ("a film", says))
    config = make_config(train=[make_config().data.train[0].model_dump(), more])
    with pytest.raises(
        UserError, match="the class 'fair' has probabilities but is the"
    ):
        read_corpus(config)
    assert any("'fair'" in f.problem for f in look_at(config).findings)
