"""A recording of any length is recognized piece by piece, in bounded memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from nlp_speech.runtime import answer
from nlp_speech.tasks import speech_recognition as task

TASK: Any = task

RATE, HOP = 1000, 10
LOUD, PAUSE = 0.4, 0.6  # seconds


class Loud:
    """A predictor that hears the letter a where it is loud, and a space between."""

    runtime = "none"
    max_batch_size = None

    def __call__(self, endpoint: str, arrays: Any) -> dict[str, np.ndarray]:
        samples, lengths = arrays["samples"], arrays["lengths"]
        steps = lengths // (2 * HOP)
        rows = [self._row(row[:n]) for row, n in zip(samples, lengths, strict=True)]
        size = max(len(ids) for ids, *_ in rows) + 1
        names = ("ids", "starts", "ends", "confidence")
        arrays = {
            name: np.stack([np.resize([*row[k], *[0] * size], size) for row in rows])
            for k, name in enumerate(names)
        }
        count = np.array([[len(ids)] for ids, *_ in rows])
        return {
            **arrays,
            "ids": arrays["ids"][:, np.newaxis],
            "lengths": count,
            "score": np.full([len(rows), 1], -1.0),
            "log_probs": np.zeros([len(rows), int(steps.max()), 8], np.float32),
            "steps": steps,
        }

    def _row(self, samples: np.ndarray) -> tuple[list, ...]:
        steps = samples[: len(samples) // 20 * 20].reshape(-1, 20)
        loud = np.abs(steps).max(axis=1) > 0.1
        edges = np.flatnonzero(np.diff(np.pad(loud.astype(int), 1)))
        begins, ends = edges[::2].tolist(), edges[1::2].tolist()
        # Labels: 1 is the space, 2 is a.
        ids = [label for _ in begins for label in (1, 2)]
        starts = [start for start in begins for _ in range(2)]
        stops = [end for end in ends for _ in range(2)]
        return ids, starts, stops, [1.0] * len(ids)


def write_words(path: Path, count: int) -> None:
    """A sound of so many loud stretches, each followed by a pause; block by block."""
    rng = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
        for _ in range(count):
            file.write(0.3 * np.sign(rng.normal(size=round(LOUD * RATE))))
            file.write(np.zeros(round(PAUSE * RATE)))


def recognize(small: Any, path: Path) -> Any:
    config = small.config(decoding={"piece_seconds": 10, "max_seconds": 20})
    assets = small.assets(config)
    heard: Any = Loud()
    [found] = answer(TASK, assets, heard, [str(path)], endpoint="", batch_size=4)
    return found


@pytest.mark.parametrize("count", [7, 400])
def test_texts_are_joined_and_times_go_on(
    small: Any, tmp_path: Path, count: int
) -> None:
    path = tmp_path / "a.flac"
    write_words(path, count)
    found = recognize(small, path)
    assert found.text == " ".join("a" * count)
    starts = [word.start for word in found.words]
    np.testing.assert_allclose(starts, np.arange(count) * (LOUD + PAUSE), atol=0.021)
    ends = [word.end - word.start for word in found.words]
    np.testing.assert_allclose(ends, LOUD, atol=0.041)
    assert found.seconds == pytest.approx(count * (LOUD + PAUSE))
    assert found.warning() is None
    assert (found.log_probs is None) == (count > 10)


@pytest.mark.slow
def test_two_hours_need_the_memory_of_a_batch(small: Any, tmp_path: Path) -> None:
    path = tmp_path / "long.flac"
    write_words(path, 7200)
    tracemalloc.start()
    found = recognize(small, path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found.words) == 7200
    # The samples alone are 29 MB.
    assert most < 20e6
