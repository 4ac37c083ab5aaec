"""How two convolutions over time make one step of a group of frames; no TensorFlow."""

from __future__ import annotations

from typing import NamedTuple

SECOND_REACH = 3
"""Outputs of the first convolution that the second reads at once."""


class Strides(NamedTuple):
    """The strides in time; together they are the frames of a group.

    Attributes:
        first: of the convolution of frames.
        second: of the one of its outputs.
    """

    first: int
    second: int

    @classmethod
    def of(cls, frames: int) -> Strides:
        """Those of a group of so many frames."""
        second = 2 if frames > 2 and frames % 2 == 0 else 1
        return cls(frames // second, second)

    @property
    def first_reach(self) -> int:
        """Frames that the first convolution reads at once: more than its stride."""
        return max(3, self.first + 1)

    @property
    def context(self) -> int:
        """Frames before a group that its step depends on."""
        return self.first_reach + self.first * (SECOND_REACH - 1 - self.second)
