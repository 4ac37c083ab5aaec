"""Arrays of sound files, computed once."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from nlp_speech.data.sound_store import SoundStore, joined, quantized, restored
from nlp_speech.errors import UserError


class Counting:
    """Reads a file's bytes and counts how often it did."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def __call__(self, path: Path) -> np.ndarray:
        if not path.exists():
            raise UserError(f"{path}: there is no such file")
        self.made.append(path.name)
        return np.frombuffer(path.read_bytes(), np.uint8)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    found = [tmp_path / f"{n}.wav" for n in range(5)]
    for n, path in enumerate(found):
        path.write_bytes(bytes(range(n + 1)))
    return found


def test_memory(files: list[Path]) -> None:
    make = Counting()
    store = SoundStore(make)
    assert store.add([*files, files[0]]) == {}
    assert store.add(files) == {}
    assert sorted(make.made) == [f.name for f in files]
    assert [store.lengths[f] for f in files] == [1, 2, 3, 4, 5]
    np.testing.assert_array_equal(store[files[2]], [0, 1, 2])


def test_much_in_memory_is_told(
    files: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("nlp_speech.data.sound_store.MUCH", 14)
    SoundStore(Counting(), tmp_path / "cache").add(files)
    SoundStore(Counting()).add(files[:4])
    assert caplog.messages == []
    SoundStore(Counting()).add(files)
    [message] = caplog.messages
    assert "set data.cache to a folder" in message


def test_disk(files: list[Path], tmp_path: Path) -> None:
    cache, recipe = tmp_path / "cache", {"rate": 8000}
    SoundStore(Counting(), cache, recipe).add(files)
    make = Counting()
    store = SoundStore(make, cache, recipe)
    store.add(files)
    assert make.made == []
    np.testing.assert_array_equal(store[files[4]], range(5))
    # Another recipe, another content: computed again. Another name: not.
    other = Counting()
    SoundStore(other, cache, {"rate": 16000}).add(files[:1])
    assert other.made == ["0.wav"]
    files[1].write_bytes(b"new")
    moved = files[0].with_name("moved.wav")
    moved.write_bytes(files[0].read_bytes())
    store = SoundStore(make, cache, recipe)
    store.add([files[1], moved])
    assert make.made == ["1.wav"]
    assert store[files[1]].tobytes() == b"new"


def test_a_damaged_cache_is_made_again(files: list[Path], tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    SoundStore(Counting(), cache).add(files)
    for path in cache.rglob("*.npy"):
        path.write_bytes(path.read_bytes()[:-1])
    store = SoundStore(Counting(), cache)
    assert store.add(files) == {}
    np.testing.assert_array_equal(store[files[3]], range(4))


@pytest.mark.parametrize("on_disk", [False, True])
def test_bad_files_are_told(files: list[Path], tmp_path: Path, on_disk: bool) -> None:
    missing = tmp_path / "none.wav"
    store = SoundStore(Counting(), tmp_path / "cache" if on_disk else None)
    bad = store.add([files[0], missing])
    assert list(bad) == [missing]
    assert str(missing) in str(bad[missing])
    assert files[0] in store.lengths
    assert missing not in store.lengths


def test_sixteen_bits() -> None:
    samples = np.array([0, 0.5, -1, 1, 1.7, -3], np.float32)
    found = restored(quantized(samples))
    np.testing.assert_allclose(found, np.clip(samples, -1.0001, 1), atol=1e-4)
    assert found.dtype == np.float32


CLIPS = [(f"{n}.wav", "ann" if n % 3 else "bob") for n in range(30)]


def test_strings_are_of_one_speaker() -> None:
    strings = joined(CLIPS, 200, (2, 5), (0.1, 0.3), [1, 0])
    assert strings == joined(CLIPS, 200, (2, 5), (0.1, 0.3), [1, 0])
    assert strings != joined(CLIPS, 200, (2, 5), (0.1, 0.3), [1, 1])
    json.dumps(strings)
    assert {len(chosen) for chosen, _ in strings} == {2, 3, 4, 5}
    for chosen, pauses in strings:
        assert len({CLIPS[n][1] for n in chosen}) == 1
        assert len(set(chosen)) == len(chosen) == len(pauses) + 1
        assert all(0.1 <= pause <= 0.3 for pause in pauses)
    assert {n for chosen, _ in strings for n in chosen} == set(range(30))
