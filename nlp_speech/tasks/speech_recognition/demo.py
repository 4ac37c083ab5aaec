"""A small corpus of spoken digits that the library makes for itself.

The voice is a row of harmonics, or noise, under the formants of each sound (after
Klatt 1980, much simplified). Speakers differ in pitch, size of the mouth, pace and
background; each belongs to one split only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nlp_speech.audio.decode import write_samples
from nlp_speech.files import write_text

SAMPLE_RATE = 8000
SIZES = {"train": 400, "val": 40, "test": 60}
"""Utterances of each split."""
WORDS = {
    "zero": "z ih r ow",
    "one": "w ah n",
    "two": "t uw",
    "three": "th r iy",
    "four": "f ao r",
    "five": "f ay v",
    "six": "s ih k s",
    "seven": "s eh v ah n",
    "eight": "ey t",
    "nine": "n ay n",
}
"""The sounds of each word."""


@dataclass(frozen=True)
class Sound:
    """A speech sound.

    Attributes:
        seconds: how long it usually is.
        formants: in Hz, at its beginning and at its end.
        voice: loudness of the harmonics.
        breath: loudness of the noise.
        band: centre and width of the noise in Hz.
    """

    seconds: float
    formants: tuple[tuple[float, float, float], tuple[float, float, float]]
    voice: float = 1.0
    breath: float = 0.0
    band: tuple[float, float] = (3000, 1000)


@dataclass(frozen=True)
class Speaker:
    """A voice.

    Attributes:
        name: in the manifest.
        pitch: in Hz.
        size: factor on all formants.
        pace: factor on the length of sounds.
        noise: level of the background.
    """

    name: str
    pitch: float
    size: float
    pace: float
    noise: float


def _vowel(seconds: float, *formants: tuple[float, float, float]) -> Sound:
    return Sound(seconds, (formants[0], formants[-1]))


def _hiss(seconds: float, breath: float, band: tuple[float, float]) -> Sound:
    neutral = (400.0, 1600.0, 2600.0)
    return Sound(seconds, (neutral, neutral), 0.0, breath, band)


_NASAL = (280.0, 1500.0, 2500.0)
_LIP = (300.0, 1100.0, 2300.0)
_TEETH = (300.0, 1600.0, 2500.0)
SOUNDS = {
    "iy": _vowel(0.13, (290, 2250, 2900)),
    "ih": _vowel(0.07, (400, 1950, 2550)),
    "eh": _vowel(0.08, (550, 1800, 2500)),
    "ah": _vowel(0.08, (650, 1200, 2450)),
    "ao": _vowel(0.13, (570, 850, 2450)),
    "uw": _vowel(0.15, (310, 900, 2250)),
    "ow": _vowel(0.15, (500, 1000, 2400), (340, 800, 2300)),
    "ay": _vowel(0.17, (730, 1150, 2450), (350, 2050, 2600)),
    "ey": _vowel(0.15, (480, 1950, 2550), (330, 2200, 2750)),
    "w": _vowel(0.06, (300, 650, 2200), (450, 850, 2300)),
    "r": _vowel(0.06, (330, 1150, 1600)),
    "n": Sound(0.07, (_NASAL, _NASAL), 0.4),
    "v": Sound(0.05, (_LIP, _LIP), 0.4, 0.05, (2500, 1500)),
    "z": Sound(0.08, (_TEETH, _TEETH), 0.3, 0.15, (3600, 500)),
    "s": _hiss(0.10, 0.3, (3700, 400)),
    "f": _hiss(0.09, 0.1, (2500, 1800)),
    "th": _hiss(0.09, 0.08, (3000, 1200)),
    "t": _hiss(0.02, 0.5, (3400, 900)),
    "k": _hiss(0.03, 0.4, (2000, 500)),
}
_STOPS = {"t", "k"}


def write_corpus(directory: Path, seed: int) -> None:
    """Writes sound files and ``manifest.tsv`` with a speaker and a split for each.

    Args:
        directory: made if it is not there.
        seed: the same seed writes the same corpus.
    """
    rows = ["path\ttranscript\tspeaker\tsplit"]
    for name, samples, text, speaker, split in make_corpus(seed):
        write_samples(directory / name, samples, SAMPLE_RATE)
        rows.append(f"{name}\t{text}\t{speaker}\t{split}")
    write_text(directory / "manifest.tsv", "\n".join(rows) + "\n")


def make_corpus(seed: int) -> Iterator[tuple[str, np.ndarray, str, str, str]]:
    """File name, samples, transcript, speaker and split of each utterance."""
    rng = np.random.default_rng(seed)
    for split, size in SIZES.items():
        speakers = [_speaker(f"{split}{n}", rng) for n in range(max(2, size // 20))]
        for number in range(size):
            speaker = speakers[number % len(speakers)]
            text = " ".join(rng.choice(list(WORDS), rng.integers(1, 5)))
            name = f"{split}/{number:03d}.flac"
            yield name, say(text, speaker, rng), text, speaker.name, split


def say(text: str, speaker: Speaker, rng: np.random.Generator) -> np.ndarray:
    """Speaks words.

    Args:
        text: words of `WORDS`.
        speaker: whose voice.
        rng: of what differs each time.

    Returns:
        Samples, float32, at `SAMPLE_RATE`.
    """
    parts = [_silence(rng.uniform(0.05, 0.2))]
    for word in text.split():
        for name in WORDS[word].split():
            if name in _STOPS:
                parts.append(_silence(0.03 * speaker.pace))
            parts.append(_sound(SOUNDS[name], speaker, rng))
        parts.append(_silence(rng.uniform(0.03, 0.15)))
    samples = np.concatenate(parts)
    samples /= max(np.abs(samples).max(), 1e-6)
    samples = samples * rng.uniform(0.2, 0.7)
    samples += rng.normal(0, speaker.noise, len(samples))
    return np.clip(samples, -1, 1).astype(np.float32)


def _speaker(name: str, rng: np.random.Generator) -> Speaker:
    size = rng.uniform(0.88, 1.15)
    pitch = 110 * size**4 * rng.uniform(0.9, 1.2)
    pace, noise = rng.uniform(0.85, 1.25), 10 ** rng.uniform(-3.5, -2.3)
    return Speaker(name, float(pitch), float(size), float(pace), float(noise))


def _silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * SAMPLE_RATE))


def _sound(sound: Sound, speaker: Speaker, rng: np.random.Generator) -> np.ndarray:
    seconds = sound.seconds * speaker.pace * rng.uniform(0.85, 1.2)
    count = round(seconds * SAMPLE_RATE)
    share = np.linspace(0, 1, count)
    samples = np.zeros(count)
    if sound.voice:
        first, last = np.array(sound.formants) * speaker.size
        formants = first[:, None] + (last - first)[:, None] * share
        pitch = speaker.pitch * rng.uniform(0.95, 1.05) * (1 - 0.1 * share)
        samples += sound.voice * _harmonics(pitch, formants)
    if sound.breath:
        samples += sound.breath * _noise(count, *sound.band, rng)
    fade = np.minimum(1, np.minimum(share, 1 - share) / 0.12 + 0.02)
    return samples * fade


def _harmonics(pitch: np.ndarray, formants: np.ndarray) -> np.ndarray:
    """Harmonics of `pitch` [n], loud near `formants` [3, n]."""
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    widths = np.array([[80.0], [110.0], [160.0]])
    loudness = np.array([[1.0], [0.6], [0.3]])
    samples = np.zeros_like(pitch)
    for k in range(1, int(SAMPLE_RATE / 2 / pitch.max())):
        peaks = loudness / (1 + ((k * pitch - formants) / widths) ** 2)
        samples += peaks.sum(axis=0) * np.sin(k * phase)
    return samples


def _noise(
    count: int, centre: float, width: float, rng: np.random.Generator
) -> np.ndarray:
    spectrum = np.fft.rfft(rng.normal(size=count))
    hertz = np.linspace(0, SAMPLE_RATE / 2, len(spectrum))
    return np.fft.irfft(spectrum / (1 + ((hertz - centre) / width) ** 2), count)
