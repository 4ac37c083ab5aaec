"""Shows the peak memory of a training update, and what saving a checkpoint costs.

Each case runs in a process of its own. Memory is what the process grows by from the
built model (its resident set) to the peak of three updates (``ru_maxrss``): gradients,
what is kept for them, and the optimizer's moments. Checkpoints are written as training
writes them: model and optimizer, hashed and renamed; torch's with ``torch.save``.

    python tests/benchmarks/bench_memory.py [--short] [--rounds N] [--only TEXT]
        [--json FILE]
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from peers import Peer
from side_by_side import Row, arguments, report, shown, timed

CASES: dict[str, dict[str, bool]] = {
    "keras": {"stock": True},
    "keras + XLA": {"stock": True, "xla": True},
    "ours": {"stock": False},
    "ours + XLA": {"stock": False, "xla": True},
}
KEYS = ("vocabulary", "rows", "steps", "embedding", "units", "layers")


def resident() -> float:
    """Megabytes that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def child(case: str, fed: bool) -> dict[str, float]:
    """Measures one case in this process."""
    from translation_model import Size, make_run

    how: dict[str, Any] = {**CASES[case]}
    run, model, optimizer = make_run(Size(), fed, **how)
    before = resident()
    for _ in range(3):
        run()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"megabytes": peak - before} | saving(
        [*model.variables, *optimizer.variables]
    )


def saving(variables: list[Any]) -> dict[str, float]:
    """Size and seconds of a checkpoint."""
    from nlp_speech.training.checkpoint import Checkpoints, Progress

    with tempfile.TemporaryDirectory() as folder:
        store = Checkpoints(Path(folder), "benchmark")
        seconds = [
            timed(lambda n=n: store.save(Progress(update=n), variables))()
            for n in range(5)
        ]
        newest = max(Path(folder).glob("update-*"))
        size = sum(f.stat().st_size for f in newest.rglob("*") if f.is_file())
    return {"checkpoint MB": size / 1e6, "checkpoint s": statistics.median(seconds)}


def measure(case: str, fed: bool) -> dict[str, float]:
    """The same in a process of its own."""
    if case == "torch":
        from translation_model import Size

        peer, size = Peer(), Size()
        options = {key: getattr(size, key) for key in KEYS}
        answer = peer.ask("memory", **options, fed=fed)
        peer.close()
        return answer
    command = [sys.executable, __file__, "--child", case, *(["--fed"] if fed else [])]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def rows(fed: bool, rounds: int) -> list[Row]:
    """Peak memory, and bytes and seconds of a checkpoint, medians of processes."""
    name = "translation update, 512 x 2" + ", input feeding" * fed
    found = {
        case: [measure(case, fed) for _ in range(rounds)] for case in [*CASES, "torch"]
    }
    units = {
        "megabytes": "peak memory, MB",
        "checkpoint MB": "checkpoint, MB",
        "checkpoint s": "checkpoint, s",
    }
    return [
        shown(
            {
                "name": name,
                "unit": unit,
                "values": {
                    case: statistics.median(m[key] for m in measured)
                    for case, measured in found.items()
                    if key in measured[0]
                },
            }
        )
        for key, unit in units.items()
    ]


def main() -> None:
    if "--child" in sys.argv:
        case = sys.argv[sys.argv.index("--child") + 1]
        print(json.dumps(child(case, "--fed" in sys.argv)))
        return
    given = arguments("Memory and checkpoints beside Keras and torch.", rounds=3)
    chosen = [fed for fed in (False, True) if given.only is None or fed]
    report([row for fed in chosen for row in rows(fed, given.rounds)], given)


if __name__ == "__main__":
    main()
