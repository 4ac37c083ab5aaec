"""espeak-ng speaks, each voice otherwise, and the same each time."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

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


def test_a_voice_that_does_not_exist(synthesizer: Synthesizer) -> None:
    with pytest.raises(UserError, match=r"no voice 'xx\+m1'; try en-us"):
        synthesizer("a", Voice("xx", "m1"))


def test_voices_are_drawn_by_seed() -> None:
    drawn = [some_voice(["en", "en-us"], SPEAKERS, (1, n)) for n in range(40)]
    assert drawn == [some_voice(["en", "en-us"], SPEAKERS, (1, n)) for n in range(40)]
    assert {v.language for v in drawn} == {"en", "en-us"}
    assert len({v.speaker for v in drawn}) > 15
    assert drawn[0] != some_voice(["en", "en-us"], SPEAKERS, (2, 0))


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(UserError, match=r"pip install 'nlp-speech\[synthesis\]'"):
        Synthesizer(8000)
