"""LSTM models for text and speech: one config to a server and a device.

Example:
    >>> import nlp_speech
    >>> translator = nlp_speech.load("saved_models/translation_en_de")
    >>> translator(["A dog runs on the beach."])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nlp_speech.runtime import Model
    from nlp_speech.tasks.speech_recognition.streaming import StreamingRecognizer

__version__ = "0.1.0"
__all__ = ["__version__", "load", "stream"]


def load(path: str | Path, runtime: str = "auto", **options: Any) -> Model:
    """Opens a trained bundle.

    Args:
        path: a version directory, or the directory that holds them (then the newest).
        runtime: "keras", "saved_model" or "tflite"; "auto" takes the SavedModel where
            TensorFlow is installed and the TFLite file where it is not.
        **options: what `nlp_speech.runtime.load` takes besides: `variant`, `threads`.

    Returns:
        A model to be called with a list of inputs; it gives a list of results.

    Raises:
        nlp_speech.errors.UserError: the bundle is missing, cut short or of another
            version.
    """
    from nlp_speech.runtime import load as load_bundle

    return load_bundle(path, runtime=runtime, **options)


def stream(
    model: Model, hot_words: Mapping[str, float] | None = None
) -> StreamingRecognizer:
    """Begins to recognize sound while it is heard.

    Args:
        model: what `load` gives for a recognizer that reads streams; any number of
            streams may share it.
        hot_words: to expect, each with what is added to the score in nats, such as 4.

    Returns:
        What samples are given to: `accept`, `partial`, `finish`, `reset`.

    Raises:
        nlp_speech.errors.UserError: the model cannot read a stream, or a hot word is
            not one word in its letters.
    """
    from nlp_speech.tasks.speech_recognition.streaming import StreamingRecognizer

    return StreamingRecognizer(model, hot_words)
