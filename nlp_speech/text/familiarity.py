"""Whether a text is like those that a vocabulary was learned from: no TensorFlow."""

from __future__ import annotations

from unicodedata import category

from nlp_speech.text.tokenizer import UNK, Tokenizer

UNFAMILIAR = (
    "this text is unlike those that the model was trained on (another language, or "
    "another kind of text?); the answer may mean little"
)
"""What a user is told about the answer to such a text."""

# Measured with vocabularies of 6,000 to 8,000 pieces. 90% of their own kind of text lie
# at 0.8 to 1.3 times what is expected. For one of film reviews all other English is
# below 1.65, French and German above 1.8; for narrow ones, of abstracts or of captions,
# other English lies at 1.3 to 2.5, French and German at 2.1 to 4, Czech above 3.
_LIMIT = 1.75
_LEAST = 20  # letters and spaces; a shorter text may be a name
_FEW = 4  # letters: fewer are an abbreviation or a sign
_READ = 1000  # characters are enough to tell
_UNSEEN = 10.0  # nats below the rarest piece: what SentencePiece counts a character


def is_unfamiliar(text: str, tokenizer: Tokenizer) -> bool:
    """Whether the words of a text are much rarer than those of the training text.

    It compares nats a character under the unigram model of the pieces with what that
    model expects of itself: no statistics of the training text are needed. Digits and
    punctuation do not count, nor do capitals. A vocabulary that was learned from two
    languages is familiar with both.

    Args:
        text: as the model reads it; a short one is unfamiliar only if most of its
            letters are: a sentence of Chinese may have ten.
        tokenizer: learned from the training text.
    """
    words = _words(text.strip()[:_READ])
    if len(words) < _LEAST:
        forms = (words, words.lower())
        unseen = min(
            _unseen(form, _known(form, tokenizer), tokenizer) for form in forms
        )
        return len(words) >= _FEW and unseen > len(words) / 2
    limit = _LIMIT * tokenizer.surprise
    return all(_surprise(form, tokenizer) > limit for form in (words, words.lower()))


def _words(text: str) -> str:
    """Letters with their marks and apostrophes, between single spaces."""
    kept = (c if category(c)[0] in "LM" or c in "'\u2019" else " " for c in text)
    return " ".join("".join(kept).split())


def _surprise(text: str, tokenizer: Tokenizer) -> float:
    """Nats a character: single spaces, so that the pieces are as long as the text."""
    known = _known(text, tokenizer)
    rarest = tokenizer.scores.min() - _UNSEEN
    total = tokenizer.scores[known].sum() + _unseen(text, known, tokenizer) * rarest
    return float(-total / (len(text) + 1))


def _unseen(text: str, known: list[int], tokenizer: Tokenizer) -> float:
    """How many characters of a text, and the space that begins it, are in no piece."""
    # Normalization may have made more characters of some.
    return max(len(text) + 1 - float(tokenizer.lengths[known].sum()), 0.0)


def _known(text: str, tokenizer: Tokenizer) -> list[int]:
    [ids] = tokenizer.encode([text])
    return [n for n in ids if n != UNK]
