"""Search for the best output of a model; language models of words.

Importing this package imports no TensorFlow: `arpa`, `ngram`, `fusion` and `ctc_host`
do without, and the names below are looked up when they are asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nlp_speech.decoding.beam_search import (
        NO_SCORE,
        Hypotheses,
        beam_search,
        log_softmax,
    )

__all__ = ["NO_SCORE", "Hypotheses", "beam_search", "log_softmax"]


def __getattr__(name: str) -> Any:
    """The search in TensorFlow operations, imported when it is first used."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    search = importlib.import_module("nlp_speech.decoding.beam_search")
    return getattr(search, name)
