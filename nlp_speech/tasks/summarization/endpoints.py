"""What a summarizer exports: strings to strings, and ids to ids."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from nlp_speech.contract import Endpoint
from nlp_speech.decoding.beam_search import Hypotheses, beam_search
from nlp_speech.models.pointer import Pointer
from nlp_speech.tasks.summarization import (
    DEVICE_ENDPOINT,
    PARTIAL_ENDPOINT,
    SERVER_ENDPOINT,
    Assets,
)
from nlp_speech.tasks.summarization.config import SummarizationConfig
from nlp_speech.text.copying import CopyingDecoder
from nlp_speech.text.graph import GraphTokenizer, normalize_graph, strip_tags_graph
from nlp_speech.text.tokenizer import BOS, EOS, UNK

Tensor = Any


class Summarizer(tf.Module):
    """The inference of a model: the one definition behind all endpoints.

    Args:
        config: the experiment; its `decoding` section is fixed here.
        assets: the vocabulary.
        model: the trained model.
    """

    def __init__(
        self, config: SummarizationConfig, assets: Assets, model: Pointer
    ) -> None:
        super().__init__()
        self.options = config.decoding
        self.model = model
        self.size = assets.tokenizer.size
        self.encoder = GraphTokenizer(assets.tokenizer)
        self.decoder = CopyingDecoder(assets.tokenizer)

    def search(
        self, ids: Tensor, lengths: Tensor, most: Tensor | None = None
    ) -> Hypotheses:
        """Summarizes ids.

        Args:
            ids: pieces and end of text, [batch, source time], padded with 0.
            lengths: real pieces of each row with its end of text, [batch]; 1 is an
                empty text, whose summary is empty.
            most: pieces of each summary, [batch], if it is to stop early.

        Returns:
            The best summaries of each row. An id of the vocabulary's size or more is
            copied from that place of the source on: the vocabulary lacks it.
        """
        options = self.options
        memory = self.model.encode(ids, lengths)
        pieces = tf.cast(lengths - 1, tf.float32)
        limit = tf.cast(pieces * options.max_length_ratio, tf.int32)
        limit = tf.minimum(limit + options.max_length_offset, options.max_length)
        if most is not None:
            limit = tf.minimum(limit, most)
        found = beam_search(
            lambda last, state: self.model.step_over(last, state, memory, ids),
            self.model.initial_state(memory),
            batch_size=ids.shape[0] or tf.shape(ids)[0],
            max_lengths=tf.where(lengths > 1, limit, 0),
            bos=BOS,
            eos=EOS,
            beam_size=options.beam_size,
            length_penalty=options.length_penalty,
            coverage_penalty=options.coverage_penalty,
            source_lengths=lengths,
            min_lengths=tf.fill(tf.shape(lengths), options.min_length),
            block_ngrams=options.block_ngrams,
        )
        return found._replace(ids=self._placed(found, ids))

    def _placed(self, found: Hypotheses, source: Tensor) -> Tensor:
        """The ids, with the most attended place for each that the vocabulary lacks."""
        lacking = tf.equal(source, UNK)[:, tf.newaxis, tf.newaxis]
        attention = tf.where(lacking, found.alignment, -1.0)
        places = tf.argmax(attention, axis=-1, output_type=tf.int32)
        known = tf.reduce_max(attention, axis=-1) < 0
        copied = tf.logical_and(tf.equal(found.ids, UNK), tf.logical_not(known))
        return tf.where(copied, self.size + places, found.ids)

    def summarize(self, text: Tensor) -> dict[str, Tensor]:
        """Summarizes strings: `text` [batch, n], best first, and `score`, its rank.

        HTML tags are left out. A slot for which the search found nothing has a score of
        -1e9.
        """
        text = strip_tags_graph(normalize_graph(text))
        most = self.options.max_source_length
        found = self.search(*self.encoder.read(text, most))
        surfaces = self.decoder.surfaces(text)
        return {
            "text": self.decoder.join(found.ids, found.lengths, surfaces),
            "score": found.scores,
        }

    def summarize_ids(self, ids: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        """Summarizes ids.

        `ids` are SentencePiece's for a text without HTML tags, then 3 (end of text),
        padded with 0; `lengths` counts them, the 3 too. Out come, best first, the `ids`
        of n summaries without an end of text, padded with 0, their `lengths` and
        `score` (-1e9: nothing found). An id of the vocabulary's size and more is no
        piece of the vocabulary but the text of the input's piece at that place, counted
        from the size: a character that the vocabulary lacks, such as an emoji.
        """
        found = self.search(ids, lengths)
        return {"ids": found.ids, "lengths": found.lengths, "score": found.scores}

    def summarize_part(
        self, ids: Tensor, lengths: Tensor, most: Tensor
    ) -> dict[str, Tensor]:
        """Writes the beginning of a summary, to be shown while the rest is written.

        As `summarize_ids`, but the search stops at `most` [batch] pieces: what comes
        out are the best beginnings, which may change as they grow.
        """
        found = self.search(ids, lengths, most)
        return {"ids": found.ids, "lengths": found.lengths, "score": found.scores}


def endpoints(
    config: SummarizationConfig, assets: Assets, model: Pointer
) -> dict[str, Endpoint]:
    """The endpoints of a model, by name."""
    summarizer = Summarizer(config, assets, model)
    return {
        SERVER_ENDPOINT: Endpoint(
            summarizer.summarize, {"text": tf.TensorSpec([None], tf.string)}
        ),
        DEVICE_ENDPOINT: Endpoint(
            summarizer.summarize_ids, _ids(None), device_signature=_ids(1)
        ),
        PARTIAL_ENDPOINT: Endpoint(
            summarizer.summarize_part, _part(None), device_signature=_part(1)
        ),
    }


def _ids(batch_size: int | None) -> dict[str, tf.TensorSpec]:
    return {
        "ids": tf.TensorSpec([batch_size, None], tf.int32),
        "lengths": tf.TensorSpec([batch_size], tf.int32),
    }


def _part(batch_size: int | None) -> dict[str, tf.TensorSpec]:
    return {**_ids(batch_size), "most": tf.TensorSpec([batch_size], tf.int32)}
