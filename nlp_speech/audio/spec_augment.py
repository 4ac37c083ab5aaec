"""Warping and masking of features (SpecAugment, Park et al. 2019).

What is warped and masked is drawn in NumPy for each example by itself; it is applied to
a whole batch in the graph.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from nlp_speech.audio.sections import AugmentationSection

Tensor = Any


@dataclass(frozen=True)
class Masks:
    """What happens to the features of a batch.

    Attributes:
        places: the frame, between two perhaps, that each frame is taken from, float32
            [rows, frames].
        times: 0 where a frame is blanked and 1 elsewhere, float32 [rows, frames].
        bins: the same for features, float32 [rows, features].
    """

    places: np.ndarray
    times: np.ndarray
    bins: np.ndarray

    @classmethod
    def none(cls, rows: int, frames: int, features: int) -> Masks:
        """Those that change nothing."""
        places = np.tile(np.arange(frames, dtype=np.float32), [rows, 1])
        ones = np.ones([rows, frames], np.float32)
        return cls(places, ones, np.ones([rows, features], np.float32))

    def draw(
        self,
        row: int,
        length: int,
        section: AugmentationSection,
        rng: np.random.Generator,
    ) -> None:
        """Draws a row.

        Args:
            row: which one.
            length: its real frames.
            section: how much is warped and masked.
            rng: of this example.
        """
        self.places[row, :length] = _warped(length, section.time_warp, rng)
        longest = min(section.time_mask_frames, int(section.time_mask_share * length))
        for _ in range(section.time_masks):
            _blank(self.times[row, :length], longest, rng)
        bands = self.bins.shape[1]
        for _ in range(section.frequency_masks):
            _blank(self.bins[row], min(section.frequency_mask_bins, bands - 1), rng)


def apply_masks(features: Tensor, places: Tensor, times: Tensor, bins: Tensor) -> Any:
    """Warps and masks a batch.

    Args:
        features: [rows, frames, features], 0 after the end of each row and 0 on
            average: that is what masks put there.
        places: as `Masks.places`.
        times: as `Masks.times`.
        bins: as `Masks.bins`.

    Returns:
        Features of the same shape.
    """
    below = tf.floor(places)
    share = (places - below)[:, :, None]
    first = tf.cast(below, tf.int32)
    second = tf.minimum(first + 1, tf.shape(features)[1] - 1)
    low = tf.gather(features, first, batch_dims=1)
    high = tf.gather(features, second, batch_dims=1)
    warped = low + share * (high - low)
    return warped * times[:, :, None] * bins[:, None, :]


def _warped(length: int, most: int, rng: np.random.Generator) -> np.ndarray:
    """Where frames are taken from: one point of time is moved, the ends stay."""
    places = np.arange(length, dtype=np.float32)
    most = min(most, (length - 1) // 4)
    if most < 1:
        return places
    center = rng.integers(most + 1, length - 1 - most)
    moved = center + rng.integers(-most, most + 1)
    ends = [0, center, length - 1], [0, moved, length - 1]
    return np.interp(places, *ends).astype(np.float32)


def _blank(row: np.ndarray, longest: int, rng: np.random.Generator) -> None:
    size = int(rng.integers(0, longest + 1)) if longest > 0 else 0
    begin = int(rng.integers(0, len(row) - size + 1))
    row[begin : begin + size] = 0
