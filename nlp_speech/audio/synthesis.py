"""Speech made by espeak-ng, for training data that nobody has recorded.

The library and its voices come with the extra `synthesis`. They are under the GPL; what
they say is not.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soxr

from nlp_speech.errors import UserError

SPEAKERS = (
    *(f"m{n}" for n in range(1, 9)),
    *(f"f{n}" for n in range(1, 6)),
    *("Alex", "Alicia", "Andrea", "Andy", "Annie", "Denis", "Gene", "Jacky", "Lee"),
    *("Marco", "Mario", "Michael", "Nguyen", "Reed", "adam", "anika", "antonio"),
    *("belinda", "benjamin", "boris", "david", "ed", "edward", "grandma", "grandpa"),
    *(
        "iven",
        "john",
        "linda",
        "michel",
        "miguel",
        "norbert",
        "pablo",
        "paul",
        "quincy",
    ),
    *("rob", "robert", "sandro", "shelby", "steph", "travis", "victor", "klatt2"),
    *("klatt3", "klatt4", "whisper", "zac"),
)
"""Variants that are laid over a language: men, women, old people, a whisper."""

# Of the header espeak-ng/speak_lib.h.
_SYNCHRONOUS = 2
_RATE, _PITCH, _RANGE = 1, 3, 4
_UTF8 = 1
_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


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


def some_voice(
    languages: Sequence[str], speakers: Sequence[str], seed: Sequence[int]
) -> Voice:
    """A voice drawn at random, the same for the same seed."""
    random = np.random.default_rng(seed)
    return Voice(
        str(random.choice(list(languages))),
        str(random.choice(list(speakers))),
        int(random.integers(120, 211)),
        int(random.integers(20, 81)),
        int(random.integers(20, 81)),
    )


class Synthesizer:
    """Speaks. There is one espeak-ng in a process, so that two of these are one.

    Args:
        sample_rate: of what is spoken, in Hz.

    Raises:
        UserError: espeak-ng is not installed, or does not start.
    """

    def __init__(self, sample_rate: int) -> None:
        try:
            import espeakng_loader
        except ImportError as error:
            raise UserError(
                "espeak-ng is not installed; run: pip install 'nlp-speech[synthesis]'"
            ) from error
        self.sample_rate = sample_rate
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        path = espeakng_loader.get_data_path().encode()
        self._rate = self._library.espeak_Initialize(_SYNCHRONOUS, 0, path, 0)
        if self._rate <= 0:
            raise UserError("espeak-ng does not start; install espeakng-loader again")
        self._blocks: list[np.ndarray] = []
        # Kept, since the library calls it later.
        self._callback = _CALLBACK(self._take)
        self._library.espeak_SetSynthCallback(self._callback)

    def __call__(self, text: str, voice: Voice) -> np.ndarray:
        """Speaks a text.

        Args:
            text: one or more sentences.
            voice: who speaks.

        Returns:
            float32 [samples]; none for a text without anything to say.

        Raises:
            UserError: there is no such voice.
        """
        library = self._library
        if library.espeak_SetVoiceByName(voice.name.encode()):
            raise UserError(
                f"espeak-ng has no voice {voice.name!r}; try en-us, en or de"
            )
        for number, value in (
            (_RATE, voice.words_per_minute),
            (_PITCH, voice.pitch),
            (_RANGE, voice.intonation),
        ):
            library.espeak_SetParameter(number, value, 0)
        self._blocks = []
        given = text.encode()
        size = ctypes.c_size_t(len(given) + 1)
        if library.espeak_Synth(given, size, 0, 0, 0, _UTF8, None, None):
            raise UserError(f"espeak-ng cannot say {text[:60]!r}")
        if not self._blocks:
            return np.zeros(0, np.float32)
        samples = np.concatenate(self._blocks).astype(np.float32) / 32768
        return soxr.resample(samples, self._rate, self.sample_rate).astype(np.float32)

    def _take(self, samples: object, count: int, events: object) -> int:
        if samples and count > 0:
            block = np.ctypeslib.as_array(samples, (count,))  # type: ignore[arg-type]
            self._blocks.append(block.copy())
        return 0
