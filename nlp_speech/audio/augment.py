"""What training samples go through. NumPy and soxr; no TensorFlow.

Everything is drawn from a generator that the caller seeds with run, epoch and example,
so that an example is the same whichever batch it is in and wherever a run resumes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import soxr

from nlp_speech.audio.sections import AugmentationSection

_QUALITY = "MQ"
_NOISE_SAMPLES = 1 << 16
_TEMPO_WINDOW = 0.03  # seconds, about two periods of a low voice
_TEMPO_REACH = 0.01  # seconds in which the best place to join is sought


@dataclass(frozen=True)
class Changes:
    """What was drawn for one example.

    Attributes:
        speed: factor of speed and pitch.
        tempo: factor of speed that keeps the pitch.
        gain: in dB.
        noise: signal-to-noise ratio in dB, or None.
        reverb: reverberation time in seconds, or None.
        seed: of the noise and the room.
    """

    speed: float = 1.0
    tempo: float = 1.0
    gain: float = 0.0
    noise: float | None = None
    reverb: float | None = None
    seed: int = 0

    def length(self, samples: int) -> int:
        """The samples that so many become."""
        return round(round(samples / self.speed) / self.tempo)


def draw_changes(rng: np.random.Generator, section: AugmentationSection) -> Changes:
    """Draws what happens to an example."""
    seed = int(rng.integers(1 << 31))
    speed = float(rng.choice(section.speed)) if section.speed else 1.0
    tempo = float(rng.uniform(*section.tempo)) if section.tempo else 1.0
    gain = float(rng.uniform(*section.gain)) if section.gain else 0.0
    noise = reverb = None
    if section.noise and rng.random() < section.noise_probability:
        noise = float(rng.uniform(*section.noise))
    if section.reverb and rng.random() < section.reverb_probability:
        reverb = float(rng.uniform(*section.reverb))
    return Changes(speed, tempo, gain, noise, reverb, seed)


def change(samples: np.ndarray, changes: Changes, sample_rate: int) -> np.ndarray:
    """Applies what was drawn.

    Args:
        samples: mono, float32 [n].
        changes: what `draw_changes` returned.
        sample_rate: Hz.

    Returns:
        float32 [changes.length(n)].
    """
    rng = np.random.default_rng(changes.seed)
    size = len(samples)
    x = change_speed(samples, changes.speed)
    x = change_tempo(x, changes.tempo, sample_rate)
    x = fit_length(x, changes.length(size))
    if changes.reverb is not None:
        x = add_reverb(x, changes.reverb, sample_rate, rng)
    if changes.noise is not None:
        x = add_noise(x, changes.noise, rng)
    return x * np.float32(10 ** (changes.gain / 20))


def change_speed(samples: np.ndarray, factor: float) -> np.ndarray:
    """Plays samples faster (factor above 1) or slower; the pitch goes along.

    Source: Ko et al. 2015, "Audio augmentation for speech recognition".
    """
    if factor == 1 or not len(samples):
        return samples
    faster = soxr.resample(samples, round(factor * 1000), 1000, quality=_QUALITY)
    return fit_length(faster, round(len(samples) / factor))


def change_tempo(samples: np.ndarray, factor: float, sample_rate: int) -> np.ndarray:
    """Plays samples faster or slower and keeps the pitch.

    Windows are laid over each other where they fit best (WSOLA, Verhelst and Roelands
    1993).
    """
    size = round(len(samples) / factor)
    half = round(_TEMPO_WINDOW * sample_rate / 2)
    reach = round(_TEMPO_REACH * sample_rate)
    if factor == 1 or len(samples) < 2 * half + 2 * reach:
        return fit_length(samples, size)
    window = np.hanning(2 * half + 1)[:-1].astype(np.float32)
    padded = np.pad(samples, (half + reach, 3 * half + 2 * reach))
    out = np.zeros(size + 4 * half, np.float32)
    weight = np.zeros_like(out)
    begin = reach  # the middle of the first window is the first sample
    for place in range(0, size + half, half):
        out[place : place + 2 * half] += window * padded[begin : begin + 2 * half]
        weight[place : place + 2 * half] += window
        natural = padded[begin + half : begin + 3 * half]
        wanted = reach + min(round((place + half) * factor), len(samples))
        region = padded[wanted - reach : wanted + reach + 2 * half]
        if len(natural) < 2 * half or len(region) < 2 * half + 2 * reach:
            break
        match = np.correlate(region, natural, mode="valid")
        begin = wanted - reach + (int(match.argmax()) if match.any() else reach)
    out = out[half:] / np.maximum(weight[half:], 1e-3)
    return fit_length(np.pad(out, (half, 0))[half:], size)


def add_noise(
    samples: np.ndarray, ratio: float, rng: np.random.Generator
) -> np.ndarray:
    """Adds noise between white and brown at a signal-to-noise ratio in dB.

    It repeats after 65,536 samples: a transform of the whole length would take longer
    than all else that happens to a sound.
    """
    power = float(np.mean(samples**2)) if len(samples) else 0.0
    if not power:
        return samples
    size = min(_NOISE_SAMPLES, 1 << (len(samples) - 1).bit_length())
    bins = np.arange(1, size // 2 + 2, dtype=np.float32)
    real, imaginary = rng.standard_normal((2, len(bins)), np.float32)
    spectrum = (real + 1j * imaginary) * bins ** np.float32(-rng.uniform(0, 1))
    noise = np.fft.irfft(spectrum.astype(np.complex64), max(size, 2))
    noise = np.resize(noise, len(samples))
    noise *= np.sqrt(power / 10 ** (ratio / 10) / max(np.mean(noise**2), 1e-20))
    return samples + noise.astype(np.float32)


def add_reverb(
    samples: np.ndarray,
    seconds: float,
    sample_rate: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Adds the echo of a room whose sound falls by 60 dB in `seconds`.

    The room is decaying noise after the direct sound (Polack 1988); loudness is kept.
    """
    count = round(seconds * sample_rate)
    if not len(samples) or count < 2:
        return samples
    times = np.arange(count) / count
    room = rng.normal(size=count) * 10 ** (-3 * times)
    room *= rng.uniform(0.1, 0.6) / np.sqrt(np.sum(room**2))
    room[0] = 1.0
    size = 1 << (len(samples) + count - 1).bit_length()
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(room, size), size)
    wet = wet[: len(samples)]
    level = np.sqrt(np.mean(samples**2) / max(np.mean(wet**2), 1e-20))
    return (wet * level).astype(np.float32)


def fit_length(samples: np.ndarray, size: int) -> np.ndarray:
    """Cuts samples, or adds silence, so that there are `size`."""
    if len(samples) >= size:
        return samples[:size]
    return np.pad(samples, (0, size - len(samples)))
