"""Pictures of sounds: everything stands at its time."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from nlp_speech.audio.picture import SoundPicture
from nlp_speech.errors import UserError
from nlp_speech.sound_plots import draw_sounds

RATE = 1000


def sound(seconds: float = 2.0, **changes: object) -> SoundPicture:
    """A sound that is loud in its second half, where its one label is heard."""
    size = round(seconds * RATE)
    late = np.arange(size) >= size // 2
    steps = size // 40
    heard = np.arange(steps) >= steps // 2
    made = SoundPicture(
        title="clip $x_",
        features=np.where(late[::10, None], 1.0, -5.0) * np.ones(6),
        frame_seconds=0.01,
        samples=(np.sin(np.arange(size)) * late).astype(np.float32),
        sample_rate=RATE,
        hertz=np.linspace(50, 450, 6),
        posteriors=np.stack([~heard, heard], axis=1).astype(float),
        step_seconds=0.04,
        labels=("", "a"),
        words=(("a$", 1.0, 2.0),),
    )
    return replace(made, **changes)


def image(path: Path) -> np.ndarray:
    return matplotlib.image.imread(io.BytesIO(path.read_bytes()))[..., :3]


def blue(pixels: np.ndarray) -> np.ndarray:
    """Where a picture has the dark blue of waves and of probable labels."""
    return (pixels[..., 2] - pixels[..., 0] > 0.2) & (pixels[..., 0] < 0.3)


def test_waves_and_labels_stand_at_their_time(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    draw_sounds([sound(words=())], path)
    marked = blue(image(path))
    height, width = marked.shape
    left, right = marked[:, : width // 2], marked[:, width // 2 :]
    wave = slice(0, height // 3)
    assert right[wave].sum() > 20 * left[wave].sum()
    # Below, the label is heard in the second half and the blank in the first.
    rows = np.flatnonzero(marked[height // 2 :, width // 4]) + height // 2
    later = np.flatnonzero(marked[height // 2 :, 3 * width // 4]) + height // 2
    assert later.mean() < rows.mean()


def test_what_is_missing_is_not_drawn(tmp_path: Path) -> None:
    sizes = []
    for number, picture in enumerate(
        (sound(), sound(posteriors=None), sound(posteriors=None, samples=None))
    ):
        path = tmp_path / f"{number}.png"
        draw_sounds([picture], path)
        sizes.append(len(image(path)))
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == 3
    both = tmp_path / "both.png"
    draw_sounds([sound(), sound(hertz=None)], both)
    assert len(image(both)) > 1.7 * sizes[0]


def test_words_have_lines(tmp_path: Path) -> None:
    with_words, without = tmp_path / "a.png", tmp_path / "b.png"
    draw_sounds([sound()], with_words)
    draw_sounds([sound(words=())], without)
    red = [image(p)[..., 0] - image(p)[..., 2] > 0.4 for p in (with_words, without)]
    # The end of the word is the end of the axis.
    assert (red[0].mean(0) > red[1].mean(0) + 0.3).any()


def test_too_short_is_an_error(tmp_path: Path) -> None:
    nothing = sound(features=np.zeros([0, 6]), samples=np.zeros(3, np.float32))
    with pytest.raises(UserError, match="too short to be drawn"):
        draw_sounds([nothing], tmp_path / "a.png")
    with pytest.raises(UserError, match="suffixes"):
        draw_sounds([sound()], tmp_path / "a.xyz")
