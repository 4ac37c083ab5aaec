"""The translation model and its loss."""

from __future__ import annotations

from typing import Any

from nlp_speech.models.seq2seq import (
    Seq2Seq,
    parts,
    shifted,
    smoothed_cross_entropy,
)
from nlp_speech.tasks.translation import Assets
from nlp_speech.tasks.translation.config import TranslationConfig
from nlp_speech.text.tokenizer import BOS


def build(config: TranslationConfig, assets: Assets) -> Seq2Seq:
    """The model of a config, its weights created."""
    model = Seq2Seq(
        source_size=assets.source.size,
        target_size=assets.target.size,
        shared=config.tokenizer.shared,
        name="translator",
        **parts(config.model),
    )
    model.build()
    return model


def loss(
    config: TranslationConfig, model: Any, batch: dict[str, Any], training: bool
) -> tuple[Any, Any]:
    """The label-smoothed cross-entropy of a batch, summed, and the pieces counted.

    Without `training` the loss is not smoothed: its exponential is the perplexity.
    """
    target = batch["target"]
    logits = model(
        {
            "source": batch["source"],
            "source_lengths": batch["source_lengths"],
            "target_inputs": shifted(target, BOS),
        },
        training=training,
    )
    smoothing = config.training.label_smoothing if training else 0.0
    return smoothed_cross_entropy(logits, target, batch["target_lengths"], smoothing)
