"""The acoustic model of a recognizer and its loss."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from nlp_speech.models.acoustic import AcousticModel
from nlp_speech.models.ctc import ctc_loss
from nlp_speech.models.fine_tuning import begin_with
from nlp_speech.tasks.speech_recognition import Assets
from nlp_speech.tasks.speech_recognition.config import SpeechRecognitionConfig
from nlp_speech.weights import read_arrays


def build(config: SpeechRecognitionConfig, assets: Assets) -> AcousticModel:
    """The model of a config, its weights created."""
    section = config.model
    model = AcousticModel(
        features=config.frontend.features,
        labels=assets.labels.size,
        units=section.units,
        layers=section.layers,
        bidirectional=section.bidirectional,
        subsampling=section.subsampling,
        conv_channels=section.conv_channels,
        look_ahead=section.look_ahead,
        dropout=section.dropout,
        layer_norm=section.layer_norm,
        residual=section.residual,
        name="recognizer",
    )
    model.build()
    if assets.pretrained is not None:
        begin_with(model, read_arrays(assets.pretrained))
    return model


def loss(
    config: SpeechRecognitionConfig, model: Any, batch: dict[str, Any], training: bool
) -> tuple[Any, Any]:
    """The CTC loss of a batch, summed, and the labels counted.

    Rows of length 0 fill a batch up and add nothing.
    """
    logits, steps = model(
        batch["features"], batch["feature_lengths"], training=training
    )
    counts = batch["target_lengths"]
    losses = ctc_loss(logits, steps, batch["target"], counts)
    return tf.reduce_sum(losses), tf.cast(tf.reduce_sum(counts), tf.float32)
