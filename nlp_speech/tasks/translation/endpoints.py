"""What a translator exports: strings to strings, and ids to ids."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from nlp_speech.contract import Endpoint
from nlp_speech.decoding.beam_search import Hypotheses, beam_search
from nlp_speech.models.seq2seq import Seq2Seq
from nlp_speech.tasks.translation import (
    DEVICE_ENDPOINT,
    SERVER_ENDPOINT,
    TEXT_ENDPOINT,
    Assets,
)
from nlp_speech.tasks.translation.config import TranslationConfig
from nlp_speech.text.graph import GraphTokenizer
from nlp_speech.text.tokenizer import BOS, EOS

Tensor = Any


class Translator(tf.Module):
    """The inference of a model: the one definition behind all endpoints.

    Args:
        config: the experiment; its `decoding` section is fixed here.
        assets: the vocabularies.
        model: the trained model.
    """

    def __init__(
        self, config: TranslationConfig, assets: Assets, model: Seq2Seq
    ) -> None:
        super().__init__()
        self.options = config.decoding
        self.model = model
        self.source = GraphTokenizer(assets.source)
        self.target = GraphTokenizer(assets.target)

    def search(self, ids: Tensor, lengths: Tensor) -> Hypotheses:
        """Translates ids.

        Args:
            ids: pieces and end of sentence, [batch, source time], padded with 0.
            lengths: real pieces of each row with its end of sentence, [batch]; 1 is an
                empty text, whose translation is empty.

        Returns:
            The best translations of each row.
        """
        options = self.options
        memory = self.model.encode(ids, lengths)
        pieces = tf.cast(lengths - 1, tf.float32)
        limit = tf.cast(pieces * options.max_length_ratio, tf.int32)
        limit += options.max_length_offset
        return beam_search(
            lambda last, state: self.model.step(last, state, memory),
            self.model.initial_state(memory),
            batch_size=ids.shape[0] or tf.shape(ids)[0],
            max_lengths=tf.where(lengths > 1, limit, 0),
            bos=BOS,
            eos=EOS,
            beam_size=options.beam_size,
            length_penalty=options.length_penalty,
            coverage_penalty=options.coverage_penalty,
            source_lengths=lengths,
        )

    def translate(self, text: Tensor) -> dict[str, Tensor]:
        """Translates strings: `text` [batch, n], best first, and `score`, its rank.

        A slot for which the search found nothing has a score of -1e9.
        """
        found = self.search(*self.source.read(text, self.options.max_source_length))
        return {
            "text": self.target.decode(found.ids, found.lengths),
            "score": found.scores,
        }

    def translate_text(self, text: Tensor) -> dict[str, Tensor]:
        """Translates one normalized string [1] in operations that TFLite has."""
        pieces = self.source.encode(text, normalized=True).values
        pieces = pieces[: self.options.max_source_length]
        ids = tf.concat([pieces, [EOS]], axis=0)
        found = self.search(ids[tf.newaxis], tf.shape(ids))
        texts = self.target.decode(found.ids[0], found.lengths[0])
        return {"text": texts[tf.newaxis], "score": found.scores}

    def translate_ids(self, ids: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        """Translates ids.

        `ids` are SentencePiece's for a text, then 3 (end of sentence), padded with 0;
        `lengths` counts them, the 3 too. Out come, best first, the `ids` of n
        translations without an end of sentence, padded with 0, their `lengths` and
        `score` (-1e9: nothing found), and for each piece written how much attention
        each piece read got, `alignment`.
        """
        found = self.search(ids, lengths)
        return {
            "ids": found.ids,
            "lengths": found.lengths,
            "score": found.scores,
            "alignment": found.alignment,
        }


def endpoints(
    config: TranslationConfig, assets: Assets, model: Seq2Seq
) -> dict[str, Endpoint]:
    """The endpoints of a model, by name."""
    translator = Translator(config, assets, model)
    one_text = {"text": tf.TensorSpec([1], tf.string)}
    on_demand = {
        TEXT_ENDPOINT: Endpoint(
            translator.translate_text, one_text, one_text, text_operators=True
        )
    }
    return {
        SERVER_ENDPOINT: Endpoint(
            translator.translate, {"text": tf.TensorSpec([None], tf.string)}
        ),
        DEVICE_ENDPOINT: Endpoint(
            translator.translate_ids, _ids(None), device_signature=_ids(1)
        ),
        **(on_demand if config.export.text_to_text else {}),
    }


def _ids(batch_size: int | None) -> dict[str, tf.TensorSpec]:
    return {
        "ids": tf.TensorSpec([batch_size, None], tf.int32),
        "lengths": tf.TensorSpec([batch_size], tf.int32),
    }
