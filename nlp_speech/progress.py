"""How far long work is, on stderr; nothing where that is not a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Advance = Callable[[int], None]
"""Is told how many more are done."""


@contextmanager
def shown(what: str, total: int, unit: str) -> Iterator[Advance | None]:
    """Shows a bar with throughput and time left while work goes on.

    Args:
        what: is done, in a word or two.
        total: things to do.
        unit: what these are, for the throughput.

    Yields:
        What is told of progress; None where nobody would see it.
    """
    # There is none in a program without a console.
    if sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,  # results go where they should
    )
    with bar:
        task = bar.add_task(what, total=total, rate="")

        def advance(count: int) -> None:
            bar.advance(task, count)
            speed = bar.tasks[task].speed
            if speed:
                form = ".3g" if speed < 100 else ",.0f"
                bar.update(task, rate=f"{speed:{form}} {unit}/s")

        yield advance
