"""Pictures of what a model does, drawn without a window and without pyplot's state."""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nlp_speech.errors import UserError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CELL = 0.26  # inches: room for a line of text of the size below
_FONT_SIZE = 9.0  # points
_CHARACTER = 0.085  # inches: a character of that size, not the widest
_DOTS_PER_INCH = 120
_LARGEST = 30_000  # dots a side; matplotlib draws fewer than 2**16
_MOST = 12_000_000  # dots in all: each takes up to 50 bytes while it is drawn
_LONGEST_LABEL = 24  # characters
# Control, surrogate, private, unassigned, line and paragraph separator: nothing to see.
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def draw_attention(
    source_pieces: Sequence[str],
    target_pieces: Sequence[str],
    alignment: Any,
    path: Path | str,
) -> None:
    """Draws what each target piece looked at, as a heat map in a file.

    The picture grows with the pieces, so that long sentences stay readable. A character
    that no installed font can draw is written as its code point, such as ``<4E00>``.

    Args:
        source_pieces: the S columns, from left to right.
        target_pieces: the T rows, from top to bottom.
        alignment: [T, S] attention weights from 0 to 1, without padding.
        path: the file; its suffix is the format, such as ``.png``, ``.svg``, ``.pdf``.

    Raises:
        UserError: there is nothing to draw, the format is unknown, or the file cannot
            be written.
        ValueError: the alignment does not have one row for each target piece and one
            column for each source piece.
    """
    weights = np.asarray(alignment, dtype=np.float64)
    if weights.shape != (len(target_pieces), len(source_pieces)):
        raise ValueError(
            f"an alignment of {len(target_pieces)} x {len(source_pieces)} pieces is "
            f"needed, not of shape {weights.shape}"
        )
    path = Path(path)
    if not weights.size:
        raise UserError(f"{path}: there are no pieces to draw; give a longer text")
    fonts = fonts_for((*source_pieces, *target_pieces))
    figure = _figure(
        [drawable(piece, fonts) for piece in source_pieces],
        [drawable(piece, fonts) for piece in target_pieces],
        weights,
        list(fonts),
    )
    save_figure(figure, path)


def draw_confusion(labels: Sequence[str], counts: Any, path: Path | str) -> None:
    """Draws what was taken for what, as shares of each right class with their counts.

    Args:
        labels: the N classes.
        counts: [N, N] examples: the right class down, the answered one across.
        path: the file; its suffix is the format, such as ``.png``, ``.svg``, ``.pdf``.

    Raises:
        UserError: there is nothing to draw, the format is unknown, or the file cannot
            be written.
        ValueError: the counts are not N rows of N columns.
    """
    table = np.asarray(counts, dtype=np.float64)
    if table.shape != (len(labels),) * 2:
        raise ValueError(f"{len(labels)} classes need a square of counts for them")
    path = Path(path)
    if not table.sum():
        raise UserError(f"{path}: there are no answers to draw; give some examples")
    from matplotlib.figure import Figure

    fonts = fonts_for(labels)
    names = [drawable(label, fonts) for label in labels]
    cell, margin = 0.75, max(map(_width, names)) + 0.6
    size = len(names) * cell + margin + 0.15
    figure = Figure(figsize=(size, size))
    axes = figure.add_axes(
        (margin / size, 0.15 / size, len(names) * cell / size, len(names) * cell / size)
    )
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    _heat_map(axes, names, names, shares, list(fonts))
    axes.xaxis.set_label_position("top")
    axes.set_xlabel("answer", fontsize=_FONT_SIZE)
    axes.set_ylabel("right", fontsize=_FONT_SIZE)
    for row, column in np.ndindex(table.shape):
        share = shares[row, column]
        axes.text(
            column,
            row,
            f"{table[row, column]:.0f}\n{100 * share:.1f}%",
            ha="center",
            va="center",
            fontsize=_FONT_SIZE - 1,
            color="white" if share > 0.6 else "black",
        )
    save_figure(figure, path)


def _figure(
    source: list[str], target: list[str], weights: np.ndarray, fonts: list[str]
) -> Figure:
    from matplotlib.figure import Figure

    left = max(map(_width, target)) + 0.3
    top = max(map(_width, source)) + 0.3
    bar, bottom = 0.9, 0.15
    inner = (len(source) * _CELL, len(target) * _CELL)
    # a bar beside one row would be too short to read
    height = top + max(inner[1], 1.0) + bottom
    width = left + inner[0] + bar
    figure = Figure(figsize=(width, height))
    box = (
        left / width,
        1 - (top + inner[1]) / height,
        inner[0] / width,
        inner[1] / height,
    )
    axes = figure.add_axes(box)
    _heat_map(axes, source, target, weights, fonts)

    tall = min(max(inner[1], 1.0), 3.0)
    corner = (1 - (bar - 0.2) / width, 1 - (top + tall) / height)
    scale = figure.add_axes((*corner, 0.12 / width, tall / height))
    colors = figure.colorbar(axes.images[0], cax=scale, ticks=[0, 0.5, 1])
    colors.ax.tick_params(labelsize=_FONT_SIZE - 1, length=2, width=0.5)
    colors.outline.set_visible(False)
    return figure


def _heat_map(
    axes: Axes,
    source: list[str],
    target: list[str],
    weights: np.ndarray,
    fonts: list[str],
) -> None:
    axes.imshow(weights, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    # without mathematics: a "$" is a piece like any other
    style: dict[str, Any] = {
        "fontsize": _FONT_SIZE,
        "fontfamily": fonts,
        "parse_math": False,
    }
    axes.xaxis.tick_top()
    axes.set_xticks(range(len(source)), source, rotation=90, **style)
    axes.set_yticks(range(len(target)), target, **style)
    axes.set_xticks(np.arange(len(source) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(target) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="0.88", linewidth=0.5)
    axes.tick_params(which="both", length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def picture_format(path: Path) -> str:
    """The format that a picture's name asks for by its suffix, such as ``png``.

    Raises:
        UserError: there is no such format.
    """
    from matplotlib.backend_bases import FigureCanvasBase

    formats = FigureCanvasBase.get_supported_filetypes()
    suffix = path.suffix.lower().removeprefix(".")
    if suffix not in formats:
        choices = ", ".join(sorted(formats))
        raise UserError(f"{path}: give the picture one of the suffixes: {choices}")
    return suffix


def save_figure(figure: Figure, path: Path) -> None:
    """Writes a figure to a file.

    Args:
        figure: is drawn with fewer dots if it is huge.
        path: its suffix is the format, such as ``.png``.

    Raises:
        UserError: the format is unknown, or the file cannot be written.
    """
    suffix = picture_format(path)
    width, height = figure.get_size_inches()
    dots = min(
        _DOTS_PER_INCH, _LARGEST / max(width, height), (_MOST / width / height) ** 0.5
    )
    picture = io.BytesIO()
    figure.savefig(picture, format=suffix, dpi=dots)
    try:
        path.write_bytes(picture.getvalue())
    except OSError as error:
        raise UserError(
            f"{path}: the picture cannot be written ({error.strerror}); "
            "name a file in a folder that is yours"
        ) from error


def fonts_for(texts: Iterable[str]) -> dict[str, frozenset[int]]:
    """Chooses font families that together draw the texts.

    Returns:
        The code points of each family, the most wanted family first. Characters may be
        left over that none can draw.
    """
    from matplotlib import font_manager
    from matplotlib.ft2font import FT2Font

    manager = font_manager.fontManager
    first = manager.defaultFamily["ttf"]
    default = font_manager.findfont(first)
    chosen = {first: frozenset(FT2Font(default).get_charmap())}
    missing = {ord(c) for text in texts for c in text} - chosen[first]
    for entry in manager.ttflist:
        if not missing:
            break
        # the font of last resort draws a box for everything
        if entry.name in chosen or entry.name.startswith("Last Resort"):
            continue
        font = frozenset(FT2Font(entry.fname).get_charmap())
        if missing & font:
            chosen[entry.name] = font
            missing -= font
    return chosen


def _width(label: str) -> float:
    """About how long a label is, in inches."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in label)
    return (len(label) + wide) * _CHARACTER


def drawable(
    piece: str, fonts: dict[str, frozenset[int]], longest: int = _LONGEST_LABEL
) -> str:
    """A text as it can be drawn.

    Args:
        piece: the text.
        fonts: what `fonts_for` returned.
        longest: characters; what is longer is cut.
    """

    def drawn(c: str) -> str:
        visible = unicodedata.category(c) not in _INVISIBLE
        known = any(ord(c) in font for font in fonts.values())
        return c if visible and known else f"<{ord(c):04X}>"

    if len(piece) > longest:
        piece = piece[: longest - 1] + "…"
    return "".join(map(drawn, piece))
