"""Sentiment data: a vocabulary from the training text, batches from all text."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from nlp_speech.data.encoding import TextEncoder
from nlp_speech.data.labelled import Example
from nlp_speech.data.pipeline import Batches
from nlp_speech.data.texts import spread
from nlp_speech.errors import UserError
from nlp_speech.files import write_text
from nlp_speech.tasks.sentiment import LABELS_FILE, TOKENIZER_FILE, Assets
from nlp_speech.tasks.sentiment.config import SentimentConfig
from nlp_speech.tasks.sentiment.corpus import Corpus, read_corpus
from nlp_speech.tasks.sentiment.pretraining import begin_pretrained, standardize
from nlp_speech.text.normalization import clean
from nlp_speech.text.tokenizer import train_tokenizer

_log = logging.getLogger(__name__)


def prepare(config: SentimentConfig, directory: Path) -> None:
    """Learns vocabulary and classes from the training text; writes to `directory`.

    What is taken from a pretrained model is copied there, so that the run does not need
    that model again.

    The counts of what was read and left out go to ``data.json`` and the log.
    """
    corpus = read_corpus(config)
    directory.mkdir(parents=True, exist_ok=True)
    write_text(directory / LABELS_FILE, json.dumps(corpus.counts, ensure_ascii=False))
    texts = [clean(e.text) for e in corpus.train]
    if config.model.pretrained is None:
        some = list(spread(texts, config.tokenizer.learned_from, config.seed))
        train_tokenizer(some, config.tokenizer).save(directory / TOKENIZER_FILE)
        standardize(config, directory, texts)
    else:
        begin_pretrained(config, directory, texts)
    report = {
        "train": len(corpus.train),
        "validation": len(corpus.validation),
        "taught_by_probabilities": sum(bool(e.probabilities) for e in corpus.train),
        "excluded": corpus.excluded,
        "classes": corpus.counts,
    }
    write_text(directory / "data.json", json.dumps(report, indent=1))
    _tell(corpus)


def training_data(config: SentimentConfig, assets: Assets, split: str) -> Batches:
    """The batches of the split ``train`` (sampled pieces) or ``validation``.

    Besides ``text`` and ``text_lengths`` a batch has the number of each text's class,
    ``labels`` int32 [rows], the probabilities that it is taught, ``targets`` float32
    [rows, classes], and what it counts in the loss, ``weights`` float32 [rows].
    """
    training = split == "train"
    corpus = read_corpus(config)
    examples = corpus.train if training else corpus.validation
    # A text without anything to read teaches nothing.
    examples = [e for e in examples if e.text.strip()]
    if not examples:
        raise UserError(f"no text of the {split} split holds anything to read")
    section = config.tokenizer
    encoder = TextEncoder(
        [clean(e.text) for e in examples],
        assets.tokenizer,
        section.sampling_alpha if training and section.sample else None,
        (config.seed, 0),
    )
    numbers = {name: n for n, name in enumerate(assets.labels)}
    labels = np.array([numbers[e.label] for e in examples], np.int32)
    weights = class_weights(config, assets)
    return Batches(
        lambda epoch: {"text": encoder(epoch)},
        config.batch,
        config.seed,
        {
            "labels": labels,
            "targets": _targets(examples, numbers),
            "weights": weights[labels],
        },
        multiple=config.model.window,
    )


def class_weights(config: SentimentConfig, assets: Assets) -> np.ndarray:
    """What an example of each class counts in the loss, float32 [classes].

    The mean over the training examples is 1, so that the loss keeps its size.
    """
    given, shares = config.data.class_weights, np.array(assets.shares)
    if given is None:
        weights = np.ones(len(shares))
    elif isinstance(given, dict):
        weights = np.array([given[name] for name in assets.labels])
    else:
        weights = 1 / shares
    return (weights / (weights @ shares)).astype(np.float32)


def _targets(examples: Sequence[Example], numbers: Mapping[str, int]) -> np.ndarray:
    """The probabilities of the classes, float32 [examples, classes]."""
    targets = np.zeros([len(examples), len(numbers)], np.float32)
    for row, example in enumerate(examples):
        for name, share in example.probabilities or ((example.label, 1.0),):
            targets[row, numbers[name]] = share
    return targets


def _tell(corpus: Corpus) -> None:
    counts = ", ".join(f"{name} {count}" for name, count in corpus.counts.items())
    _log.info(
        "%d training texts (%s), %d for validation",
        len(corpus.train),
        counts,
        len(corpus.validation),
    )
    if corpus.excluded:
        _log.info(
            "%d training texts were left out: they stand in another split",
            corpus.excluded,
        )
    for warning in corpus.warnings:
        _log.warning("warning: %s", warning)
