"""A SentencePiece unigram vocabulary: training, encoding, decoding.

The Python face of the tokenizer, without TensorFlow; `nlp_speech.text.sampling` draws
other segmentations than the best. The graph face is
`nlp_speech.text.graph.GraphTokenizer`; both agree on every string.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import dropwhile
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece

from nlp_speech.errors import UserError
from nlp_speech.files import replacing
from nlp_speech.sections import VocabularySection
from nlp_speech.text.normalization import normalize

PAD, UNK, BOS, EOS = 0, 1, 2, 3
UNKNOWN = "\u2047"  # what `UNK` is decoded to, without the spaces that are its default

# SentencePiece holds the interpreter lock while it builds lists: short calls let the
# training thread in between.
_CHUNK = 1000
# The result of training depends on the number of threads: one number everywhere.
_TRAINING_THREADS = 4
_SPACE = "\u2581"
_LONGEST_SENTENCE = 1 << 16  # bytes; SentencePiece leaves out longer ones
_LONGEST_PART = _LONGEST_SENTENCE // 4 - 1  # characters, of four bytes at most


class Tokenizer:
    """Turns text into piece ids and back.

    Ids are 0 to `size` - 1; `PAD`, `UNK`, `BOS` and `EOS` are the first four. No method
    adds or expects `BOS` or `EOS`. What `encode` then `decode` gives is `canonical`, as
    long as every character of the text was seen in training; a run of unseen ones comes
    back as one U+2047.

    Args:
        model_bytes: a SentencePiece model, as `train_tokenizer` makes it.

    Raises:
        UserError: these are not the bytes of such a model.
    """

    def __init__(self, model_bytes: bytes) -> None:
        self.model_bytes = model_bytes
        self._model = sentencepiece.SentencePieceProcessor()
        try:
            self._model.LoadFromSerializedProto(model_bytes)
        except (RuntimeError, OSError) as error:
            raise UserError(
                "this is not a SentencePiece model, or it is cut short; train it again"
            ) from error
        model = self._model
        ids = (model.pad_id(), model.unk_id(), model.bos_id(), model.eos_id())
        if ids != (PAD, UNK, BOS, EOS):
            raise UserError(
                "this SentencePiece model numbers pad, unknown, begin and end as "
                f"{ids} instead of {(PAD, UNK, BOS, EOS)}; train it with nlp-speech"
            )

    @property
    def size(self) -> int:
        """The number of pieces, the four special ones included."""
        return self._model.get_piece_size()

    @cached_property
    def space(self) -> int:
        """The id of the piece that is a lone space, or -1 if there is none."""
        number = self._model.piece_to_id(_SPACE)
        return -1 if number == UNK else number

    @cached_property
    def fingerprint(self) -> str:
        """The SHA-256 of the model, in hexadecimal."""
        return hashlib.sha256(self.model_bytes).hexdigest()

    def canonical(self, text: str) -> str:
        """The text as the vocabulary sees it: what a perfect round trip gives back."""
        return self._model.normalize(normalize(text)).replace(_SPACE, " ").strip(" ")

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Splits each text into its most likely pieces.

        Args:
            texts: any strings; an empty one has no pieces.

        Returns:
            The ids of each text.
        """
        ids: list[list[int]] = []
        for chunk in _chunks(texts):
            ids += self._model.encode(chunk, num_threads=1)
        return ids

    def best_splits(self, part: str, most: int) -> list[tuple[int, ...]]:
        """The most likely ways to split a part of a text into pieces, best first.

        Args:
            part: as the pieces spell it, U+2581 for a space, which stands in front of a
                word; if it stands elsewhere, there are no splits.
            most: how many at most, up to 512.
        """
        if not part or _SPACE in part[1:]:
            return []
        found = self._as_spelled.nbest_encode(part, nbest_size=most, out_type=int)
        return [tuple(ids) for ids in found]

    @cached_property
    def _as_spelled(self) -> sentencepiece.SentencePieceProcessor:
        """The same model without the space that is put before a text."""
        from sentencepiece import sentencepiece_model_pb2

        protobuf: Any = sentencepiece_model_pb2
        model = protobuf.ModelProto.FromString(self.model_bytes)
        model.normalizer_spec.add_dummy_prefix = False
        model.normalizer_spec.remove_extra_whitespaces = False
        return sentencepiece.SentencePieceProcessor(
            model_proto=model.SerializeToString()
        )

    @cached_property
    def scores(self) -> np.ndarray:
        """The logarithm of each piece's probability, float64 [size]."""
        return np.array([self._model.get_score(n) for n in range(self.size)])

    @cached_property
    def surprise(self) -> float:
        """The nats a character that the unigram model expects of its own text."""
        scores, lengths = self.scores[EOS + 1 :], self.lengths[EOS + 1 :]
        weights = np.exp(scores)
        return float(-(weights * scores).sum() / (weights * lengths).sum())

    @cached_property
    def lengths(self) -> np.ndarray:
        """The characters of each piece, U+2581 included, int64 [size]."""
        return np.array([len(piece) for piece in self.pieces(range(self.size))])

    @cached_property
    def starts_word(self) -> np.ndarray:
        """Whether each piece begins with a space, bool [size]."""
        pieces = self.pieces(range(self.size))
        return np.array([piece.startswith(_SPACE) for piece in pieces])

    def decode(self, ids: Iterable[Iterable[int]]) -> list[str]:
        """Joins pieces to texts.

        Args:
            ids: for each text its ids; `PAD`, `BOS` and `EOS` are dropped wherever
                they stand.

        Returns:
            The texts.
        """
        return [self._model.decode(self._audible(row)) for row in ids]

    def _audible(self, ids: Iterable[int]) -> list[int]:
        """The ids that are heard: no special ones, and no spaces at the beginning."""
        row = [int(i) for i in ids if int(i) not in (PAD, BOS, EOS)]
        return list(dropwhile(lambda i: i == self.space, row))

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """The pieces of one text, a space written as U+2581, special ones in <>."""
        return [self._model.id_to_piece(int(i)) for i in ids]

    def surfaces(self, texts: Sequence[str]) -> list[list[str]]:
        """The pieces of `encode` as they stand in each text, a space as U+2581.

        What the vocabulary lacks is there letter for letter.
        """
        pieces: list[list[str]] = []
        for chunk in _chunks(texts):
            pieces += self._model.encode(chunk, out_type=str, num_threads=1)
        return pieces

    def join(self, ids: Iterable[int], surfaces: Sequence[str]) -> str:
        """Joins pieces to a text, some of which are copied from another text.

        Args:
            ids: of the vocabulary, or `size` and more: from that place of `surfaces`
                on. `PAD`, `BOS` and `EOS` are dropped.
            surfaces: the pieces of the other text.

        Returns:
            The text, without spaces at its ends.
        """
        heard = [int(i) for i in ids if int(i) not in (PAD, BOS, EOS)]
        parts = [
            surfaces[i - self.size] if i >= self.size else self._surface(i)
            for i in heard
        ]
        return "".join(parts).replace(_SPACE, " ").strip(" ")

    def _surface(self, number: int) -> str:
        return UNKNOWN if number == UNK else self._model.id_to_piece(number)

    def save(self, path: Path) -> None:
        """Writes the model whole or not at all.

        Raises:
            UserError: the file cannot be written.
        """
        with replacing(path) as file:
            file.write(self.model_bytes)

    @classmethod
    def load(cls, path: Path) -> Tokenizer:
        """Reads a model.

        Raises:
            UserError: the file is missing, unreadable or not such a model.
        """
        try:
            return cls(path.read_bytes())
        except OSError as error:
            reason = error.strerror or str(error)
            raise UserError.at(
                path, None, f"cannot read the vocabulary ({reason}); train it again"
            ) from error
        except UserError as error:
            raise UserError.at(path, None, str(error)) from error


def train_tokenizer(texts: Iterable[str], section: VocabularySection) -> Tokenizer:
    """Learns a vocabulary, in memory.

    Args:
        texts: the training text, read once; the order matters little, but it does.
        section: the size and kind of the vocabulary.

    Returns:
        The tokenizer; equal for equal arguments.

    Raises:
        UserError: there is no text, or not enough for so many pieces, or too many
            different characters for so few; or what reading `texts` raises.

    Source: Kudo 2018, "Subword Regularization"; the `sentencepiece` library.
    """
    failures: list[BaseException] = []

    def feed() -> Iterator[str]:
        # The trainer swallows what an iterator raises.
        try:
            for text in texts:
                yield from _parts(normalize(text))
        except BaseException as error:
            failures.append(error)

    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=feed(),
            model_writer=model,
            model_type=section.model_type,
            vocab_size=section.vocabulary_size,
            character_coverage=section.character_coverage,
            normalization_rule_name=section.normalization,
            byte_fallback=section.byte_fallback,
            pad_id=PAD,
            unk_id=UNK,
            bos_id=BOS,
            eos_id=EOS,
            unk_surface=UNKNOWN,
            max_sentence_length=_LONGEST_SENTENCE,
            num_threads=_TRAINING_THREADS,
            minloglevel=2,
        )
    except RuntimeError as error:
        if failures:
            raise failures[0] from None
        raise _explained(str(error), section) from error
    if failures:
        raise failures[0]
    return Tokenizer(model.getvalue())


def _parts(text: str) -> Iterator[str]:
    """A text in parts that the trainer does not pass over, cut at spaces if it can."""
    begin = 0
    while len(text) - begin > _LONGEST_PART:
        cut = text.rfind(" ", begin + 1, begin + _LONGEST_PART)
        end = begin + _LONGEST_PART if cut < 0 else cut
        yield text[begin:end]
        begin = end
    yield text[begin:]


def _explained(message: str, section: VocabularySection) -> UserError:
    """Says in our words why SentencePiece could not train."""
    size = section.vocabulary_size
    if found := re.search(r"value <= (\d+)", message):
        return UserError(
            f"tokenizer.vocabulary_size {size} is more than the training text allows; "
            f"the largest possible is {found[1]}"
        )
    if found := re.search(r"required_chars\. \d+ vs (\d+)", message):
        return UserError(
            f"tokenizer.vocabulary_size {size} is less than the {found[1]} that the "
            "characters of the training text need; raise it, or lower "
            "tokenizer.character_coverage"
        )
    if "sentences_.empty()" in message or "all_chars_count" in message:
        return UserError(
            "there is no text to learn a vocabulary from; check the training files"
        )
    return UserError(f"SentencePiece cannot learn this vocabulary: {message}")


def _chunks(texts: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(texts), _CHUNK):
        yield [normalize(text) for text in texts[start : start + _CHUNK]]
