"""The translation model and its loss."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from nlp_speech.models.decoder import Decoder
from nlp_speech.models.encoder import Encoder
from nlp_speech.models.seq2seq import Seq2Seq, smoothed_cross_entropy
from nlp_speech.tasks.translation import Assets
from nlp_speech.tasks.translation.config import TranslationConfig
from nlp_speech.text.tokenizer import BOS


def build(config: TranslationConfig, assets: Assets) -> Seq2Seq:
    """The model of a config, its weights created."""
    section = config.model
    encoder = Encoder(
        units=section.units,
        layers=section.encoder_layers,
        dropout=section.dropout,
        layer_norm=section.layer_norm,
        residual=section.residual,
        name="encoder",
    )
    decoder = Decoder(
        units=section.units,
        layers=section.decoder_layers,
        output_units=section.embedding_units,
        attention=section.attention,
        attention_units=section.attention_units,
        input_feeding=section.input_feeding,
        dropout=section.dropout,
        output_dropout=section.output_dropout,
        layer_norm=section.layer_norm,
        residual=section.residual,
        name="decoder",
    )
    model = Seq2Seq(
        source_size=assets.source.size,
        target_size=assets.target.size,
        embedding_units=section.embedding_units,
        encoder=encoder,
        decoder=decoder,
        shared=config.tokenizer.shared,
        tied=section.tie_embeddings,
        embedding_dropout=section.embedding_dropout,
        name="translator",
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
    first = tf.fill([tf.shape(target)[0], 1], tf.constant(BOS, target.dtype))
    logits = model(
        {
            "source": batch["source"],
            "source_lengths": batch["source_lengths"],
            "target_inputs": tf.concat([first, target[:, :-1]], axis=1),
        },
        training=training,
    )
    smoothing = config.training.label_smoothing if training else 0.0
    return smoothed_cross_entropy(logits, target, batch["target_lengths"], smoothing)
