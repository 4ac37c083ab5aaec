"""How many steps a transcript needs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from nlp_speech.tasks.speech_recognition.config import SpeechRecognitionConfig


def can_align(
    labels: Sequence[int], frames: int, config: SpeechRecognitionConfig, training: bool
) -> bool:
    """Whether CTC finds a path, in training however fast an utterance is made.

    Args:
        labels: of the transcript.
        frames: of the sound as it is.
        config: of the experiment.
        training: whether the sound is augmented.
    """
    if training:
        section = config.augmentation
        fastest = max([1.0, *section.speed]) * (section.tempo or (1, 1))[1]
        frames = int(frames / fastest)
    return steps_needed(labels) <= frames // config.model.subsampling


def steps_needed(labels: Sequence[int]) -> int:
    """The steps that CTC needs at least: one a label, and a blank between equals.

    Source: Graves et al. 2006, "Connectionist temporal classification", section 3.
    """
    return len(labels) + sum(a == b for a, b in pairwise(labels))
