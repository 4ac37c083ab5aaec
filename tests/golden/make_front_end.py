"""Makes ``front_end.npz``: sound, and its features as librosa computes them.

Run it from the repository when the front end is meant to change:
``python tests/golden/make_front_end.py``
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import librosa
import numpy as np

GUARD = 2.0**-24
FILE = Path(__file__).with_name("front_end.npz")
SECTIONS: dict[str, dict[str, Any]] = {
    "wide": {},
    "narrow": {
        "sample_rate": 8000,
        "window_length": 200,
        "hop_length": 80,
        "n_fft": 256,
        "n_mels": 40,
    },
    "cepstra": {"kind": "mfcc", "n_mfcc": 13, "n_mels": 40, "f_max": 7600.0},
}
"""The front ends, without normalization, by name."""


def make_samples() -> np.ndarray:
    """A rising tone, a click and soft noise: int16, whole numbers on every machine."""
    count, state, samples = 6000, 1, []
    for n in range(count):
        state = (state * 1103515245 + 12345) % 2**31
        noise = (state >> 16) % 2001 - 1000
        tone = round(9000 * float(np.sin(n * (0.05 + n * 2e-5))))
        samples.append(noise // 8 + tone + (20000 if n == 4000 else 0))
    return np.array(samples, np.int16)


def features(samples: np.ndarray, section: dict[str, Any]) -> np.ndarray:
    """Features by librosa, float64 [frames, bands]."""
    rate = section.get("sample_rate", 16000)
    window, hop = section.get("window_length", 400), section.get("hop_length", 160)
    n_fft = section.get("n_fft", 512)
    # librosa centres the window in the transform; ours begins with it.
    before = window - hop + (n_fft - window) // 2
    frames = len(samples) // hop
    power = librosa.feature.melspectrogram(
        y=np.pad(samples / 32768.0, (before, n_fft)),
        sr=rate,
        n_fft=n_fft,
        hop_length=hop,
        win_length=window,
        center=False,
        n_mels=section.get("n_mels", 80),
        fmin=20.0,
        fmax=section.get("f_max", rate / 2),
    )[:, :frames]
    bands = np.log(power + GUARD)
    if section.get("kind") == "mfcc":
        bands = librosa.feature.mfcc(S=bands, n_mfcc=section["n_mfcc"])
    return bands.T


def main() -> None:
    """Writes the file."""
    samples = make_samples()
    found = {name: features(samples, s) for name, s in SECTIONS.items()}
    arrays: dict[str, Any] = {n: f.astype(np.float32) for n, f in found.items()}
    np.savez_compressed(FILE, samples=samples, **arrays)


if __name__ == "__main__":
    main()
