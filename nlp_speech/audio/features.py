"""The front end: what turns samples into features. NumPy only.

This file is the one definition: the window, the mel filters and the cosine transform
are computed here and used by every executor. `Reference` is the slow, exact executor
in float64; `nlp_speech.audio.graph` is the one of training, servers and devices.

Frame t ends with sample ``(t + 1) * hop_length``; before the first sample there is
silence. So n samples have ``n // hop_length`` frames, and a frame never needs the
future: a stream gives the same frames as the whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from nlp_speech.audio.sections import FrontEndSection
from nlp_speech.errors import UserError
from nlp_speech.files import replacing

GUARD = 2.0**-24
"""Added to the power of a band before the logarithm, as in NeMo: -16.6 is silence."""
VARIANCE_FLOOR = 1e-4
"""Added to a variance before its root, so that silence stays finite."""
DELTA_REACH = 2
"""Frames on either side from which a derivative is estimated."""


@dataclass(frozen=True)
class Statistics:
    """Mean and deviation of each feature over the training set, float32 [features]."""

    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def neutral(cls, features: int) -> Statistics:
        """Those that change nothing."""
        return cls(np.zeros(features, np.float32), np.ones(features, np.float32))

    def save(self, path: Path) -> None:
        """Writes them, whole or not at all."""
        with replacing(path) as file:
            np.savez(file, mean=self.mean, deviation=self.deviation)

    @classmethod
    def load(cls, path: Path) -> Statistics:
        """Reads them.

        Raises:
            UserError: the file is missing or damaged.
        """
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
                return cls(data["mean"], data["deviation"])
        except Exception as error:  # zipfile, zlib and NumPy each have their own
            raise UserError.at(
                path, None, "the statistics of the features cannot be read; train again"
            ) from error


class FrontEnd:
    """The constants of a front end.

    Args:
        section: its config.
        statistics: of the training set; None changes nothing.
    """

    def __init__(
        self, section: FrontEndSection, statistics: Statistics | None = None
    ) -> None:
        self.section = section
        self.statistics = statistics or Statistics.neutral(section.features)

    @property
    def hops_per_window(self) -> int:
        """The hops that a window reaches over, the last one in part perhaps."""
        return -(-self.section.window_length // self.section.hop_length)

    @cached_property
    def window(self) -> np.ndarray:
        """A periodic Hann window, float32 [window_length]."""
        length = self.section.window_length
        angles = 2 * np.pi * np.arange(length) / length
        return (0.5 - 0.5 * np.cos(angles)).astype(np.float32)

    @cached_property
    def mel(self) -> np.ndarray:
        """Triangles of equal area on Slaney's mel scale, float32 [bins, n_mels].

        Equal to ``librosa.filters.mel`` as it is by default.
        """
        section, edges = self.section, self._edges
        bins = np.linspace(0, section.sample_rate / 2, section.n_fft // 2 + 1)
        rising = (bins[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
        falling = (edges[2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
        triangles = np.maximum(0, np.minimum(rising, falling))
        return (triangles * 2 / (edges[2:] - edges[:-2])).astype(np.float32)

    @property
    def centers(self) -> np.ndarray:
        """The centre of each mel band in Hz, float64 [n_mels]."""
        return self._edges[1:-1]

    @property
    def _edges(self) -> np.ndarray:
        """Where each mel band begins, and the last two end, in Hz."""
        section = self.section
        ends = (_mel(section.f_min), _mel(section.upper))
        return _hertz(np.linspace(*ends, section.n_mels + 2))

    @cached_property
    def cosines(self) -> np.ndarray:
        """The orthonormal cosine transform of type 2, float32 [n_mels, n_mfcc]."""
        n, k = self.section.n_mels, self.section.n_mfcc
        angles = np.pi / n * np.outer(np.arange(n) + 0.5, np.arange(k))
        scale = np.where(np.arange(k) == 0, np.sqrt(1 / n), np.sqrt(2 / n))
        return (np.cos(angles) * scale).astype(np.float32)

    @cached_property
    def running_rate(self) -> float:
        """How much of a new frame goes into the running statistics."""
        frames = self.section.running_seconds / self.section.frame_seconds
        return float(1 - np.exp(-1 / frames))


class Reference:
    """Runs a front end on one utterance in float64: what the others must equal.

    Args:
        front_end: its constants.
    """

    def __init__(self, front_end: FrontEnd) -> None:
        self.front_end = front_end
        self.section = front_end.section

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """All of it: float64 [frames, features] of samples [n]."""
        return self.finish(self.raw(samples))

    def raw(self, samples: np.ndarray) -> np.ndarray:
        """Log-mel bands or cepstra: float64 [frames, bands] of samples [n]."""
        section, window = self.section, self.front_end.window.astype(np.float64)
        size, hop = section.window_length, section.hop_length
        count = len(samples) // hop
        padded = np.concatenate([np.zeros(size), np.asarray(samples, np.float64)])
        begins = hop * (np.arange(count) + 1)
        frames = padded[begins[:, None] + np.arange(size)] * window
        power = np.abs(np.fft.rfft(frames, section.n_fft)) ** 2
        bands = np.log(power @ self.front_end.mel.astype(np.float64) + GUARD)
        if section.kind == "log_mel":
            return bands
        return bands @ self.front_end.cosines.astype(np.float64)

    def finish(self, raw: np.ndarray) -> np.ndarray:
        """Derivatives and normalization: [frames, features] of [frames, bands]."""
        x = np.asarray(raw, np.float64)
        parts = [x]
        for _ in range(self.section.deltas):
            parts.append(_delta(parts[-1]))
        return self._normalized(np.concatenate(parts, axis=1))

    def _normalized(self, x: np.ndarray) -> np.ndarray:
        statistics = self.front_end.statistics
        kind = self.section.normalization
        if kind == "none" or not len(x):
            return x
        if kind == "utterance":
            return (x - x.mean(0)) / np.sqrt(x.var(0) + VARIANCE_FLOOR)
        x = (x - statistics.mean) / statistics.deviation
        return x if kind == "global" else self._running(x)

    def _running(self, x: np.ndarray) -> np.ndarray:
        rate = self.front_end.running_rate
        mean, variance = np.zeros(x.shape[1]), np.ones(x.shape[1])
        out = np.empty_like(x)
        for t, frame in enumerate(x):
            step = frame - mean
            mean = mean + rate * step
            variance = (1 - rate) * (variance + rate * step**2)
            out[t] = (frame - mean) / np.sqrt(variance + VARIANCE_FLOOR)
        return out


def frame_count(samples: int | np.ndarray, section: FrontEndSection) -> np.ndarray:
    """The number of frames of so many samples."""
    return np.asarray(samples) // section.hop_length


def statistics_of(features: list[np.ndarray]) -> Statistics:
    """The statistics of many utterances, [frames, features] each."""
    count = sum(len(f) for f in features)
    if not count:
        raise UserError("the training set has no frame of sound; give longer sounds")
    mean = np.sum([f.sum(0, dtype=np.float64) for f in features], axis=0) / count
    square = np.sum([((f - mean) ** 2).sum(0) for f in features], axis=0) / count
    deviation = np.sqrt(square + VARIANCE_FLOOR)
    return Statistics(mean.astype(np.float32), deviation.astype(np.float32))


def _delta(x: np.ndarray) -> np.ndarray:
    """The slope of the regression line through 5 frames; edge frames are repeated.

    Source: Young et al., "The HTK Book", equation 5.16.
    """
    if not len(x):
        return x
    reach = range(1, DELTA_REACH + 1)
    padded = np.pad(x, [(DELTA_REACH, DELTA_REACH), (0, 0)], mode="edge")
    n = len(x)
    slopes = sum(
        k * (padded[DELTA_REACH + k :][:n] - padded[DELTA_REACH - k :][:n])
        for k in reach
    )
    return np.asarray(slopes) / (2 * sum(k * k for k in reach))


# Slaney's mel scale: linear up to 1 kHz, logarithmic above (Slaney 1998, "Auditory
# Toolbox").
_LINEAR_STEP = 200.0 / 3
_LOG_START = 1000.0
_LOG_STEP = np.log(6.4) / 27


def _mel(hertz: float) -> float:
    if hertz < _LOG_START:
        return hertz / _LINEAR_STEP
    return _LOG_START / _LINEAR_STEP + float(np.log(hertz / _LOG_START)) / _LOG_STEP


def _hertz(mel: np.ndarray) -> np.ndarray:
    knee = _LOG_START / _LINEAR_STEP
    above = _LOG_START * np.exp(_LOG_STEP * (np.maximum(mel, knee) - knee))
    return np.where(mel < knee, mel * _LINEAR_STEP, above)
