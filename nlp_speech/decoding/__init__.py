"""Search for the best output of a model that is asked one step at a time."""

from nlp_speech.decoding.beam_search import (
    NO_SCORE,
    Hypotheses,
    beam_search,
    log_softmax,
)

__all__ = ["NO_SCORE", "Hypotheses", "beam_search", "log_softmax"]
