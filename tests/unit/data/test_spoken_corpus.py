"""A folder of synthesized speech is whole, split by speaker, and never mixed."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
import soundfile

from nlp_speech.data.manifests import read_manifest
from nlp_speech.data.spoken_corpus import Recipe, speak
from nlp_speech.errors import UserError

TEXTS = [
    "Turn the light on.",
    "Don't!",
    "It's 5 o'clock",
    "\u201cOff\u201d, she said.",
    "",
    "Schlie\u00df die T\u00fcr",
]
SPOKEN = [
    "Turn the light on",
    "Don't",
    "Off she said",
    "Schlie\u00df die T\u00fcr",
]


def test_a_manifest_to_train_with(tmp_path: Path) -> None:
    recipe = Recipe(("en-us", "de"), times=10, validation=0.25, sample_rate=8000)
    made = speak(TEXTS, tmp_path / "c", recipe)
    assert (made.sounds, made.left_out) == (40, 2)
    found = read_manifest(made.manifest, "transcript", True)
    assert [u.text for u in found] == SPOKEN * 10
    sides = {
        split: {u.speaker.split("+")[1] for u in found if u.split == split}
        for split in ("train", "validation")
    }
    assert not sides["train"] & sides["validation"]
    assert sum(u.split == "validation" for u in found) == 10
    infos = [soundfile.info(u.input) for u in found]
    assert {i.samplerate for i in infos} == {8000}
    assert sum(i.duration for i in infos) == pytest.approx(made.seconds)
    assert min(i.duration for i in infos) > 0.1
    # A sentence is said by another speaker each time.
    for text in SPOKEN:
        for split in ("train", "validation"):
            names = [u.speaker for u in found if (u.text, u.split) == (text, split)]
            assert len({name.split("+")[1] for name in names}) == len(names)


@pytest.mark.parametrize(
    ("texts", "share", "held_out"), [(["a b", "c"], 0.1, 1), (["a b"] * 30, 0.005, 1)]
)
def test_a_small_share_is_not_nothing(
    tmp_path: Path, texts: list[str], share: float, held_out: int
) -> None:
    made = speak(texts, tmp_path / "c", Recipe(validation=share))
    found = read_manifest(made.manifest, "transcript", True)
    assert sum(u.split == "validation" for u in found) == held_out
    with pytest.raises(UserError, match="one sound cannot be split"):
        speak(["a"], tmp_path / "d", Recipe(validation=0.5))


def test_any_script(tmp_path: Path) -> None:
    texts = [
        unicodedata.normalize("NFD", "Sch\u00f6n ist es!"),
        "\u0928\u092e\u0938\u094d\u0924\u0947",
    ]
    made = speak(texts, tmp_path / "c", Recipe(("de", "hi")))
    found = read_manifest(made.manifest, "transcript", True)
    assert [u.text for u in found] == ["Sch\u00f6n ist es", texts[1]]


def test_what_was_made_is_kept(tmp_path: Path) -> None:
    recipe = Recipe(times=2)
    made = speak(TEXTS, tmp_path, recipe)
    before = read_manifest(made.manifest, "transcript", True)
    sounds = sorted((tmp_path / "sounds").iterdir())
    # As if it had been interrupted.
    made.manifest.unlink()
    sounds[3].unlink()
    sounds[4].write_bytes(b"cut short")
    kept = {p: p.stat().st_mtime_ns for p in sounds[:3]}
    again = speak(TEXTS, tmp_path, recipe)
    assert {p: p.stat().st_mtime_ns for p in kept} == kept
    assert [soundfile.info(path).frames > 0 for path in sounds] == [True] * 8
    assert read_manifest(again.manifest, "transcript", True) == before


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    made = speak(TEXTS, tmp_path, Recipe())
    with pytest.raises(UserError, match="a corpus already; name another folder"):
        speak(TEXTS, tmp_path, Recipe())
    made.manifest.unlink()
    for texts, recipe in ((TEXTS[:2], Recipe()), (TEXTS, Recipe(seed=2))):
        with pytest.raises(UserError, match="another corpus was begun there"):
            speak(texts, tmp_path, recipe)


def test_nothing_to_speak(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no sentence can be spoken"):
        speak(["", "5", "!"], tmp_path / "c", Recipe())
    assert not (tmp_path / "c").exists()


def test_nothing_is_claimed_in_vain(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no language 'en-su'"):
        speak(TEXTS, tmp_path / "c", Recipe(("en-us", "en-su")))
    assert not (tmp_path / "c").exists()
    (tmp_path / "file").write_text("here")
    with pytest.raises(UserError, match=r"file: no folder can be there"):
        speak(TEXTS, tmp_path / "file", Recipe())
