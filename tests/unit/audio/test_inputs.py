"""What a person may give as sound."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from nlp_speech.audio.inputs import (
    frame_file,
    generated,
    join_parts,
    read_frames,
    read_sound,
    split_parts,
)
from nlp_speech.errors import UserError

RATE = 8000


@pytest.fixture
def clips(tmp_path: Path) -> list[str]:
    for name, level in (("a.wav", 0.25), ("b c.wav", 0.5)):
        soundfile.write(tmp_path / name, np.full(800, level), RATE)
    return [str(tmp_path / "a.wav"), str(tmp_path / "b c.wav")]


@pytest.fixture
def cepstra(tmp_path: Path) -> Path:
    path = tmp_path / "c.npz"
    write_cepstra(path)
    return path


def write_cepstra(path: Path, **changed: np.ndarray) -> None:
    arrays = {
        "frames": np.arange(30, dtype=np.float16).reshape(10, 3),
        "lengths": np.array([4, 0, 6]),
        "transcript": np.array(["ONE", "", "TWO"]),
        "utt": np.array(["an4/ann/x", "an4/ann/y", "an4/bob/z"]),
    }
    np.savez(path, **{**arrays, **changed})  # pyright: ignore[reportArgumentType]


def test_a_file(clips: list[str]) -> None:
    found = read_sound(clips[1], RATE)
    np.testing.assert_allclose(found, np.full(800, 0.5), atol=1e-4)
    assert len(read_sound(clips[1], RATE, max_seconds=0.05)) == 400


def test_files_joined_with_silence(clips: list[str]) -> None:
    given = json.dumps([clips[0], 0.01, clips[1]])
    found = read_sound(given, RATE)
    assert len(found) == 800 + 80 + 800
    assert not found[800:880].any()
    np.testing.assert_allclose(found[[0, -1]], [0.25, 0.5], atol=1e-4)
    assert len(read_sound(given, RATE, max_seconds=0.1)) == 800


def test_parts_split_and_join(clips: list[str]) -> None:
    for parts in ([Path("x [1].wav")], [Path("a"), 0.5, Path("b")]):
        assert split_parts(join_parts(parts)) == parts
    # A name that is no JSON list is a name.
    assert split_parts("x[1].wav") == [Path("x[1].wav")]


def test_a_file_whose_name_begins_like_a_list(clips: list[str], tmp_path: Path) -> None:
    path = tmp_path / "[take 1].wav"
    shutil.copyfile(clips[0], path)
    with contextlib.chdir(tmp_path):
        assert split_parts(path.name) == [Path(path.name)]


def test_no_name() -> None:
    with pytest.raises(UserError, match="an empty name"):
        split_parts(" ")


@pytest.mark.parametrize("given", ["[", "[1", '["a", -1]', '[["a"]]', '["a", null]'])
def test_wrong_parts(given: str) -> None:
    with pytest.raises(UserError, match="write joined files as"):
        split_parts(given)


def test_generated_signals() -> None:
    tone = generated("generated:tone:1000:0.5", RATE)
    spectrum = np.abs(np.fft.rfft(tone))
    assert len(tone) == 4000
    assert spectrum.argmax() == 500
    assert generated("generated:noise:0.25", RATE).std() == pytest.approx(0.1, rel=0.1)
    assert not generated("generated:silence:1", RATE).any()
    assert len(generated("generated:silence:0", RATE)) == 0


@pytest.mark.parametrize(
    "given", ["generated:", "generated:tone:5", "generated:noise:x", "generated:bell:1"]
)
def test_wrong_signals(given: str) -> None:
    with pytest.raises(UserError, match="generated:tone:HERTZ:SECONDS"):
        read_sound(given, RATE)


def test_frames_of_a_file(cepstra: Path) -> None:
    found = read_frames(f"{cepstra}#2", 3)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.arange(12, 30).reshape(6, 3))
    assert read_frames(f"{cepstra}#1", 3).shape == (0, 3)
    assert read_frames("generated:noise:0.5", 13).shape == (50, 13)


@pytest.mark.parametrize(
    ("suffix", "bands", "words"),
    [
        ("", 3, "NPZ#NUMBER"),
        ("#x", 3, "NPZ#NUMBER"),
        ("#3", 3, "there are 3"),
        ("#0", 13, "frontend.n_mfcc"),
    ],
)
def test_wrong_places(cepstra: Path, suffix: str, bands: int, words: str) -> None:
    with pytest.raises(UserError, match=rf"(?i){words}"):
        read_frames(f"{cepstra}{suffix}", bands)


def test_a_changed_file_is_read_again(cepstra: Path) -> None:
    assert frame_file(cepstra).texts == ("ONE", "", "TWO")
    write_cepstra(cepstra, transcript=np.array(["A", "B", "C"]))
    assert frame_file(cepstra).texts == ("A", "B", "C")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"lengths": np.array([4, 0, 5])}, "do not fit"),
        ({"lengths": np.array([4, 6])}, "do not fit"),
    ],
)
def test_arrays_that_do_not_fit(
    cepstra: Path, changed: dict[str, np.ndarray], words: str
) -> None:
    write_cepstra(cepstra, **changed)
    with pytest.raises(UserError, match=words):
        frame_file(cepstra)


def test_an_utterance_of_numbers_that_are_not_finite(cepstra: Path) -> None:
    frames = np.ones([10, 3])
    frames[5, 1] = np.nan
    write_cepstra(cepstra, frames=frames)
    assert frame_file(cepstra).bad == {2}
    assert read_frames(f"{cepstra}#0", 3).shape == (4, 3)
    with pytest.raises(UserError, match=r"c\.npz: utterance 2 .* not finite"):
        read_frames(f"{cepstra}#2", 3)


def test_a_damaged_file_of_features(cepstra: Path, tmp_path: Path) -> None:
    content = cepstra.read_bytes()
    cepstra.write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match="damaged"):
        frame_file(cepstra)
    np.savez(cepstra, frames=np.zeros([1, 1]))
    with pytest.raises(UserError, match="no array 'lengths'"):
        frame_file(cepstra)
    with pytest.raises(UserError, match="cannot read"):
        frame_file(tmp_path / "none.npz")
