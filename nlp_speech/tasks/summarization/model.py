"""The summarization model and its loss."""

from __future__ import annotations

from typing import Any

from nlp_speech.models.pointer import Pointer, coverage_loss, pointer_cross_entropy
from nlp_speech.models.seq2seq import parts, shifted
from nlp_speech.tasks.summarization import Assets
from nlp_speech.tasks.summarization.config import SummarizationConfig
from nlp_speech.text.tokenizer import BOS, UNK


def build(config: SummarizationConfig, assets: Assets) -> Pointer:
    """The model of a config, its weights created."""
    section = config.model
    size = assets.tokenizer.size
    model = Pointer(
        copy=section.copy_source,
        unknown=UNK,
        source_size=size,
        target_size=size,
        name="summarizer",
        **parts(section, section.coverage),
    )
    model.build()
    return model


def loss(
    config: SummarizationConfig, model: Any, batch: dict[str, Any], training: bool
) -> tuple[Any, Any]:
    """The cross-entropy of a batch, summed, and the pieces counted.

    With `training` it is smoothed, and reading the same again is added to it; without,
    its exponential is the perplexity.
    """
    source, target = batch["source"], batch["target"]
    lengths = batch["target_lengths"]
    prediction = model(
        {
            "source": source,
            "source_lengths": batch["source_lengths"],
            "target_inputs": shifted(target, BOS),
        },
        training=training,
    )
    section = config.training
    smoothing = section.label_smoothing if training else 0.0
    total, count = pointer_cross_entropy(prediction, source, target, lengths, smoothing)
    if training and config.model.coverage and section.coverage_weight:
        total += section.coverage_weight * coverage_loss(prediction.attention, lengths)
    return total, count
