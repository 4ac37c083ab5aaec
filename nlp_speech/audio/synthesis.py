"""Speech made by espeak-ng, for training data that nobody has recorded.

The library and its voices come with the extra `synthesis`. They are under the GPL; what
they say is not. A voice says a text a little differently each time.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import soxr

from nlp_speech.errors import UserError

SPEAKERS = tuple(
    "m1 m2 m3 m4 m5 m6 m7 m8 f1 f2 f3 f4 f5 Alex Alicia Andrea Andy Annie Denis Gene "
    "Jacky Lee Marco Mario Michael Nguyen Reed adam anika antonio belinda benjamin "
    "boris david ed edward grandma grandpa iven john linda michel miguel norbert pablo "
    "paul quincy rob robert sandro shelby steph travis victor klatt2 klatt3 klatt4 "
    "whisper zac".split()
)
"""Variants that are laid over a language: men, women, old people, a whisper."""

# Of the header espeak-ng/speak_lib.h.
_SYNCHRONOUS = 2
_DO_NOT_EXIT = 0x8000
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4
_UTF8 = 1
_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)
_QUIET_ENOUGH = 45  # of 100; the loudest speakers clip at more


@dataclass(frozen=True)
class Voice:
    """Who speaks, and how.

    Attributes:
        language: of espeak-ng, such as ``en-us`` or, for British English, ``en``.
        speaker: one of `SPEAKERS`.
        words_per_minute: how fast; 175 is usual.
        pitch: 0 to 99.
        intonation: how much the pitch moves, 0 to 99.
    """

    language: str
    speaker: str
    words_per_minute: int = 175
    pitch: int = 50
    intonation: int = 50

    @property
    def name(self) -> str:
        """Who it is, however fast or high: ``en-us+f3``."""
        return f"{self.language}+{self.speaker}"


def some_voice(languages: Sequence[str], speaker: str, seed: Sequence[int]) -> Voice:
    """A way in which a speaker speaks, drawn at random.

    Args:
        languages: one of them is drawn.
        speaker: one of `SPEAKERS`.
        seed: the same voice for the same seed.
    """
    random = np.random.default_rng(seed)
    return Voice(
        str(random.choice(list(languages))),
        speaker,
        int(random.integers(120, 211)),
        int(random.integers(20, 81)),
        int(random.integers(20, 81)),
    )


class Synthesizer:
    """Speaks.

    Args:
        sample_rate: of what is spoken, in Hz.

    Raises:
        UserError: espeak-ng is not installed, or does not start.
    """

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self._engine = _engine()

    def check(self, language: str) -> None:
        """Checks that a language is spoken.

        Raises:
            UserError: it is not.
        """
        if not self._engine.speaks(language):
            known = self._engine.languages()
            near = get_close_matches(language, known, n=5, cutoff=0.4) or known[:9]
            raise UserError(
                f"espeak-ng has no language {language!r}; try {', '.join(near)}"
            )

    def __call__(self, text: str, voice: Voice) -> np.ndarray:
        """Speaks a text.

        Args:
            text: one or more sentences.
            voice: who speaks.

        Returns:
            float32 [samples]; none for a text without anything to say.

        Raises:
            UserError: there is no such language.
        """
        self.check(voice.language)
        samples = self._engine.speak(text, voice)
        if not len(samples):
            return samples
        rate = self._engine.sample_rate
        return soxr.resample(samples, rate, self.sample_rate).astype(np.float32)


class _Engine:
    """The one espeak-ng of a process, which calls back with what it has spoken.

    It runs in a thread of its own: a signal reaches only the main thread, so that
    Ctrl-C does not fall into a callback, where it would be lost.
    """

    def __init__(self, library: Path, data: Path) -> None:
        self._data = data
        self._blocks: list[np.ndarray] = []
        self._library = ctypes.CDLL(str(library))
        self.sample_rate: int = self._library.espeak_Initialize(
            _SYNCHRONOUS, 0, os.fsencode(data), _DO_NOT_EXIT
        )
        if self.sample_rate <= 0:
            raise UserError(
                f"espeak-ng does not start with its data in {data}; install "
                "espeakng-loader again, below a path of at most 120 characters"
            )
        # Kept, since the library calls it later.
        self._callback = _CALLBACK(self._take)
        self._library.espeak_SetSynthCallback(self._callback)
        self._thread = ThreadPoolExecutor(1)

    def speaks(self, language: str) -> bool:
        """Whether there is such a language."""
        set_voice = self._library.espeak_SetVoiceByName
        return self._thread.submit(set_voice, language.encode()).result() == 0

    def languages(self) -> list[str]:
        """All there are."""
        files = (p for p in (self._data / "lang").rglob("*") if p.is_file())
        lines = (line for p in files for line in p.read_text("utf-8").splitlines())
        return sorted({x.split()[1] for x in lines if x.startswith("language ")})

    def speak(self, text: str, voice: Voice) -> np.ndarray:
        """What a voice says, float32 [samples]."""
        return self._thread.submit(self._speak, text, voice).result()

    def _speak(self, text: str, voice: Voice) -> np.ndarray:
        library = self._library
        library.espeak_SetVoiceByName(voice.name.encode())
        for number, value in (
            (_RATE, voice.words_per_minute),
            (_VOLUME, _QUIET_ENOUGH),
            (_PITCH, voice.pitch),
            (_RANGE, voice.intonation),
        ):
            library.espeak_SetParameter(number, value, 0)
        self._blocks = []
        given = text.encode()
        size = ctypes.c_size_t(len(given) + 1)
        if library.espeak_Synth(given, size, 0, 0, 0, _UTF8, None, None):
            raise UserError(f"espeak-ng cannot say {text[:60]!r}")
        blocks = [np.zeros(0, np.int16), *self._blocks]
        return np.concatenate(blocks).astype(np.float32) / 32768

    def _take(self, samples: Any, count: int, events: Any) -> int:
        if samples and count > 0:
            self._blocks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0


@cache
def _engine() -> _Engine:
    """Starts espeak-ng, which keeps its state in the process and cannot start twice."""
    try:
        import espeakng_loader

        library = espeakng_loader.get_library_path()
        return _Engine(Path(library), Path(espeakng_loader.get_data_path()))
    except ImportError as error:
        raise UserError(
            "espeak-ng is not installed; run: pip install 'nlp-speech[synthesis]'"
        ) from error
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"espeak-ng does not start ({error}); install espeakng-loader again"
        ) from error
