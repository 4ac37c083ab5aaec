"""What the benchmarks share: turns, ratios, and what is kept of them."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def side_by_side(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(ROOT / "tests" / "benchmarks")
    import side_by_side  # pyright: ignore[reportMissingImports]

    return side_by_side


def test_medians_of_runs_in_turns(side_by_side: Any) -> None:
    order: list[str] = []
    times = {"a": [9.0, 9.0, 3.0, 1.0, 2.0], "b": [0.0, 0.0, 6.0, 5.0, 7.0]}

    def run(name: str) -> float:
        order.append(name)
        return times[name][order.count(name) - 1]

    runs = {name: lambda name=name: run(name) for name in times}
    assert side_by_side.medians(runs, 3) == {"a": 2.0, "b": 6.0}
    assert "".join(order) == "ab" * 5  # the first two of each are a warm-up


def test_ratios_to_all_that_is_not_ours(side_by_side: Any, capsys: Any) -> None:
    values = {"keras": 10.0, "torch": 20.0, "ours": 15.0}
    row = side_by_side.shown({"name": "LSTM", "unit": "steps/s", "values": values})
    assert row["ratios"]["ours"] == {"keras": 1.5, "torch": 0.75}
    head, names, *lines = capsys.readouterr().out.splitlines()
    assert head == "LSTM (steps/s)"
    assert names.split() == ["x", "keras", "x", "torch"]
    assert lines[2].split() == ["ours", "15.0", "1.50", "0.75"]


def test_a_file_has_ratios_and_names_the_machine(
    side_by_side: Any, tmp_path: Path
) -> None:
    file = tmp_path / "new" / "folder" / "bench.json"
    row = {"name": "a", "unit": "s", "values": {"keras": 2.0, "ours": 4.0}}
    given = argparse.Namespace(rounds=5, json=file)
    side_by_side.report([side_by_side.shown(row)], given)
    kept = json.loads(file.read_text(encoding="utf-8"))
    assert kept["rounds"] == 5
    assert kept["rows"][0]["ratios"]["ours"] == {"keras": 2.0}
    assert kept["machine"]["cores"] == os.cpu_count()
    assert all(kept["machine"].values())


def test_no_file_without_a_name(side_by_side: Any, tmp_path: Path) -> None:
    side_by_side.keep({"a": 1}, None)
    assert list(tmp_path.iterdir()) == []


def test_make_keeps_a_file_for_each_script() -> None:
    """In a folder that git ignores."""
    make = ["make", "--dry-run", "benchmark", "STAMP="]
    done = subprocess.run(make, cwd=ROOT, check=True, capture_output=True, text=True)
    assert "--json runs/benchmarks/$(basename $script .py).json" in done.stdout
    name = "runs/benchmarks/bench_training.json"
    assert subprocess.run(["git", "check-ignore", "-q", name], cwd=ROOT).returncode == 0
