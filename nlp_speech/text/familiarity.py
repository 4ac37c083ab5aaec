"""Whether a text is like those that a vocabulary was learned from: no TensorFlow."""

from __future__ import annotations

import numpy as np

from nlp_speech.text.tokenizer import UNK, Tokenizer

UNFAMILIAR = (
    "this text is unlike those that the model was trained on (another language, or "
    "another kind of text?); do not trust the answer"
)
"""What a user is told about the answer to such a text."""

# Measured with vocabularies of 6,000 to 8,000 pieces of reviews, of abstracts and of
# captions: 90% of their own kind of text lie at 0.8 to 1.2 times what is expected,
# English of other kinds at 0.9 to 2.5, French and German at 1.8 to 4, Czech above 3.
_LIMIT = 1.75
_LEAST = 20  # characters; a shorter text may be a name
_READ = 1000  # characters are enough to tell
_UNKNOWN = 10.0  # nats below the rarest piece: what SentencePiece counts


def is_unfamiliar(text: str, tokenizer: Tokenizer) -> bool:
    """Whether a text is much more surprising to the vocabulary than its own text.

    It compares nats a character under the unigram model of the pieces with what that
    model expects of itself: no statistics of the training text are needed.

    Args:
        text: as the model reads it; a short one is never unfamiliar.
        tokenizer: learned from the training text.
    """
    start = text[:_READ]
    if len(start.strip()) < _LEAST:
        return False
    [ids] = tokenizer.encode([start])
    [pieces] = tokenizer.surfaces([start])
    # A run of unknown characters is one piece.
    lengths = np.array([len(piece) for piece in pieces])
    unknown = np.array(ids) == UNK
    rarest = tokenizer.scores.min() - _UNKNOWN
    scores = np.where(unknown, lengths * rarest, tokenizer.scores[ids])
    return bool(-scores.sum() > _LIMIT * tokenizer.surprise * lengths.sum())
