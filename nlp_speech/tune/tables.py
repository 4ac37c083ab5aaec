"""The tables at the end of a search."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from nlp_speech.tune.report import ENOUGH, Report, Row
from nlp_speech.tune.search import short


def names(keys: Sequence[str]) -> dict[str, str]:
    """A short name for each key: without its section where that is clear."""
    last = [key.split(".")[-1] for key in keys]
    pairs = zip(keys, last, strict=True)
    return {key: name if last.count(name) == 1 else key for key, name in pairs}


def print_report(report: Report) -> None:
    """Prints the tables to stdout, as wide as they are unless it is a terminal."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = 1000
    console.print(trials_table(report))
    console.print(effects_table(report))


def trials_table(report: Report) -> Table:
    """The trials, best first."""
    named = names([effect.key for effect in report.effects])
    table = Table(box=SIMPLE_HEAD, title="Trials, best first", title_justify="left")
    table.add_column("trial", justify="right")
    table.add_column(report.metric, justify="right")
    for name in named.values():
        table.add_column(name, justify="right")
    table.add_column("updates", justify="right")
    table.add_column("minutes", justify="right")
    table.add_column("")
    for row in report.rows:
        table.add_row(
            str(row.number),
            "" if row.score is None else f"{row.score:.2f}",
            *(short(row.values[k]) if k in row.values else "" for k in named),
            str(row.updates),
            "" if row.seconds is None else f"{row.seconds / 60:.1f}",
            _remark(row),
            style="bold" if row is report.best else "",
        )
    return table


def effects_table(report: Report) -> Table:
    """What each parameter does to the score."""
    title = f"Effect of each parameter on the {report.comparison}"
    if report.effects and report.effects[0].importance is None:
        title += f"\nImportance needs {ENOUGH} trials with different scores"
    table = Table(box=SIMPLE_HEAD, title=title, title_justify="left")
    for name in ("parameter", "importance", "values", "trials", "with a score"):
        table.add_column(name, justify="left" if name == "parameter" else "right")
    table.add_column(f"mean {report.metric}", justify="right")
    table.add_column(f"best {report.metric}", justify="right")
    for effect in report.effects:
        share = "" if effect.importance is None else f"{effect.importance:.0%}"
        for n, group in enumerate(effect.groups):
            table.add_row(
                "" if n else effect.key,
                "" if n else share,
                group.values,
                str(group.trials),
                str(group.scored),
                "" if group.mean is None else f"{group.mean:.2f}",
                "" if group.best is None else f"{group.best:.2f}",
                end_section=n == len(effect.groups) - 1,
            )
    return table


def _remark(row: Row) -> str:
    remarks = ["the config's own values"] if row.own else []
    if row.state != "complete":
        remarks.append(f"{row.state}: {row.reason}" if row.reason else row.state)
    return "; ".join(remarks)
