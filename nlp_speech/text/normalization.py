"""The Unicode normalization that every text goes through before SentencePiece."""

from __future__ import annotations

import re

REPLACEMENT = "\ufffd"
_SURROGATE = re.compile("[\ud800-\udfff]")

TAG = r"<[A-Za-z/!][^<>]*>"
"""A tag of HTML, a comment too; read alike by Python and by TensorFlow (RE2)."""

ENTITIES = {
    "&nbsp;": " ",
    "&lt;": "<",
    "&gt;": ">",
    "&quot;": '"',
    "&#39;": "'",
    "&amp;": "&",
}
"""The usual named characters of HTML; the last must come last."""

RULES = ("nmt_nfkc", "nmt_nfkc_cf")
"""SentencePiece's rules that may follow our own; the second folds case."""

_TAG = re.compile(TAG)


def normalize(text: str) -> str:
    r"""Makes any Python string one that every face of the tokenizer reads alike.

    The whole rule, in this order:

    1. What is not a Unicode scalar value becomes U+FFFD: a lone surrogate in a Python
       string, a malformed sequence in the bytes that a graph is given (each maximal
       part of one, as the Unicode standard recommends).
    2. NUL becomes a space, because C strings end there.
    3. Everything else is left to SentencePiece's `nmt_nfkc`, whose tables are part of
       the vocabulary file and so are the same on every machine: compatibility
       composition (NFKC), white space of all kinds and U+FFFD to a space, other control
       characters dropped, runs of spaces to one, no space at either end. A config may
       ask for `nmt_nfkc_cf`, which folds case as well, letter by letter ("STRASSE" to
       "strasse", "Straße" to "straße").

    Python's `unicodedata` and TensorFlow's ICU are on purpose not used: they are of
    different Unicode versions, and would disagree about new characters.

    Args:
        text: any string.

    Returns:
        A string that can be encoded as UTF-8 and holds no NUL.
    """
    return _SURROGATE.sub(REPLACEMENT, text).replace("\0", " ")


def strip_tags(text: str) -> str:
    """Takes HTML tags out of a text and puts the usual named characters in.

    A tag becomes a space; "a < b" and "<3" are no tags.

    Args:
        text: a normalized string.

    Returns:
        The text that a reader would see, but for its layout.
    """
    text = _TAG.sub(" ", text)
    for name, character in ENTITIES.items():
        text = text.replace(name, character)
    return text


def clean(text: str) -> str:
    """A text as a vocabulary is given it: valid Unicode, without HTML tags."""
    return strip_tags(normalize(text))
