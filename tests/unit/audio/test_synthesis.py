"""espeak-ng speaks: each voice otherwise, and nothing is lost between calls."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nlp_speech.audio import synthesis
from nlp_speech.audio.synthesis import SPEAKERS, Synthesizer, Voice, some_voice
from nlp_speech.errors import UserError


@pytest.fixture(scope="module")
def synthesizer() -> Synthesizer:
    return Synthesizer(16_000)


def test_it_speaks(synthesizer: Synthesizer) -> None:
    samples = synthesizer("The light is on.", Voice("en-us", "f2"))
    assert samples.dtype == np.float32
    assert 0.5 < len(samples) / 16_000 < 2
    assert 0.02 < np.sqrt(np.mean(samples**2)) < 0.5
    # Nothing of one call is left in the next.
    again = synthesizer("The light is on.", Voice("en-us", "f2"))
    assert abs(len(again) - len(samples)) < 1600
    longer = synthesizer("The light is on. " * 3, Voice("en-us", "f2"))
    assert len(longer) > 2.5 * len(samples)


def test_pace_and_pitch(synthesizer: Synthesizer) -> None:
    def of(**how: int) -> np.ndarray:
        return synthesizer("Open all windows, please", Voice("en-us", "m1", **how))

    assert len(of(words_per_minute=120)) > 1.3 * len(of(words_per_minute=210))

    def crossings(x: np.ndarray) -> float:
        return float(np.mean(np.abs(np.diff(np.sign(x)))))

    assert not np.isclose(crossings(of(pitch=10)), crossings(of(pitch=90)), rtol=0.01)


def test_every_speaker_is_there() -> None:
    # A variant that does not exist is no error of the library: it is left out.
    import espeakng_loader

    known = {p.name for p in Path(espeakng_loader.get_data_path()).glob("voices/!v/*")}
    assert set(SPEAKERS) <= known
    assert len(set(SPEAKERS)) == len(SPEAKERS)


@pytest.mark.parametrize("text", ["", " ", "..."])
def test_nothing_to_say(synthesizer: Synthesizer, text: str) -> None:
    samples = synthesizer(text, Voice("de", "m1"))
    assert np.abs(samples).max(initial=0) < 1e-3


def test_two_of_them_do_not_disturb_each_other(synthesizer: Synthesizer) -> None:
    voice = Voice("en-us", "f2")
    low = Synthesizer(8000)
    of_low, of_high = (s("Hello there", voice) for s in (low, synthesizer))
    assert len(of_high) / len(of_low) == pytest.approx(2, abs=0.2)
    del low
    assert len(synthesizer("Hello there", voice)) > 4000


def test_an_interruption_is_not_lost(synthesizer: Synthesizer) -> None:
    voice, text = Voice("en-us", "m1"), "One two three four five. " * 20
    whole = len(synthesizer(text, voice))

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for wait in (0.002, 0.005, 0.01):
            signal.setitimer(signal.ITIMER_REAL, wait)
            with pytest.raises(KeyboardInterrupt):
                [synthesizer(text, voice) for _ in range(100)]
    finally:
        signal.signal(signal.SIGALRM, before)
    assert len(synthesizer(text, voice)) == pytest.approx(whole, rel=0.02)


def test_a_language_that_does_not_exist(synthesizer: Synthesizer) -> None:
    with pytest.raises(UserError, match=r"no language 'en-su'; try .*en-us"):
        synthesizer("a", Voice("en-su", "m1"))
    with pytest.raises(UserError, match=r"no language 'q'; try \w+"):
        synthesizer.check("q")
    synthesizer.check("hi")


def test_voices_are_drawn_by_seed() -> None:
    drawn = [some_voice(["en", "en-us"], "f1", (1, n)) for n in range(40)]
    assert drawn == [some_voice(["en", "en-us"], "f1", (1, n)) for n in range(40)]
    assert {v.language for v in drawn} == {"en", "en-us"}
    assert len({v.pitch for v in drawn}) > 15
    assert drawn[0] != some_voice(["en", "en-us"], "f1", (2, 0))


@pytest.mark.parametrize("speaker", ["iven", "ed", "Jacky"])
def test_the_loudest_do_not_clip(synthesizer: Synthesizer, speaker: str) -> None:
    samples = synthesizer("Oh no, not a whole year!", Voice("en-us", speaker))
    assert np.mean(np.abs(samples) > 0.999) < 1e-4


def started_with(**paths: str) -> str:
    """What a process says that looks for the library elsewhere."""
    lines = [f"e.get_{name}_path = lambda: {path!r}" for name, path in paths.items()]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join([*_FOUND, *lines, _START])],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


_FOUND = [
    "import espeakng_loader as e",
    "from nlp_speech.audio.synthesis import Synthesizer",
    "from nlp_speech.errors import UserError",
]
_START = """
try:
    Synthesizer(8000)
except UserError as error:
    print(error)
"""


def test_without_its_parts(tmp_path: Path) -> None:
    assert "does not start with its data in" in started_with(data=str(tmp_path))
    assert "does not start (" in started_with(library=str(tmp_path))
    assert started_with() == ""


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    synthesis._engine.cache_clear()
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(UserError, match=r"pip install 'nlp-speech\[synthesis\]'"):
        Synthesizer(8000)
