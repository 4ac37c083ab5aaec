"""Pictures of sounds: waveform, spectrogram, CTC posteriors and words on one axis."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nlp_speech.audio.picture import SoundPicture
from nlp_speech.errors import UserError
from nlp_speech.plots import drawable, fonts_for, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Fonts = dict[str, frozenset[int]]
_FONT_SIZE = 9.0  # points
_MARGINS = (0.75, 0.2, 0.45, 0.5)  # inches: left, right, top of a sound, bottom
_HEIGHTS = {"wave": 0.9, "bands": 1.6}  # inches
_GAP = 0.08
_LABEL_HEIGHT = 0.16
_WIDTHS = (7.0, 200.0)  # inches, the narrowest and the widest
_SECOND = 2.5  # inches, as long as that fits
_HERTZ = (100, 250, 500, 1000, 2000, 4000, 8000, 16000)
_LIKELY = 0.1  # labels that never get so probable are not drawn
_MOST_LABELS = 60
_BLANK = "blank"


def draw_sounds(pictures: Sequence[SoundPicture], path: Path | str) -> None:
    """Draws sounds below each other, on equal axes of time.

    Args:
        pictures: one or more sounds.
        path: the file; its suffix is the format, such as ``.png``, ``.svg``, ``.pdf``.

    Raises:
        UserError: a sound is too short to be drawn, the format is unknown, or the file
            cannot be written.
    """
    from matplotlib.figure import Figure

    path = Path(path)
    for picture in pictures:
        if not len(picture.features):
            raise UserError(f"{path}: {picture.title} is too short to be drawn")
    names = [
        t for p in pictures for t in (p.title, *p.labels, *(w for w, *_ in p.words))
    ]
    fonts = fonts_for(names)
    left, right, top, bottom = _MARGINS
    panels = [(p, kind, size) for p in pictures for kind, size in _panels(p)]
    heights = sum(size + _GAP for *_, size in panels)
    height = heights + top * len(pictures) + bottom
    seconds = max(p.seconds for p in pictures)
    width = left + right + min(max(seconds * _SECOND, _WIDTHS[0]), _WIDTHS[1])
    figure = Figure(figsize=(width, height))
    place, before = height, None
    for number, (picture, kind, size) in enumerate(panels, start=1):
        if picture is not before:
            place -= top
        place -= size
        box = (left / width, place / height, 1 - (left + right) / width, size / height)
        axes = figure.add_axes(box)
        if picture is not before:
            title = drawable(picture.title, fonts, longest=100)
            style = {"fontsize": _FONT_SIZE + 1, "fontfamily": list(fonts)}
            axes.set_title(title, loc="left", pad=14, parse_math=False, **style)
            _write_words(axes, picture, fonts)
        {"wave": _wave, "bands": _bands, "labels": _posteriors}[kind](
            axes, picture, fonts
        )
        _finish(axes, picture, seconds, number == len(panels))
        place, before = place - _GAP, picture
    save_figure(figure, path)


def _texts(picture: SoundPicture) -> list[str]:
    return [picture.title, *picture.labels, *(word for word, *_ in picture.words)]


def _panels(picture: SoundPicture) -> list[tuple[str, float]]:
    """What is drawn of a sound, from the top, with heights in inches."""
    panels = [] if picture.samples is None else [("wave", _HEIGHTS["wave"])]
    panels.append(("bands", _HEIGHTS["bands"]))
    if picture.posteriors is not None and len(picture.posteriors):
        panels.append(("labels", _LABEL_HEIGHT * len(_shown(picture.posteriors))))
    return panels


def _wave(axes: Axes, picture: SoundPicture, fonts: Fonts) -> None:
    assert picture.samples is not None
    samples = picture.samples
    # The lowest and the highest of each stretch: more than a screen shows is not drawn.
    size = max(1, len(samples) // 8000)
    rows = samples[: len(samples) // size * size].reshape(-1, size)
    times = np.arange(len(rows)) * size / picture.sample_rate
    axes.fill_between(times, rows.min(1), rows.max(1), lw=0.6, color="#1f4e79")
    limit = max(float(np.abs(samples).max()), 1e-3) * 1.05
    axes.set_ylim(-limit, limit)
    axes.set_yticks([0])
    axes.set_ylabel("sound", fontsize=_FONT_SIZE)


def _bands(axes: Axes, picture: SoundPicture, fonts: Fonts) -> None:
    frames, bands = picture.features.shape
    low, high = np.percentile(picture.features, [2, 99.8])
    axes.imshow(
        picture.features.T,
        origin="lower",
        aspect="auto",
        cmap="magma",
        vmin=low,
        vmax=max(high, low + 1e-6),
        extent=(0, frames * picture.frame_seconds, -0.5, bands - 0.5),
        interpolation="nearest",
    )
    hertz = picture.hertz
    if hertz is None:
        axes.set_ylabel("cepstra", fontsize=_FONT_SIZE)
        return
    ticks = [f for f in _HERTZ if hertz[0] <= f <= hertz[-1]]
    axes.set_yticks(
        np.interp(ticks, hertz, np.arange(bands)).tolist(),
        [f"{f / 1000:g}k" if f >= 1000 else str(f) for f in ticks],
    )
    axes.set_ylabel("Hz (mel)", fontsize=_FONT_SIZE)


def _posteriors(axes: Axes, picture: SoundPicture, fonts: Fonts) -> None:
    assert picture.posteriors is not None
    shown = _shown(picture.posteriors)
    axes.imshow(
        picture.posteriors[:, shown].T,
        aspect="auto",
        cmap="Blues",
        vmin=0,
        vmax=1,
        extent=(
            0,
            len(picture.posteriors) * picture.step_seconds,
            len(shown) - 0.5,
            -0.5,
        ),
        interpolation="nearest",
    )
    names = [_name(picture.labels[n], n, fonts) for n in shown]
    axes.set_yticks(range(len(shown)), names, fontfamily=list(fonts), parse_math=False)
    axes.set_yticks(np.arange(len(shown) + 1) - 0.5, minor=True)
    axes.grid(which="minor", axis="y", color="0.92", linewidth=0.5)
    axes.tick_params(which="minor", length=0)
    axes.set_ylabel("heard", fontsize=_FONT_SIZE)


def _shown(posteriors: np.ndarray) -> list[int]:
    """The labels that are probable somewhere, the earliest first; the blank last."""
    most = posteriors.max(axis=0)
    likely = [n for n in range(1, posteriors.shape[1]) if most[n] >= _LIKELY]
    likely = sorted(likely, key=lambda n: -most[n])[:_MOST_LABELS]
    likely.sort(key=lambda n: int((posteriors[:, n] >= _LIKELY).argmax()))
    return [*likely, 0]


def _name(label: str, number: int, fonts: Fonts) -> str:
    if not number:
        return _BLANK
    return drawable(label.replace(" ", "\u2423"), fonts)


def _write_words(axes: Axes, picture: SoundPicture, fonts: Fonts) -> None:
    for word, start, end in picture.words:
        axes.text(
            (start + end) / 2,
            1.02,
            drawable(word, fonts),
            transform=axes.get_xaxis_transform(),
            ha="center",
            va="bottom",
            fontsize=_FONT_SIZE,
            fontfamily=list(fonts),
            fontweight="bold",
            parse_math=False,
        )


def _finish(axes: Axes, picture: SoundPicture, seconds: float, last: bool) -> None:
    """The axis of time, and lines where words begin and end."""
    for _, start, end in picture.words:
        for place in (start, end):
            axes.axvline(place, color="#d62728", linewidth=0.7, alpha=0.8)
    axes.set_xlim(0, seconds)
    axes.tick_params(labelsize=_FONT_SIZE - 1, length=2, width=0.5, labelbottom=last)
    if last:
        axes.set_xlabel("seconds", fontsize=_FONT_SIZE)
    for spine in axes.spines.values():
        spine.set_linewidth(0.5)
