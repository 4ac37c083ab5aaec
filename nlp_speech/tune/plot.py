"""The picture at the end of a search: the trials in order, and by each parameter."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlp_speech.plots import save_figure
from nlp_speech.sections import ParameterSection
from nlp_speech.tune.report import Effect, Report, Row
from nlp_speech.tune.search import short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PANEL = (3.2, 2.5)  # inches
_COLUMNS = 3
_CHARACTERS = 36  # of labels that fit below a panel
_FONT_SIZE = 9.0  # points
_DARK, _LIGHT, _BEST, _BAD = "#08519c", "#6baed6", "#d95f02", "#b30000"


def draw_report(
    report: Report, space: Mapping[str, ParameterSection], path: Path
) -> None:
    """Draws the scores of a search as a picture in a file.

    The first panel has the trials in the order in which they were run and the best
    score so far; the others have, against each parameter, the scores by the update that
    all trials came to. Complete trials are dots, stopped ones crosses, and those
    without a score ticks at the bottom.

    Args:
        report: of the search.
        space: its parameters, by key.
        path: the file; its suffix is the format.

    Raises:
        UserError: the file cannot be written.
    """
    from matplotlib.figure import Figure

    panels = 1 + len(report.effects)
    columns = 2 if panels in (2, 4) else _COLUMNS
    rows = -(-panels // columns)
    size = (columns * _PANEL[0], rows * _PANEL[1] + 0.4)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    all_axes = list(grid.flat)
    for axes in all_axes[2:]:
        # at the same height, so that parameters can be compared
        axes.sharey(all_axes[1])
    _draw_history(all_axes[0], report)
    for axes, effect in zip(all_axes[1:], report.effects, strict=False):
        _draw_parameter(axes, report, effect, space[effect.key])
    for n, axes in enumerate(all_axes):
        _style(axes)
        axes.set_visible(n < panels)
    all_axes[0].set_ylabel(report.metric)
    compared = report.metric
    if report.compared_at is not None:
        compared += f" by update {report.compared_at}"
    for axes in (all_axes[1], *all_axes[columns::columns]):
        axes.set_ylabel(compared)
    handles, labels = all_axes[0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=len(labels),
        frameon=False,
        fontsize=_FONT_SIZE,
    )
    save_figure(figure, path)


def _draw_history(axes: Axes, report: Report) -> None:
    from matplotlib.ticker import MaxNLocator

    rows = sorted(report.rows, key=lambda row: row.number)
    complete = [r for r in rows if r.state == "complete" and r.score is not None]
    better = max if report.higher_is_better else min
    numbers, bests = [], []
    for row in complete:
        assert row.score is not None
        numbers.append(row.number)
        bests.append(better([*bests[-1:], row.score]))
    last = rows[-1].number
    axes.step(
        [*numbers, last],
        [*bests, bests[-1]],
        where="post",
        color=_LIGHT,
        lw=1,
        zorder=1,
    )
    _scatter(axes, report, [(row.number, row.score, row) for row in rows])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes.set_title("in order; line: best so far", fontsize=_FONT_SIZE)
    axes.set_xlabel("trial")


def _draw_parameter(
    axes: Axes, report: Report, effect: Effect, parameter: ParameterSection
) -> None:
    key = effect.key
    rows = [row for row in report.rows if key in row.values]
    if parameter.choices:
        places = {short(c): n for n, c in enumerate(parameter.choices)}
        points = [(places[short(r.values[key])], report.compared(r), r) for r in rows]
        _scatter(axes, report, points)
        crowded = sum(map(len, places)) > _CHARACTERS
        turned = {"rotation": 30, "ha": "right"} if crowded else {}
        axes.set_xticks(list(places.values()), list(places), **turned)
        axes.set_xlim(-0.5, len(places) - 0.5)
    else:
        points = [(r.values[key], report.compared(r), r) for r in rows]
        _scatter(axes, report, points)
        _show_range(axes, parameter)
    title = "" if effect.importance is None else f"importance {effect.importance:.0%}"
    axes.set_title(title, fontsize=_FONT_SIZE)
    axes.set_xlabel(key, parse_math=False)


def _show_range(axes: Axes, parameter: ParameterSection) -> None:
    """Shows the whole range, so that what was not tried is seen too."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = parameter.low, parameter.high
    assert low is not None
    assert high is not None
    if not parameter.log:
        margin = 0.05 * (high - low)
        axes.set_xlim(low - margin, high + margin)
        return
    axes.set_xscale("log")
    margin = (high / low) ** 0.05
    axes.set_xlim(low / margin, high * margin)
    narrow = high / low < 10**2.5
    locator = LogLocator(subs=(1.0, 2.0, 5.0) if narrow else (1.0,))
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _scatter(
    axes: Axes, report: Report, points: list[tuple[Any, float | None, Row]]
) -> None:
    styles: dict[str, dict[str, Any]] = {
        "complete": {"marker": "o", "color": _DARK, "s": 18},
        "stopped": {"marker": "x", "color": _LIGHT, "s": 18, "linewidths": 1.2},
        "best": {"marker": "*", "color": _BEST, "s": 90, "zorder": 3},
    }
    for name, style in styles.items():
        chosen = [
            (x, score)
            for x, score, row in points
            if score is not None
            and name == ("best" if row is report.best else row.state)
        ]
        if chosen:
            axes.scatter(*zip(*chosen, strict=True), label=name, **style)
    lost = [x for x, score, _ in points if score is None]
    if lost:
        axes.plot(
            lost,
            [0.0] * len(lost),
            "|",
            color=_BAD,
            markersize=8,
            clip_on=False,
            label="no score",
            transform=axes.get_xaxis_transform(),
        )


def _style(axes: Axes) -> None:
    axes.tick_params(labelsize=_FONT_SIZE - 1, length=2, width=0.5, which="both")
    axes.xaxis.label.set_fontsize(_FONT_SIZE)
    axes.yaxis.label.set_fontsize(_FONT_SIZE)
    axes.grid(color="0.92", linewidth=0.5)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("0.6")
