"""The language model and its loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from nlp_speech.models.language_model import LanguageModel
from nlp_speech.models.recurrent import LSTMStack
from nlp_speech.models.sampled_softmax import Candidates
from nlp_speech.tasks.language_model import Assets
from nlp_speech.tasks.language_model.config import LanguageModelConfig

# Frequent pieces are drawn more often than rare ones, but less than in proportion
# (Mikolov et al. 2013).
_FLATTENING = 0.75


def build(config: LanguageModelConfig, assets: Assets) -> LanguageModel:
    """The model of a config, its weights created."""
    section = config.model

    def stack(name: str) -> LSTMStack:
        units = [section.units] * section.layers
        return LSTMStack(units, section.dropout, section.weight_dropout, name=name)

    candidates = None
    if 0 < section.sampled < assets.tokenizer.size:
        weights = np.exp(_FLATTENING * assets.tokenizer.scores)
        candidates = Candidates(weights, section.sampled)
    model = LanguageModel(
        pieces=assets.tokenizer.size,
        embedding_units=section.embedding_units,
        forward=stack("forward"),
        backward=stack("backward") if section.directions == "both" else None,
        window=section.window,
        word_dropout=section.word_dropout,
        embedding_dropout=section.embedding_dropout,
        output_dropout=section.output_dropout,
        candidates=candidates,
        name="language_model",
    )
    model.build()
    return model


def loss(
    config: LanguageModelConfig, model: Any, batch: dict[str, Any], training: bool
) -> tuple[Any, Any]:
    """The cross-entropy of a batch summed over directions, and the predictions."""
    del config
    losses = model.losses_of(batch["ids"], batch["lengths"], training=training)
    directions = losses.shape[0]
    count = tf.cast(directions * tf.reduce_sum(batch["lengths"]), tf.float32)
    return tf.reduce_sum(losses), count
