"""The tokenizer inside a TensorFlow graph: strings to ids and back."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tensorflow_text
from sentencepiece import sentencepiece_model_pb2

from nlp_speech.errors import UserError
from nlp_speech.text.normalization import ENTITIES, REPLACEMENT, RULES, TAG
from nlp_speech.text.tokenizer import BOS, EOS, PAD, UNK, UNKNOWN, Tokenizer


def normalize_graph(strings: tf.Tensor) -> tf.Tensor:
    """Does to bytes in a graph what `normalization.normalize` does to strings.

    Args:
        strings: any bytes, UTF-8 or not, of any shape.

    Returns:
        UTF-8 without NUL, of the same shape.
    """
    valid = tf.strings.unicode_transcode(
        strings,
        "UTF-8",
        "UTF-8",
        errors="replace",
        replacement_char=ord(REPLACEMENT),
        replace_control_characters=False,
    )
    return tf.strings.regex_replace(valid, r"\x00", " ")


def strip_tags_graph(strings: tf.Tensor) -> tf.Tensor:
    """Does in a graph what `normalization.strip_tags` does.

    Args:
        strings: normalized UTF-8, of any shape.

    Returns:
        UTF-8 of the same shape.
    """
    strings = tf.strings.regex_replace(strings, TAG, " ")
    for name, character in ENTITIES.items():
        strings = tf.strings.regex_replace(strings, name, character)
    return strings


def ends_for(pieces: tf.RaggedTensor) -> tf.RaggedTensor:
    """An `EOS` for each row of `pieces`, int32 [batch, (1)], to join to it."""
    end = tf.fill([pieces.nrows(), 1], tf.constant(EOS, tf.int32))
    ragged: Any = tf.RaggedTensor
    return ragged.from_tensor(end, row_splits_dtype=pieces.row_splits.dtype)


class GraphTokenizer(tf.Module):
    """The graph face of a `Tokenizer`: the same ids and the same texts.

    It holds the vocabulary as a constant, so that a SavedModel needs no file, may hold
    several tokenizers, and converts to TFLite (with the tensorflow-text operators).

    Args:
        tokenizer: the Python face.

    Raises:
        UserError: the model is of a kind for which the graph's operator gives other
            ids than SentencePiece itself, without an error.

    Source: Song et al. 2021, "Fast WordPiece Tokenization", and the operators
    `FastSentencepieceTokenizer` of tensorflow-text.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__(name="tokenizer")
        messages: Any = sentencepiece_model_pb2
        model = messages.ModelProto.FromString(tokenizer.model_bytes)
        _check(model)
        self._space = tokenizer.space
        fast = tensorflow_text.FastSentencepieceTokenizer
        with tf.device("CPU:0"):
            self._encoder: Any = fast(tokenizer.model_bytes)
            self._decoder: Any = fast(_decodable(model).SerializeToString())

    def encode(self, strings: tf.Tensor, normalized: bool = False) -> tf.RaggedTensor:
        """Splits each string into its most likely pieces.

        Args:
            strings: any bytes, [batch].
            normalized: that `normalize` has been applied, so the graph leaves it out;
                TFLite has no operator for it.

        Returns:
            The ids, int32 [batch, (pieces)], with int32 row splits.
        """
        return self._encoder.tokenize(
            strings if normalized else normalize_graph(strings)
        )

    def read(self, strings: tf.Tensor, most: int) -> tuple[tf.Tensor, tf.Tensor]:
        """Splits each string as an encoder reads it: `EOS` after its pieces.

        Args:
            strings: any bytes, [batch].
            most: pieces of a string, at most; the rest is left out.

        Returns:
            The ids, int32 [batch, steps], padded with 0, and how many count, [batch].
        """
        pieces = self.encode(strings)[:, :most]
        pieces = tf.concat([pieces, ends_for(pieces)], axis=1)
        return pieces.to_tensor(), tf.cast(pieces.row_lengths(), tf.int32)

    def decode(
        self, ids: tf.Tensor | tf.RaggedTensor, lengths: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Joins pieces to strings.

        Args:
            ids: int32 [..., steps] or ragged [batch, (steps)]; `PAD`, `BOS` and `EOS`
                are dropped wherever they stand.
            lengths: ids that count, int32 [...]; None if all do.

        Returns:
            UTF-8 strings, [...].
        """
        if isinstance(ids, tf.RaggedTensor):
            ids = ids.to_tensor(PAD)
        shape = tf.shape(ids)
        rows = tf.reshape(ids, [-1, shape[-1]])
        keep = (rows != PAD) & (rows != BOS) & (rows != EOS)
        if lengths is not None:
            inside = tf.range(shape[-1]) < tf.reshape(lengths, [-1, 1])
            keep &= inside
        begun = tf.cumsum(tf.cast(keep & (rows != self._space), tf.int32), axis=1)
        keep &= begun > 0  # the operator drops only one of several leading spaces
        counts = tf.reduce_sum(tf.cast(keep, tf.int32), axis=1)
        # With int64 row splits the TFLite operator returns empty strings.
        splits = tf.concat([[0], tf.cumsum(counts)], axis=0)
        ragged: Any = tf.RaggedTensor
        pieces = ragged.from_row_splits(
            tf.boolean_mask(rows, keep), splits, validate=False
        )
        return tf.reshape(self._decoder.detokenize(pieces), shape[:-1])


def _check(model: Any) -> None:
    """Refuses models that the operator is known to read wrongly, silently."""
    trainer = model.trainer_spec
    wrong = {
        "model_type must be unigram": trainer.model_type != trainer.UNIGRAM,
        "byte_fallback must be off": trainer.byte_fallback,
        f"normalization must be {' or '.join(RULES)}": model.normalizer_spec.name
        not in RULES,
        f"unk_surface must be {UNKNOWN}": trainer.unk_surface != UNKNOWN,
    }
    if reasons := ", ".join(reason for reason, is_so in wrong.items() if is_so):
        raise UserError(
            f"this vocabulary cannot be used in a graph: {reasons}; train it again"
        )


def _decodable(model: Any) -> Any:
    """A copy of the model whose unknown piece is an ordinary one.

    The operator does not know `unk_surface`: it writes spaces around unknown pieces.
    """
    copy = type(model)()
    copy.CopyFrom(model)
    pieces = copy.pieces
    kinds = type(pieces[UNK])
    pieces[UNK].piece, pieces[UNK].type = UNKNOWN, kinds.NORMAL
    pieces[PAD].type = kinds.UNKNOWN  # there must be one, and no pad gets this far
    copy.trainer_spec.unk_id, copy.trainer_spec.pad_id = PAD, -1
    return copy
