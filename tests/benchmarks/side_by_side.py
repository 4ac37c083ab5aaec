"""Measuring in turns; each row is printed as soon as it is measured."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import suppress
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


def ratios(values: dict[str, float]) -> dict[str, dict[str, float]]:
    """Of each value to every value that is not ours, by the two names."""
    peers = [name for name in values if not name.startswith("ours")]
    return {
        name: {peer: value / values[peer] for peer in peers}
        for name, value in values.items()
    }


def shown(row: Row) -> Row:
    """Prints a row, values and their ratios, and gives it with its ratios."""
    values, found = row["values"], ratios(row["values"])
    peers = next(iter(found.values()), {})
    lines = [f"{row['name']} ({row['unit']})"]
    lines.append(f"    {'':16}{'':>10}" + "".join(f"{f'x {p}':>18}" for p in peers))
    for name, value in values.items():
        columns = "".join(f"{ratio:18.2f}" for ratio in found[name].values())
        lines.append(f"    {name:16}{value:10,.1f}{columns}")
    print("\n".join(lines), flush=True)
    return {**row, "ratios": found}


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    return {
        "host": platform.node(),
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }


def _processor() -> str:
    """The processor's model, where the system tells it."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def keep(result: dict[str, Any], file: Path | None) -> None:
    """Writes numbers and the machine's name to a JSON file, if one is asked for."""
    if file is None:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {"machine": machine(), **result}
    file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def report(rows: list[Row], arguments: argparse.Namespace) -> None:
    """Keeps the rows in a JSON file, if one is asked for."""
    keep({"rounds": arguments.rounds, "rows": rows}, arguments.json)


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
