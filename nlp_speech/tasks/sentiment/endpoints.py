"""What a classifier exports: strings to labels, ids to probabilities."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from nlp_speech.contract import Endpoint
from nlp_speech.models.classifier import Classifier
from nlp_speech.tasks.sentiment import (
    DEVICE_ENDPOINT,
    SERVER_ENDPOINT,
    TEXT_ENDPOINT,
    Assets,
)
from nlp_speech.tasks.sentiment.config import SentimentConfig
from nlp_speech.text.graph import GraphTokenizer, normalize_graph, strip_tags_graph
from nlp_speech.text.tokenizer import EOS

Tensor = Any


class Labeller(tf.Module):
    """The inference of a model: the one definition behind all endpoints.

    Args:
        assets: vocabulary and classes.
        model: the trained model.
    """

    def __init__(self, assets: Assets, model: Classifier) -> None:
        super().__init__()
        self.model = model
        self.labels = list(assets.labels)
        self.shares = list(assets.shares)
        self.tokenizer = GraphTokenizer(assets.tokenizer)

    def probabilities(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Calibrated probabilities, [batch, classes].

        Args:
            ids: pieces and end of sentence, [batch, time], padded with 0.
            lengths: real pieces of each row with its end of sentence, [batch]; 1 is an
                empty text, which gets the shares of the classes in the training data.
        """
        found = self.model.probabilities(ids, lengths)
        empty = tf.cast(lengths < 2, found.dtype)[:, None]
        return found * (1 - empty) + tf.constant([self.shares], found.dtype) * empty

    def classify(self, text: Tensor) -> dict[str, Tensor]:
        """Classifies strings, which may hold HTML.

        `probabilities` [batch, n] has a column for each of `labels`, the same in every
        row; `label` is the likeliest one.
        """
        pieces = self.tokenizer.encode(
            strip_tags_graph(normalize_graph(text)), normalized=True
        )
        end = tf.fill([pieces.nrows(), 1], tf.constant(EOS, tf.int32))
        ragged: Any = tf.RaggedTensor
        end_rows = ragged.from_tensor(end, row_splits_dtype=pieces.row_splits.dtype)
        pieces = tf.concat([pieces, end_rows], axis=1)
        lengths = tf.cast(pieces.row_lengths(), tf.int32)
        found = self.probabilities(pieces.to_tensor(), lengths)
        names = tf.constant(self.labels)
        rows: Any = tf.shape(found)[0]
        return {
            "label": tf.gather(names, tf.argmax(found, axis=-1)),
            "labels": tf.tile(names[tf.newaxis], [rows, 1]),
            "probabilities": found,
        }

    def classify_text(self, text: Tensor) -> dict[str, Tensor]:
        """Classifies one normalized string [1] without HTML tags.

        `probabilities` [1, n] are in the order of labels.json.
        """
        pieces = self.tokenizer.encode(text, normalized=True).values
        ids = tf.concat([pieces, [EOS]], axis=0)
        return {"probabilities": self.probabilities(ids[tf.newaxis], tf.shape(ids))}

    def classify_ids(self, ids: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        """Classifies ids.

        `ids` are SentencePiece's for a text without HTML tags, then 3 (end of
        sentence), padded with 0; `lengths` counts them, the 3 too. `probabilities`
        [batch, n] are in the order of labels.json.
        """
        return {"probabilities": self.probabilities(ids, lengths)}


def endpoints(
    config: SentimentConfig, assets: Assets, model: Classifier
) -> dict[str, Endpoint]:
    """The endpoints of a model, by name."""
    labeller = Labeller(assets, model)
    one_text = {"text": tf.TensorSpec([1], tf.string)}
    on_demand = {
        TEXT_ENDPOINT: Endpoint(
            labeller.classify_text, one_text, one_text, text_operators=True
        )
    }
    return {
        SERVER_ENDPOINT: Endpoint(
            labeller.classify, {"text": tf.TensorSpec([None], tf.string)}
        ),
        DEVICE_ENDPOINT: Endpoint(
            labeller.classify_ids, _ids(None), device_signature=_ids(1)
        ),
        **(on_demand if config.export.text_to_text else {}),
    }


def _ids(batch_size: int | None) -> dict[str, tf.TensorSpec]:
    return {
        "ids": tf.TensorSpec([batch_size, None], tf.int32),
        "lengths": tf.TensorSpec([batch_size], tf.int32),
    }
