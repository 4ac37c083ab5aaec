"""A classifier that begins with a language model has its words and its LSTMs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nlp_speech.config import dump_config, read_config
from nlp_speech.contract import load_task, load_training_task
from nlp_speech.errors import UserError
from nlp_speech.export import _copy_assets
from nlp_speech.pretrained import read_pretrained
from nlp_speech.tasks import sentiment
from nlp_speech.tasks.sentiment import training
from nlp_speech.tasks.sentiment.corpus import read_corpus
from nlp_speech.weights import save_weights, weights_by_path

TEXTS = [
    f"{this} film is {how}{what}"
    for this in ("this", "that", "the old")
    for how in ("", "not ", "very ")
    for what in ("good", "bad", "long", "fine")
]
SIZES = {"embedding_units": 8, "units": 6, "layers": 2}


def language_run(directory: Path, **model: Any) -> Any:
    """A run as training leaves it behind, with random weights; gives the model."""
    directory.mkdir()
    texts = directory / "texts.txt"
    texts.write_text("\n".join(TEXTS), encoding="utf-8")
    file = directory / "config.yaml"
    values = {
        "task": "language_model",
        "data": {"train": [{"file": str(texts)}], "validation_share": 0.2},
        "tokenizer": {"vocabulary_size": 24},
        "model": {**SIZES, **model},
    }
    file.write_text(json.dumps(values), encoding="utf-8")
    config = read_config(file)
    file.write_text(dump_config(config), encoding="utf-8")
    task = load_training_task("language_model")
    task.prepare(config, directory / "assets")
    assets = load_task("language_model").load_assets(config, directory / "assets")
    model = task.build(config, assets)
    save_weights(model, directory / "weights.npz")
    return model


def classifier_config(make_config: Callable[..., Any], run: Path, **model: Any) -> Any:
    values = make_config().model_dump(mode="json")
    values["model"] |= {"pretrained": str(run), **SIZES, **model}
    values["tokenizer"] = {}
    return sentiment.Config.model_validate_json(json.dumps(values))


def test_it_begins_with_the_language_models_weights(
    tmp_path: Path, make_config: Callable[..., Any]
) -> None:
    run, assets_directory = tmp_path / "run", tmp_path / "assets"
    language = language_run(run)
    config = classifier_config(make_config, run)
    training.prepare(config, assets_directory)
    # From here on the run does not need the language model.
    shutil.rmtree(run)
    assets = sentiment.load_assets(config, assets_directory)
    classifier = training.build(config, assets)
    theirs, ours = weights_by_path(language), weights_by_path(classifier)
    shared = [p for p in ours if p == "table" or p.startswith(("forward", "backward"))]
    assert len(shared) == 1 + 2 * 2 * 3
    for path in shared:
        np.testing.assert_array_equal(np.asarray(ours[path]), np.asarray(theirs[path]))
    # The same paths are the same computation.
    ids, lengths = np.array([[4, 9, 5, 7, 3]], np.int32), np.array([5], np.int32)
    x = classifier.embed(ids)
    np.testing.assert_array_equal(x, language.embed(ids))
    np.testing.assert_allclose(
        classifier.forward(x, lengths)[0], language.forward(x, lengths)[0], rtol=1e-6
    )


@pytest.mark.parametrize("pretrained", [True, False])
def test_pooled_features_are_standardized(
    tmp_path: Path, make_config: Callable[..., Any], pretrained: bool
) -> None:
    language_run(tmp_path / "run")
    names = ("word_dropout", "embedding_dropout", "weight_dropout", "dropout")
    still = dict.fromkeys(names, 0)
    config = classifier_config(make_config, tmp_path / "run", **still)
    if not pretrained:
        config = make_config()
        config = config.model_copy(
            update={"model": config.model.model_copy(update=still)}
        )
    training.prepare(config, tmp_path / "assets")
    assets = sentiment.load_assets(config, tmp_path / "assets")
    classifier = training.build(config, assets)
    corpus = read_corpus(config)
    rows = assets.tokenizer.encode([e.text for e in corpus.train])
    arrays = [(np.array([[*row, 3]]), np.array([len(row) + 1])) for row in rows]
    pooled = [
        np.asarray(classifier.pool(classifier.embed(ids), lengths))[0]
        for ids, lengths in arrays
    ]
    scaled = (pooled - classifier.pooled_mean.numpy()) * classifier.pooled_scale.numpy()
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-3)
    spread = scaled.std(axis=0)
    assert spread.max() < 1.001
    assert np.median(spread) == pytest.approx(1, abs=1e-3)
    # No class is preferred.
    assert not np.any(classifier.softmax.kernel)


def test_a_feature_that_does_not_vary_keeps_its_size(
    tmp_path: Path, make_config: Callable[..., Any]
) -> None:
    run = tmp_path / "run"
    language = language_run(run)
    language.forward.lstms[-1].set_weights(
        [np.zeros_like(w) for w in language.forward.lstms[-1].get_weights()]
    )
    save_weights(language, run / "weights.npz")
    config = classifier_config(make_config, run)
    training.prepare(config, tmp_path / "assets")
    assets = sentiment.load_assets(config, tmp_path / "assets")
    scale = training.build(config, assets).pooled_scale.numpy().reshape(3, -1)
    np.testing.assert_array_equal(scale[:, : SIZES["units"]], 1)
    assert scale[:, SIZES["units"] :].max() > 1


def test_a_bundle_does_not_hold_what_it_began_with(
    tmp_path: Path, make_config: Callable[..., Any]
) -> None:
    language_run(tmp_path / "run")
    config = classifier_config(make_config, tmp_path / "run")
    training.prepare(config, tmp_path / "assets")
    (tmp_path / "bundle").mkdir()
    _copy_assets(tmp_path / "assets", tmp_path / "bundle")
    assert sentiment.load_assets(config, tmp_path / "assets").pretrained is not None
    assert sentiment.load_assets(config, tmp_path / "bundle").pretrained is None


def classifier_run(make_config: Callable[..., Any], directory: Path) -> Any:
    """A classifier as training leaves it behind; gives the model."""
    values = make_config().model_dump(mode="json")
    values["model"] |= {**SIZES, "attention_units": 5, "hidden_units": 4}
    config = sentiment.Config.model_validate_json(json.dumps(values))
    training.prepare(config, directory / "assets")
    model = training.build(config, sentiment.load_assets(config, directory / "assets"))
    model.temperature.assign(2.0)
    save_weights(model, directory / "weights.npz")
    (directory / "config.yaml").write_text(dump_config(config), encoding="utf-8")
    return model


@pytest.mark.parametrize("same_labels", [True, False])
def test_it_begins_with_a_classifiers_weights(
    tmp_path: Path, make_config: Callable[..., Any], same_labels: bool
) -> None:
    run = tmp_path / "run"
    theirs = classifier_run(make_config, run)
    if not same_labels:
        (run / "assets/labels.json").write_text('{"spam": 3, "ham": 2}')
    config = classifier_config(make_config, run, attention_units=5, hidden_units=4)
    training.prepare(config, tmp_path / "assets")
    shutil.rmtree(run)
    ours = training.build(config, sentiment.load_assets(config, tmp_path / "assets"))
    others = {"temperature"} | (set() if same_labels else {"softmax/kernel"})
    before = weights_by_path(theirs)
    for path, weight in weights_by_path(ours).items():
        same = np.array_equal(np.asarray(weight), np.asarray(before[path]))
        assert same == (path not in others) or path == "softmax/bias", path
    assert float(ours.temperature) == 1


def test_labels_in_another_order_keep_their_softmax(
    tmp_path: Path, make_config: Callable[..., Any]
) -> None:
    run = tmp_path / "run"
    theirs = classifier_run(make_config, run)
    labels = run / "assets/labels.json"
    counts = json.loads(labels.read_text())
    labels.write_text(json.dumps(dict(reversed(counts.items()))))
    config = classifier_config(make_config, run, attention_units=5, hidden_units=4)
    training.prepare(config, tmp_path / "assets")
    ours = training.build(config, sentiment.load_assets(config, tmp_path / "assets"))
    kernel = weights_by_path(theirs)["softmax/kernel"].numpy()
    np.testing.assert_array_equal(
        weights_by_path(ours)["softmax/kernel"].numpy(), kernel[:, ::-1]
    )


def test_a_classifier_of_other_sizes(
    tmp_path: Path, make_config: Callable[..., Any]
) -> None:
    classifier_run(make_config, tmp_path / "run")
    config = classifier_config(make_config, tmp_path / "run", attention_units=5)
    with pytest.raises(UserError, match=r"classifier has model\.hidden_units 4"):
        training.prepare(config, tmp_path / "assets")


@pytest.mark.parametrize(
    ("theirs", "ours", "message"),
    [
        ({}, {"units": 7}, "model.units 6 and the config 7"),
        ({}, {"layers": 1}, "model.layers 2 and the config 1"),
        ({"embedding_units": 9}, {}, "model.embedding_units 9 and the config 8"),
        ({"directions": "forward"}, {}, "reads forward only"),
    ],
)
def test_other_sizes(
    tmp_path: Path,
    make_config: Callable[..., Any],
    theirs: dict[str, Any],
    ours: dict[str, Any],
    message: str,
) -> None:
    language_run(tmp_path / "run", **theirs)
    config = classifier_config(make_config, tmp_path / "run", **ours)
    with pytest.raises(UserError, match=message):
        training.prepare(config, tmp_path / "assets")


def test_a_forward_model_begins_a_forward_classifier(
    tmp_path: Path, make_config: Callable[..., Any]
) -> None:
    language_run(tmp_path / "run")
    config = classifier_config(make_config, tmp_path / "run", bidirectional=False)
    training.prepare(config, tmp_path / "assets")
    training.build(config, sentiment.load_assets(config, tmp_path / "assets"))


def test_no_model_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere: there is no trained model"):
        read_pretrained(str(tmp_path / "nowhere"), "language_model")
    with pytest.raises(UserError, match="no bundle and no finished run"):
        read_pretrained(str(tmp_path), "language_model")


def test_a_model_of_another_task(tmp_path: Path) -> None:
    language_run(tmp_path / "run")
    with pytest.raises(
        UserError, match="a model of language_model; name a toy or senti"
    ):
        read_pretrained(str(tmp_path / "run"), "toy", "sentiment")


def test_a_bundle_has_the_weights_of_its_model(toy_bundle: Path) -> None:
    found = read_pretrained(str(toy_bundle), "toy")
    from nlp_speech.bundle import Bundle
    from nlp_speech.runtime.keras import restore_model

    bundle = Bundle.open(toy_bundle)
    model = restore_model(bundle, load_training_task("toy"), bundle.load_assets())
    expected = weights_by_path(model)
    assert found.weights.keys() == expected.keys()
    for path, variable in expected.items():
        np.testing.assert_array_equal(found.weights[path], np.asarray(variable))


def test_the_vocabulary_comes_with_the_model(make_config: Callable[..., Any]) -> None:
    values = make_config().model_dump(mode="json")
    values["model"]["pretrained"] = "somewhere"
    with pytest.raises(ValueError, match=r"leave out tokenizer\.vocabulary_size"):
        sentiment.Config.model_validate_json(json.dumps(values))
