"""The classifier, its loss and its calibration."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from nlp_speech.contract import TrainingData
from nlp_speech.models.calibration import fit_temperature
from nlp_speech.models.classifier import (
    Classifier,
    weighted_cross_entropy,
    worst_case,
)
from nlp_speech.models.fine_tuning import Rates, begin_with, layer_rates
from nlp_speech.models.pooling import Pooling
from nlp_speech.models.recurrent import LSTMStack
from nlp_speech.tasks.sentiment import Assets
from nlp_speech.tasks.sentiment.config import SentimentConfig
from nlp_speech.weights import read_arrays


def build(config: SentimentConfig, assets: Assets) -> Classifier:
    """The model of a config, its weights created."""
    section = config.model

    def stack(name: str) -> LSTMStack:
        units = [section.units] * section.layers
        return LSTMStack(units, section.dropout, section.weight_dropout, name=name)

    model = Classifier(
        pieces=assets.tokenizer.size,
        classes=len(assets.labels),
        embedding_units=section.embedding_units,
        forward=stack("forward"),
        backward=stack("backward") if section.bidirectional else None,
        pooling=Pooling(section.attention_units, name="pooling"),
        window=section.window,
        hidden_units=section.hidden_units,
        word_dropout=section.word_dropout,
        embedding_dropout=section.embedding_dropout,
        output_dropout=section.output_dropout,
        name="classifier",
    )
    model.build()
    if assets.pretrained is not None:
        begin_with(model, read_arrays(assets.pretrained))
    return model


def loss(
    config: SentimentConfig, model: Any, batch: dict[str, Any], training: bool
) -> tuple[Any, Any]:
    """The weighted cross-entropy of a batch, summed, and the weights' sum.

    In `training` it may be smoothed, and the mean with that of the same texts moved to
    where the loss grows most.
    """
    lengths = batch["text_lengths"]
    smoothing = config.training.label_smoothing if training else 0.0

    def of(embedded: Any) -> tuple[Any, Any]:
        logits = model.classify(embedded, lengths, training=training)
        return weighted_cross_entropy(
            logits, batch["targets"], batch["weights"], smoothing
        )

    embedded = model.embed(batch["text"], training=training)
    size = config.model.adversarial
    if not training or not size:
        return of(embedded)
    with tf.GradientTape() as tape:
        tape.watch(embedded)
        total, count = of(embedded)
    gradient = tape.gradient(total, embedded)
    moved, _ = of(worst_case(embedded, gradient, lengths, size))
    return (total + moved) / 2, count


def rates(config: SentimentConfig, model: Classifier) -> Rates:
    """How the learning rates of the layers differ; see `contract.TrainingTask`."""
    section = config.training
    if section.layer_decay == 1 and not section.unfreeze_every:
        return {}
    return layer_rates(model.groups, section.layer_decay, section.unfreeze_every)


def finish(config: SentimentConfig, model: Any, validation: TrainingData) -> None:
    """Fits the temperature of a trained model to the validation data."""
    del config

    @tf.function(reduce_retracing=True)
    def read(batch: dict[str, Any]) -> Any:
        return model(batch["text"], batch["text_lengths"])

    logits: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    for batch in validation.dataset(0):
        real = batch["text_lengths"] > 0
        logits.append(tf.boolean_mask(read(batch), real).numpy())
        labels.append(tf.boolean_mask(batch["labels"], real).numpy())
    model.temperature.assign(
        fit_temperature(np.concatenate(logits), np.concatenate(labels))
    )
