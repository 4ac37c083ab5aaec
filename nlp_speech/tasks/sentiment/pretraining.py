"""What a classifier begins with: a model that was trained before, or chance."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nlp_speech.errors import UserError
from nlp_speech.models.classifier import Classifier
from nlp_speech.pretrained import (
    PRETRAINED_FILE,
    Pretrained,
    check_same,
    read_pretrained,
)
from nlp_speech.tasks.sentiment import (
    NAME,
    TOKENIZER_FILE,
    Assets,
    load_assets,
)
from nlp_speech.tasks.sentiment.config import ModelSection, SentimentConfig
from nlp_speech.tasks.sentiment.model import build
from nlp_speech.text.flat import padded
from nlp_speech.text.tokenizer import EOS, Tokenizer
from nlp_speech.weights import save_weights, write_arrays

_log = logging.getLogger(__name__)

_LANGUAGE_MODEL = "language_model"
_SIZES = ("embedding_units", "units", "layers")
_ALL_SIZES = (*_SIZES, "bidirectional", "attention_units", "hidden_units")
_MEASURED = 256  # texts whose features are standardized, at most
_ROWS = 16
_PIECES = 1000
_LEAST = 1e-3  # a feature that hardly varies is not blown up


def begin_pretrained(
    config: SentimentConfig, directory: Path, texts: Sequence[str]
) -> None:
    """Writes what a classifier begins with, and the vocabulary that belongs to it.

    Of a language model these are words and LSTMs, and what they pool is standardized;
    see `standardize`. Of another classifier it is everything; the softmax only if the
    labels are the same.

    Args:
        config: names the model.
        directory: of the run's assets; its labels are there already.
        texts: of training, clean.

    Raises:
        UserError: there is no such model, or its sizes are not those of the config.
    """
    section = config.model
    assert section.pretrained is not None
    found = read_pretrained(section.pretrained, _LANGUAGE_MODEL, NAME)
    Tokenizer.load(found.assets / TOKENIZER_FILE).save(directory / TOKENIZER_FILE)
    file = directory / PRETRAINED_FILE
    if found.config.task == NAME:
        check_same(found, "classifier", config, "model", _ALL_SIZES)
        ours = load_assets(config, directory).labels
        write_arrays(_of_classifier(found, ours), file)
        return
    check_same(found, "language model", config, "model", _SIZES)
    _check_directions(section, found)
    write_arrays(_of_language_model(section, found), file)
    standardize(config, directory, texts)


def standardize(config: SentimentConfig, directory: Path, texts: Sequence[str]) -> None:
    """Writes all that a classifier begins with, scales of what it pools among it.

    The features that LSTMs pool differ little from text to text beside what they have
    in common, so that dropout would hide what they tell. So they are standardized on
    some training texts, once: a data-dependent initialization (Salimans and Kingma
    2016, section 3). The softmax prefers no class: at first each is as likely, however
    large the features are.

    Args:
        config: of the classifier.
        directory: of the run's assets; labels, vocabulary and the weights taken from a
            language model, if any, are there already.
        texts: of training, clean.
    """
    random = np.random.default_rng(config.seed)
    some: list[int] = random.permutation(len(texts))[:_MEASURED].tolist()
    assets = load_assets(config, directory)
    model = build(config, assets)
    pooled = _pooled(model, assets, [texts[n] for n in some])
    model.pooled_mean.assign(pooled.mean(axis=0))
    model.pooled_scale.assign(1 / _spread(pooled))
    kernel: Any = model.softmax.kernel
    kernel.assign(np.zeros(kernel.shape))
    save_weights(model, directory / PRETRAINED_FILE)


def _of_language_model(
    section: ModelSection, found: Pretrained
) -> dict[str, np.ndarray]:
    stacks = ("forward/", "backward/") if section.bidirectional else ("forward/",)
    return {
        path: values
        for path, values in found.weights.items()
        if path == "table" or path.startswith(stacks)
    }


def _of_classifier(found: Pretrained, ours: Sequence[str]) -> dict[str, np.ndarray]:
    """All weights but a softmax of other labels, and the temperature, fitted anew."""
    theirs = load_assets(found.config, found.assets).labels
    weights = {p: w for p, w in found.weights.items() if p != "temperature"}
    softmax = {p: w for p, w in weights.items() if p.startswith("softmax/")}
    same = set(theirs) == set(ours)
    _log.info(
        "it begins with the classifier %s; its softmax %s",
        found.path,
        "too" if same else "is left: it has other labels",
    )
    if same:
        order = [theirs.index(label) for label in ours]
        return weights | {p: w[..., order] for p, w in softmax.items()}
    return {p: w for p, w in weights.items() if p not in softmax}


def _spread(pooled: np.ndarray) -> np.ndarray:
    """The standard deviation of each feature; 1 where there is hardly any."""
    found = pooled.std(axis=0)
    return np.where(found > _LEAST, found, 1.0)


def _pooled(model: Classifier, assets: Assets, texts: Sequence[str]) -> np.ndarray:
    """The features of texts, [texts, features], with the dropout of training."""
    rows = [[*ids[:_PIECES], EOS] for ids in assets.tokenizer.encode(texts)]
    rows.sort(key=len)
    found = []
    for start in range(0, len(rows), _ROWS):
        ids, lengths = padded(rows[start : start + _ROWS])
        found.append(model.pool(model.embed(ids, training=True), lengths, True).numpy())
    return np.concatenate(found)


def _check_directions(section: ModelSection, found: Pretrained) -> None:
    if section.bidirectional and found.config.model.directions != "both":
        raise UserError.at(
            found.path,
            None,
            "this language model reads forward only; set model.bidirectional to false, "
            "or train one with model.directions both",
        )
