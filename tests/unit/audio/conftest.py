"""Sound that tests of audio share."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def sound() -> np.ndarray:
    """A second and a bit of a wavering tone with noise, 16 kHz."""
    rng = np.random.default_rng(3)
    n = np.arange(17_000)
    tone = 0.3 * np.sin(n * 0.1 + 3 * np.sin(n / 900))
    return (tone + rng.normal(0, 0.02, len(n))).astype(np.float32)
