"""What else hears a recording: the server's WAV endpoint, and a stream."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from nlp_speech.audio.inputs import read_sound
from nlp_speech.tasks.speech_recognition import (
    SERVER_ENDPOINT,
    STREAM_ENDPOINT,
    WAV_ENDPOINT,
    Assets,
    after,
    before,
    pieces,
)
from nlp_speech.tasks.speech_recognition.results import Transcript
from nlp_speech.tasks.speech_recognition.streaming import StreamingRecognizer

if TYPE_CHECKING:
    from nlp_speech.contract import Predictor

_FULL_SCALE = 2**15

Pair = tuple[Transcript, Transcript | None]


@dataclass(frozen=True)
class _Model:
    """What hears: a `StreamingModel`."""

    predictor: Predictor
    assets: Assets


def further_ways(
    predictor: Predictor, assets: Assets
) -> dict[str, Callable[[str], Pair | None]]:
    """The further endpoints of a model, each as a function of one input.

    Args:
        predictor: runs the model.
        assets: of the model.

    Returns:
        By endpoint a function that gives the transcript and what it should be (None:
        the server endpoint's), or None where the endpoint does not take the input.
    """
    model = _Model(predictor, assets)
    found = {WAV_ENDPOINT: _through_wav, STREAM_ENDPOINT: _through_stream}
    return {
        name: partial(way, model)
        for name, way in found.items()
        if name in predictor.endpoints
    }


def _through_wav(model: _Model, given: str) -> Pair | None:
    """Sent as a WAV file: as what its 16 bits give when they are sent as samples."""
    if not _is_one_piece(model, given):
        return None
    arrays = dict(before(SERVER_ENDPOINT, [given], model.assets))
    scaled = np.round(arrays["samples"] * _FULL_SCALE)
    numbers = np.clip(scaled, -_FULL_SCALE, _FULL_SCALE - 1).astype(np.int16)
    arrays["samples"] = (numbers / _FULL_SCALE).astype(np.float32)
    rate = model.assets.config.frontend.sample_rate
    content = _wav(numbers[0, : arrays["lengths"][0]], rate)
    wav = {"wav": np.array([content], dtype=object)}

    def heard(endpoint: str, arrays: Mapping[str, np.ndarray]) -> Transcript:
        outputs = model.predictor(endpoint, arrays)
        return after(endpoint, outputs, [given], model.assets)[0]

    return heard(WAV_ENDPOINT, wav), heard(SERVER_ENDPOINT, arrays)


def _wav(numbers: np.ndarray, rate: int) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, numbers, rate, format="WAV", subtype="PCM_16")
    return file.getvalue()


def _through_stream(model: _Model, given: str) -> Pair | None:
    """Heard chunk by chunk, and not cut at pauses: as the whole."""
    if not _is_one_piece(model, given):
        return None
    config = model.assets.config
    endless = {"silence_seconds": math.inf, "max_seconds": math.inf}
    streaming = config.streaming.model_copy(update=endless)
    assets = replace(
        model.assets, config=config.model_copy(update={"streaming": streaming})
    )
    recognizer = StreamingRecognizer(_Model(model.predictor, assets))
    rate, most = config.frontend.sample_rate, config.decoding.max_seconds
    recognizer.accept(read_sound(given, rate, most))
    segments = recognizer.finish()
    return Transcript(" ".join(s.text for s in segments), score=0), None


def _is_one_piece(model: _Model, given: str) -> bool:
    """Whether a recording is heard as a whole, not in pieces."""
    return len(pieces(given, model.assets)) == 1
