"""Encoder, attention and decoder over pieces: translation, summarization, dialogue."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from nlp_speech.decoding.beam_search import log_softmax
from nlp_speech.layers import TimeDropout
from nlp_speech.layers.shapes import dimensions
from nlp_speech.models.decoder import Decoder, Memory, State
from nlp_speech.models.encoder import Encoder
from nlp_speech.sections import Seq2SeqSection

Tensor = Any


class Seq2Seq(keras.Model):
    """Turns a sequence of pieces into another.

    Args:
        source_size: pieces in the source vocabulary.
        target_size: pieces in the target vocabulary.
        embedding_units: size of an embedded piece.
        encoder: reads the embedded source.
        decoder: writes the target.
        shared: whether source and target share one vocabulary and one table.
        tied: whether the softmax uses the table of target pieces.
        embedding_dropout: rate, one mask for all steps.
    """

    def __init__(
        self,
        source_size: int,
        target_size: int,
        embedding_units: int,
        encoder: Encoder,
        decoder: Decoder,
        shared: bool,
        tied: bool,
        embedding_dropout: float,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.source_size = source_size
        self.target_size = target_size
        self.embedding_units = embedding_units
        self.encoder = encoder
        self.decoder = decoder
        self.shared = shared
        self.tied = tied
        self.source_dropout = TimeDropout(embedding_dropout, name="source_dropout")
        self.target_dropout = TimeDropout(embedding_dropout, name="target_dropout")

    def build(self, input_shape: Any = None) -> None:
        """Creates all weights; no input is needed."""
        scale = keras.initializers.RandomNormal(stddev=self.embedding_units**-0.5)

        def table(name: str, size: int) -> Any:
            shape = (size, self.embedding_units)
            return self.add_weight(shape=shape, initializer=scale, name=name)

        self.target_table = table("target_table", self.target_size)
        self.source_table = (
            self.target_table
            if self.shared
            else table("source_table", self.source_size)
        )
        self.softmax_table = (
            self.target_table if self.tied else table("softmax_table", self.target_size)
        )
        self.softmax_bias = self.add_weight(
            shape=(self.target_size,), initializer="zeros", name="softmax_bias"
        )
        embedded = (None, None, self.embedding_units)
        self.encoder.build(embedded)
        self.decoder.build(embedded, (None, None, 2 * self.encoder.units))
        self.built = True

    def call(self, inputs: dict[str, Tensor], training: bool = False) -> Tensor:
        """Reads whole targets (teacher forcing).

        Args:
            inputs: ``source`` [batch, source time], ``source_lengths`` [batch] and
                ``target_inputs`` [batch, target time], the target shifted by one; ids
                are int32, padding is 0.
            training: whether dropout is on.

        Returns:
            Logits of the next piece, [batch, target time, target vocabulary].
        """
        memory = self.encode(inputs["source"], inputs["source_lengths"], training)
        outputs, _ = self.write(inputs["target_inputs"], memory, training)
        return self.logits(outputs)

    def encode(self, ids: Tensor, lengths: Tensor, training: bool = False) -> Memory:
        """Reads a batch of sources.

        Args:
            ids: [batch, source time], padded with 0.
            lengths: real pieces of each row, [batch].
            training: whether dropout is on.

        Returns:
            What the decoder reads.
        """
        embedded = self._embed(self.source_table, ids)
        embedded = self.source_dropout(embedded, training=training)
        outputs = self.encoder(embedded, lengths, training=training)
        return self.decoder.remember(outputs, lengths)

    def write(
        self, ids: Tensor, memory: Memory, training: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Reads whole targets, [batch, target time], shifted by one.

        Returns:
            Attentional vectors [batch, target time, embedding units] and attention
            weights [batch, target time, source time].
        """
        embedded = self._embed(self.target_table, ids)
        embedded = self.target_dropout(embedded, training=training)
        return self.decoder(embedded, memory, training=training)

    def initial_state(self, memory: Memory) -> State:
        """The decoder's state before the first piece, [batch, ...] each."""
        return self.decoder.initial_state(memory)

    def step(
        self, ids: Tensor, state: State, memory: Memory
    ) -> tuple[Tensor, Tensor, State]:
        """One piece further.

        Args:
            ids: the last piece of each hypothesis, [rows], source by source.
            state: [rows, ...] each.
            memory: of the batch, once for each source.

        Returns:
            Log-probabilities of the next piece [rows, target vocabulary], attention
            weights [rows, source time], and the new state.
        """
        output, weights, state = self.advance(ids, state, memory)
        return log_softmax(self.logits(output)), weights, state

    def advance(
        self, ids: Tensor, state: State, memory: Memory
    ) -> tuple[Tensor, Tensor, State]:
        """As `step`, with the attentional vectors in place of the probabilities."""
        embedded = self._embed(self.target_table, ids)
        return self.decoder.step(embedded, state, memory)

    def _embed(self, table: Any, ids: Tensor) -> Tensor:
        return tf.gather(table.value, ids) * self.embedding_units**0.5

    def logits(self, outputs: Tensor) -> Tensor:
        """The softmax's logits of attentional vectors, [..., target vocabulary]."""
        flat = tf.reshape(outputs, [-1, self.embedding_units])
        logits = tf.matmul(flat, self.softmax_table.value, transpose_b=True)
        logits = tf.nn.bias_add(logits, self.softmax_bias.value)
        shape = [*dimensions(outputs)[:-1], self.target_size]
        return tf.reshape(logits, shape)


def parts(section: Seq2SeqSection, coverage: bool = False) -> dict[str, Any]:
    """Encoder, decoder and sizes of a `Seq2Seq`, as a config describes them.

    Args:
        section: the config's.
        coverage: whether the attention depends on what it was given before.
    """
    common: dict[str, Any] = {
        "units": section.units,
        "dropout": section.dropout,
        "layer_norm": section.layer_norm,
        "residual": section.residual,
    }
    return {
        "encoder": Encoder(layers=section.encoder_layers, name="encoder", **common),
        "decoder": Decoder(
            layers=section.decoder_layers,
            output_units=section.embedding_units,
            attention=section.attention,
            attention_units=section.attention_units,
            input_feeding=section.input_feeding,
            output_dropout=section.output_dropout,
            coverage=coverage,
            name="decoder",
            **common,
        ),
        "embedding_units": section.embedding_units,
        "embedding_dropout": section.embedding_dropout,
        "tied": section.tie_embeddings,
    }


def shifted(target: Tensor, bos: int) -> Tensor:
    """Targets [batch, time] as a decoder reads them: after `bos`, the last left out."""
    first = tf.fill([tf.shape(target)[0], 1], tf.constant(bos, target.dtype))
    return tf.concat([first, target[:, :-1]], axis=1)


def smoothed_cross_entropy(
    logits: Tensor, ids: Tensor, lengths: Tensor, smoothing: float
) -> tuple[Tensor, Tensor]:
    """Label-smoothed cross-entropy, summed over real pieces (Szegedy et al. 2016).

    Args:
        logits: [batch, time, vocabulary].
        ids: the right pieces, [batch, time].
        lengths: real pieces of each row, [batch]; the rest counts nothing.
        smoothing: share of the mass that is spread evenly over all pieces.

    Returns:
        The sum, a scalar in nats, and the number of real pieces.
    """
    logits = tf.cast(logits, tf.float32)
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits(ids, logits)
    if smoothing:
        # -mean(log p) = -log p[right] + logits[right] - mean(logits): linear in the
        # logits, so that only the fused operation above needs their exponentials.
        right = tf.gather(logits, ids, batch_dims=2)
        loss = loss + smoothing * (right - tf.reduce_mean(logits, axis=-1))
    mask = tf.sequence_mask(lengths, tf.shape(ids)[1], dtype=loss.dtype)
    return tf.reduce_sum(loss * mask), tf.reduce_sum(mask)
