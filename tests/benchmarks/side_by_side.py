"""Measuring in turns; each row is printed as soon as it is measured."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[[], float]
Row = dict[str, Any]


def timed(work: Callable[[], Any]) -> Run:
    """A run that says how many seconds it took."""

    def run() -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    return run


def medians(runs: dict[str, Run], rounds: int) -> dict[str, float]:
    """Seconds of each, measured in turns after a warm-up of two runs each."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in (*runs.values(), *runs.values()):
        run()
    for _ in range(rounds):
        for name, run in runs.items():
            times[name].append(run())
    return {name: statistics.median(values) for name, values in times.items()}


def speeds(name: str, runs: dict[str, Run], rounds: int, work: float, unit: str) -> Row:
    """A row of the table: how much of `work` each run does in a second."""
    print(f"measuring {name}", file=sys.stderr, flush=True)
    seconds = medians(runs, rounds)
    values = {key: work / spent for key, spent in seconds.items()}
    return shown({"name": name, "unit": unit, "values": values})


def shown(row: Row) -> Row:
    """Prints a row: each value, and its ratio to every value that is not ours."""
    values = row["values"]
    peers = [name for name in values if not name.startswith("ours")]
    lines = [f"{row['name']} ({row['unit']})"]
    lines.append(f"    {'':16}{'':>10}" + "".join(f"{f'x {p}':>18}" for p in peers))
    for name, value in values.items():
        ratios = "".join(f"{value / values[p]:18.2f}" for p in peers)
        lines.append(f"    {name:16}{value:10,.1f}{ratios}")
    print("\n".join(lines), flush=True)
    return row


def report(rows: list[Row], arguments: argparse.Namespace) -> None:
    """Writes the rows to a JSON file, if one is asked for."""
    if arguments.json:
        result = {"cores": os.cpu_count(), "rounds": arguments.rounds, "rows": rows}
        arguments.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def arguments(description: str, rounds: int) -> argparse.Namespace:
    """The command line that these scripts share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--rounds", type=int, default=rounds, help="measurements of each"
    )
    parser.add_argument(
        "--short", action="store_true", help="one measurement of each: does it run?"
    )
    parser.add_argument("--only", help="only rows whose name has this in it")
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    given = parser.parse_args()
    if given.short:
        given.rounds = 1
    return given
