"""Where a long recording can be cut: at its pauses. NumPy only, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

_FRAME_SECONDS = 0.02
_PAUSE_FRAMES = 15  # whose mean power tells how quiet a moment is
_SHORTEST = 0.5  # share of the longest piece that the others have at least


def cut_at_pauses(
    blocks: Iterable[np.ndarray], sample_rate: int, longest: float
) -> list[tuple[float, float]]:
    """Cuts sound into pieces, each at the quietest moment of its second half.

    Args:
        blocks: the samples, piece by piece, such as `decode.sample_blocks` gives; only
            the power of every 20 ms is kept.
        sample_rate: Hz.
        longest: seconds of a piece at most.

    Returns:
        Begin and end of each piece in seconds; together they are the whole.
    """
    size = round(_FRAME_SECONDS * sample_rate)
    unit = size / sample_rate
    power, count = _power(blocks, size)
    seconds = count / sample_rate
    most = max(2, int(longest / unit))
    least = max(1, int(most * _SHORTEST))
    quiet = np.convolve(power, np.ones(_PAUSE_FRAMES) / _PAUSE_FRAMES, mode="same")
    begin, pieces = 0, []
    while seconds - begin * unit > longest:
        moments = quiet[begin + least : begin + most]
        # The last of equally quiet moments: fewer pieces.
        end = begin + least + len(moments) - 1 - int(moments[::-1].argmin())
        pieces.append((begin * unit, end * unit))
        begin = end
    pieces.append((begin * unit, seconds))
    return pieces


def _power(blocks: Iterable[np.ndarray], size: int) -> tuple[np.ndarray, int]:
    """The mean power of every `size` samples, of the rest too, and all samples."""
    found, rest, count = [], np.zeros(0, np.float32), 0
    for block in blocks:
        count += len(block)
        samples = np.concatenate([rest, block])
        whole = len(samples) // size * size
        found.append((samples[:whole].reshape(-1, size) ** 2).mean(axis=1))
        rest = samples[whole:]
    if len(rest):
        found.append(np.array([np.mean(rest**2)]))
    power = np.concatenate([np.zeros(0), *found])
    return power if len(power) else np.zeros(1), count
