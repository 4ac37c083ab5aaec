"""The labels of a recognizer: characters or SentencePiece pieces, and a blank.

Label 0 is the blank of CTC, which is padding too. No TensorFlow.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Protocol

from nlp_speech.errors import UserError
from nlp_speech.files import write_text
from nlp_speech.text.tokenizer import BOS, EOS, PAD, UNK, Tokenizer

BLANK = 0

# Marks that do not stand between two letters: 'tis and boys' lose theirs as well.
_QUOTES = re.compile(r"(?<!\w)['\u2018\u2019]|['\u2018\u2019](?!\w)")
_APOSTROPHE = re.compile(r"\w'\w")


class Labels(Protocol):
    """A vocabulary whose label 0 is no symbol.

    `symbols[i]` is what label i adds to the text, with a space where a word begins;
    special labels add nothing.
    """

    symbols: tuple[str, ...]

    @property
    def size(self) -> int:
        """The number of labels with the blank."""
        ...

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The labels of each text; none of them is the blank."""
        ...

    def unknown(self, text: str) -> set[str]:
        """The characters of a text that have no label."""
        ...


class Characters:
    """Characters as labels, in the order of their code points.

    Args:
        characters: those of the training text, without repetition.
    """

    def __init__(self, characters: Iterable[str]) -> None:
        self.symbols = ("", *sorted(set(characters)))
        self._numbers = {c: n for n, c in enumerate(self.symbols) if c}

    @classmethod
    def of(cls, texts: Iterable[str]) -> Characters:
        """The characters of texts, and the space.

        Raises:
            UserError: the texts have none.
        """
        found = set().union(*texts)
        if not found - {" "}:
            raise UserError(
                "all transcripts are empty; name the column that says what is said"
            )
        return cls(found | {" "})

    @property
    def size(self) -> int:
        """The number of labels with the blank."""
        return len(self.symbols)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The labels of each text; a character that is not known is left out."""
        return [[self._numbers[c] for c in t if c in self._numbers] for t in texts]

    def unknown(self, text: str) -> set[str]:
        """The characters of a text that have no label."""
        return set(text) - self._numbers.keys()

    def save(self, path: Path) -> None:
        """Writes the characters as a JSON list."""
        write_text(path, json.dumps(self.symbols[1:], ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, path: Path) -> Characters:
        """Reads the characters.

        Raises:
            UserError: the file is missing or holds something else.
        """
        try:
            characters = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError.at(
                path, None, "the labels cannot be read; train or export again"
            ) from error
        if not isinstance(characters, list) or not all(
            isinstance(c, str) and len(c) == 1 for c in characters
        ):
            raise UserError.at(path, None, "this is no list of characters")
        return cls(characters)


class Pieces:
    """The pieces of a tokenizer as labels; its padding serves as the blank.

    Args:
        tokenizer: whose `PAD` is 0.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        pieces = tokenizer.pieces(range(tokenizer.size))
        special = (PAD, UNK, BOS, EOS)
        self.symbols = tuple(
            "" if n in special else piece.replace("\u2581", " ")
            for n, piece in enumerate(pieces)
        )

    @property
    def size(self) -> int:
        """The number of labels with the blank."""
        return len(self.symbols)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The labels of each text; what is not known is left out."""
        return [[i for i in ids if i != UNK] for ids in self.tokenizer.encode(texts)]

    def unknown(self, text: str) -> set[str]:
        """The characters of a text that no piece spells."""
        characters = sorted(set(text))
        rows = self.tokenizer.encode(characters)
        return {c for c, ids in zip(characters, rows, strict=True) if UNK in ids}


def spoken(text: str, characters: Collection[str], case: str = "keep") -> str | None:
    """A written sentence as a transcript: its words, in characters that have labels.

    Punctuation without a label ends a word. Quotation marks around a word are none of
    it, and a typographic apostrophe is a plain one where only that has a label.

    Args:
        text: of any source.
        characters: all that the labels are made of.
        case: ``keep``, ``lower`` or ``upper``.

    Returns:
        The words, or None where what belongs to a word (a letter, an accent, a digit,
        an apostrophe between letters) has no label: nobody knows how it would be
        transcribed.
    """
    text = "".join(c for c in clean(text, case) if unicodedata.category(c) != "Cf")
    if "\u2019" not in characters:
        text = text.replace("\u2019", "'")
    text = _QUOTES.sub(" ", text)
    left = {c for c in text if c not in characters}
    if any(c.isalnum() or unicodedata.category(c)[0] == "M" for c in left):
        return None
    if "'" in left and _APOSTROPHE.search(text):
        return None
    words = "".join(" " if c in left else c for c in text).split()
    return " ".join(word for word in words if any(c.isalnum() for c in word))


def text_of(labels: Iterable[int], symbols: Sequence[str]) -> str:
    """The text that labels spell, with single spaces and none around it."""
    spelled = "".join(symbols[int(label)] for label in labels)
    return re.sub(" +", " ", spelled).strip(" ")


def clean(text: str, case: str = "keep") -> str:
    """A transcript as it is trained on and scored: NFC, single spaces, one case.

    Args:
        text: as the data have it.
        case: ``keep``, ``lower`` or ``upper``.
    """
    text = " ".join(unicodedata.normalize("NFC", text).split())
    return {"keep": text, "lower": text.lower(), "upper": text.upper()}[case]
