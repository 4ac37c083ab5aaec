from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nlp_speech import plots
from nlp_speech.errors import UserError

pieces = st.lists(st.text(max_size=40), min_size=1, max_size=4)


def picture(path: Path) -> np.ndarray:
    return matplotlib.image.imread(io.BytesIO(path.read_bytes()))[..., :3]


def darkness(path: Path, rows: int, columns: int) -> np.ndarray:
    """The mean darkness of each cell, found by the extent of the grid of cells."""
    dark = 1 - picture(path).mean(-1)
    blue = picture(path)[..., 2] - picture(path)[..., 0] > 0.015
    # the color bar is right of the widest gap
    across = np.flatnonzero(blue.sum(0) > blue.sum(0).max() * 0.3)
    across = across[: np.argmax(np.diff(across)) + 1]
    down = np.flatnonzero(blue[:, across].sum(1) > len(across) * 0.3)
    cells = dark[down[0] : down[-1] + 1, across[0] : across[-1] + 1]
    parts = [np.array_split(row, columns, 1) for row in np.array_split(cells, rows, 0)]
    return np.array([[part.mean() for part in row] for row in parts])


def test_dark_cells_are_where_the_attention_is(tmp_path: Path) -> None:
    weights = np.random.default_rng(0).random((9, 7)) ** 2
    path = tmp_path / "a.png"
    plots.draw_attention(list("abcdefg"), list("ABCDEFGHI"), weights, path)
    got = darkness(path, 9, 7)
    assert np.corrcoef(got.ravel(), weights.ravel())[0, 1] > 0.97


def test_long_sentences_stay_readable(tmp_path: Path) -> None:
    short, long = tmp_path / "short.png", tmp_path / "long.png"
    plots.draw_attention(["▁ab"] * 10, ["▁cd"] * 12, np.eye(12, 10), short)
    plots.draw_attention(["▁ab"] * 90, ["▁cd"] * 102, np.eye(102, 90), long)
    grown = np.subtract(picture(long).shape[:2], picture(short).shape[:2])
    # 90 rows and 80 columns more, each with room for a line of 9 points
    assert (grown > np.array([90, 80]) * 9 / 72 * plots._DOTS_PER_INCH * 1.2).all()


def test_a_huge_picture_has_fewer_dots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plots, "_LARGEST", 500)
    path = tmp_path / "a.png"
    plots.draw_attention(["a"] * 60, ["b"] * 60, np.eye(60), path)
    assert max(picture(path).shape) <= 500
    monkeypatch.setattr(plots, "_LARGEST", 30_000)
    monkeypatch.setattr(plots, "_MOST", 90_000)
    plots.draw_attention(["a"] * 60, ["b"] * 60, np.eye(60), path)
    assert 80_000 < np.prod(picture(path).shape[:2]) < 91_000


@given(pieces, pieces)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_drawn_without_a_warning(
    tmp_path: Path, source: list[str], target: list[str]
) -> None:
    path = tmp_path / "a.png"
    weights = np.full((len(target), len(source)), 0.5)
    plots.draw_attention(source, target, weights, path)
    assert picture(path).size


def test_what_no_font_can_draw_is_written_as_its_code_point() -> None:
    fonts = plots.fonts_for(["▁größe", "привет", "\U0010ffff", "\ud800"])
    assert plots.drawable("▁größe", fonts) == "▁größe"
    assert plots.drawable("привет", fonts) == "привет"
    assert plots.drawable("a\n\ud800\U0010ffff", fonts) == "a<000A><D800><10FFFF>"
    assert not any(name.startswith("Last Resort") for name in fonts)
    assert plots.drawable("x" * 50, fonts) == "x" * 23 + "…"


def test_dollars_are_not_mathematics(tmp_path: Path) -> None:
    path = tmp_path / "a.svg"
    plots.draw_attention(["$\\frac$", "$$"], ["$x$"], [[0.5, 0.5]], path)
    assert b"<svg" in path.read_bytes()


def test_unusual_sizes(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    plots.draw_attention(["a"], ["b"], [[1.0]], str(path))
    assert picture(path).shape[0] > 100
    plots.draw_attention(["a"] * 40, ["b"], [[0.1] * 40], path)
    assert picture(path).shape[1] > 1000


def test_an_alignment_of_another_shape_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1 x 2 pieces"):
        plots.draw_attention(["a", "b"], ["c"], [[1.0]], tmp_path / "a.png")


def test_nothing_to_draw_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    with pytest.raises(UserError, match="no pieces"):
        plots.draw_attention(["a"], [], np.zeros((0, 1)), path)
    assert not path.exists()


@pytest.mark.parametrize("name", ["a.doc", "a"])
def test_an_unknown_format_is_told(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a.*suffixes: .*png"):
        plots.draw_attention(["a"], ["b"], [[1.0]], tmp_path / name)
    assert not (tmp_path / name).exists()


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be written"):
        plots.draw_attention(["a"], ["b"], [[1.0]], tmp_path / "no" / "a.png")


def test_it_leaves_pyplot_and_its_window_alone(tmp_path: Path) -> None:
    code = (
        "import sys; from nlp_speech.plots import draw_attention;"
        "print('matplotlib' in sys.modules);"
        f"draw_attention(['a'], ['b'], [[1.0]], {str(tmp_path / 'a.png')!r});"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "False"]


def test_confusion_is_dark_where_answers_are(tmp_path: Path) -> None:
    counts = np.array([[90, 5, 5], [30, 60, 10], [0, 0, 7]])
    path = tmp_path / "c.png"
    plots.draw_confusion(["negative", "neutral", "positive $"], counts, path)
    got = 1 - picture(path).mean(-1)
    # The three cells from top left to bottom right are the darkest ones.
    side = round(0.75 * 120)
    corner = got.shape[0] - round(0.15 * 120) - 3 * side
    left = got.shape[1] - round(0.15 * 120) - 3 * side
    cells = [
        [
            got[corner + r * side :, left + c * side :][5:20, 5:20].mean()
            for c in range(3)
        ]
        for r in range(3)
    ]
    shares = counts / counts.sum(1, keepdims=True)
    assert np.corrcoef(np.ravel(cells), shares.ravel())[0, 1] > 0.97


def test_confusion_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no answers to draw"):
        plots.draw_confusion(["a", "b"], np.zeros((2, 2)), tmp_path / "c.png")
    with pytest.raises(ValueError, match="2 classes need a square"):
        plots.draw_confusion(["a", "b"], np.zeros((2, 3)), tmp_path / "c.png")
    # A class that never was right has an empty row.
    plots.draw_confusion(["a", "b"], [[0, 0], [1, 2]], tmp_path / "c.png")
    assert (tmp_path / "c.png").is_file()
