"""A sound and what was heard in it, as data that can be drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class SoundPicture:
    """What a picture of one sound shows; all of it is on one axis of time.

    Attributes:
        title: above the picture.
        features: [frames, bands].
        frame_seconds: the time of a frame.
        samples: mono, float32 [n], or None where the sound is not known.
        sample_rate: Hz.
        hertz: the centre of each band [bands], or None for cepstra.
        posteriors: the probability of each label at each step, [steps, labels], or
            None; label 0 is the blank.
        step_seconds: the time of a step.
        labels: the name of each label.
        words: what was heard, with its start and end in seconds.
    """

    title: str
    features: np.ndarray
    frame_seconds: float
    samples: np.ndarray | None = None
    sample_rate: int = 1
    hertz: np.ndarray | None = None
    posteriors: np.ndarray | None = None
    step_seconds: float = 1.0
    labels: tuple[str, ...] = ()
    words: tuple[tuple[str, float, float], ...] = ()

    @property
    def seconds(self) -> float:
        """How long the sound is."""
        if self.samples is not None:
            return len(self.samples) / self.sample_rate
        return len(self.features) * self.frame_seconds
