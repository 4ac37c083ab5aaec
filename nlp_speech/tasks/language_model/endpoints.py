"""What a language model exports: scores of strings and of ids, and single steps."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from nlp_speech.contract import Endpoint
from nlp_speech.models.language_model import LanguageModel
from nlp_speech.tasks.language_model import (
    DEVICE_ENDPOINT,
    SERVER_ENDPOINT,
    STEP_ENDPOINT,
    Assets,
)
from nlp_speech.tasks.language_model.config import LanguageModelConfig
from nlp_speech.text.graph import (
    GraphTokenizer,
    ends_for,
    normalize_graph,
    strip_tags_graph,
)

Tensor = Any


class Scorer(tf.Module):
    """The inference of a model: the one definition behind all endpoints.

    Args:
        assets: the vocabulary.
        model: the trained model.
    """

    def __init__(self, assets: Assets, model: LanguageModel) -> None:
        super().__init__()
        self.model = model
        self.tokenizer = GraphTokenizer(assets.tokenizer)

    def score(self, text: Tensor) -> dict[str, Tensor]:
        """Scores strings, which may hold HTML.

        `log_probability` [batch] is the natural logarithm of the text's probability,
        its end included; `pieces` [batch] counts the predictions it is the sum of.
        `backward_log_probability` [batch] is the same read from right to left.
        """
        pieces = self.tokenizer.encode(
            strip_tags_graph(normalize_graph(text)), normalized=True
        )
        ends = ends_for(pieces)
        pieces = tf.concat([ends, pieces, ends], axis=1)
        lengths = tf.cast(pieces.row_lengths(), tf.int32) - 1
        return self.score_ids(pieces.to_tensor(), lengths)

    def score_ids(self, ids: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        """Scores ids.

        `ids` are 3 (end of text), SentencePiece's for a text without HTML tags, and 3
        again, padded with 0; `lengths` counts them, the first 3 not. The results are
        those of `score`.
        """
        found = {
            "log_probability": self.model.score(ids, lengths),
            "pieces": tf.identity(lengths),
        }
        if self.model.backward is not None:
            backward = self.model.score_backward(ids, lengths)
            found["backward_log_probability"] = backward
        return found

    def step(self, ids: Tensor, **state: Tensor) -> dict[str, Tensor]:
        """Reads one piece, forward.

        `ids` [batch] is the piece, at first 3 (end of text); `h_0`, `c_0` and so on
        [batch, units] are the state of each layer, zeros at first. `log_probs`
        [batch, pieces] are of the next piece; the state comes back under its names.
        """
        layers = len(self.model.forward.lstms)
        before = tuple((state[f"h_{n}"], state[f"c_{n}"]) for n in range(layers))
        log_probs, after = self.model.step(ids, before)
        found = {"log_probs": log_probs}
        for n, (h, c) in enumerate(after):
            found |= {f"h_{n}": h, f"c_{n}": c}
        return found


def endpoints(
    config: LanguageModelConfig, assets: Assets, model: LanguageModel
) -> dict[str, Endpoint]:
    """The endpoints of a model, by name."""
    del config
    scorer = Scorer(assets, model)
    return {
        SERVER_ENDPOINT: Endpoint(
            scorer.score, {"text": tf.TensorSpec([None], tf.string)}
        ),
        DEVICE_ENDPOINT: Endpoint(
            scorer.score_ids, _ids(None), device_signature=_ids(1)
        ),
        STEP_ENDPOINT: Endpoint(
            scorer.step, _step(model, None), device_signature=_step(model, 1)
        ),
    }


def _ids(batch_size: int | None) -> dict[str, tf.TensorSpec]:
    return {
        "ids": tf.TensorSpec([batch_size, None], tf.int32),
        "lengths": tf.TensorSpec([batch_size], tf.int32),
    }


def _step(model: LanguageModel, batch_size: int | None) -> dict[str, tf.TensorSpec]:
    specs = {"ids": tf.TensorSpec([batch_size], tf.int32)}
    for n, units in enumerate(model.forward.units):
        for name in ("h", "c"):
            specs[f"{name}_{n}"] = tf.TensorSpec([batch_size, units], tf.float32)
    return specs
