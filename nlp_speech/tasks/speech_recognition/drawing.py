"""What a picture shows of a sound and what was heard in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nlp_speech.audio.features import Reference
from nlp_speech.audio.inputs import read_frames, read_sound, split_parts
from nlp_speech.audio.picture import SoundPicture
from nlp_speech.tasks.speech_recognition.results import Transcript

if TYPE_CHECKING:
    from nlp_speech.tasks.speech_recognition import Assets


def picture(given: str, result: Transcript, assets: Assets) -> SoundPicture:
    """A sound and what was heard in it, to be drawn.

    Args:
        given: the input.
        result: the answer to it.
        assets: of the model that gave it.

    Raises:
        UserError: the input cannot be read.
    """
    section, front_end = assets.config.frontend, assets.front_end
    samples = hertz = None
    if section.source == "features":
        features = read_frames(given, section.n_mfcc)
    else:
        most = assets.config.decoding.max_seconds
        samples = read_sound(given, section.sample_rate, most)
        features = Reference(front_end).raw(samples)
        hertz = front_end.centers if section.kind == "log_mel" else None
    log_probs = result.log_probs
    files = [part.name for part in split_parts(given) if isinstance(part, Path)]
    return SoundPicture(
        title=", ".join(files),
        features=features,
        frame_seconds=section.frame_seconds,
        samples=samples,
        sample_rate=section.sample_rate,
        hertz=hertz,
        posteriors=None if log_probs is None else np.exp(log_probs),
        step_seconds=assets.seconds_per_step,
        labels=assets.labels.symbols,
        words=tuple((word.text, word.start, word.end) for word in result.words),
    )
