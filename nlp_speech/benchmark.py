"""What a bundle costs in each runtime: time, memory, bytes."""

from __future__ import annotations

import multiprocessing
import resource
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nlp_speech.bundle import SAVED_MODEL_FILE, Bundle
from nlp_speech.errors import UserError
from nlp_speech.runtime import has_tensorflow, load
from nlp_speech.runtime.examples import examples_of

_WARM_UP = 5
_BATCH = 32


@dataclass(frozen=True)
class Measurement:
    """One runtime of a bundle.

    Attributes:
        runtime: ``tflite dynamic``, ``saved_model``, ...
        median_ms: of the time for one input alone.
        p90_ms: nine of ten inputs take less.
        inputs_per_second: with batches, where the runtime has them.
        megabytes: the most memory its process held.
        bytes: of the files it needs.
    """

    runtime: str
    median_ms: float
    p90_ms: float
    inputs_per_second: float
    megabytes: float
    bytes: int


def benchmark_bundle(
    path: Path, threads: int | None = 1, limit: int = 100
) -> dict[str, Any]:
    """Measures a bundle in each runtime that is here, each in a process of its own.

    Args:
        path: the bundle.
        threads: threads of each runtime, or None for its own choice.
        limit: inputs timed, from the validation data, or from the samples without it.

    Returns:
        Plain JSON data: `bundle`, `threads`, `inputs` and a list `runtimes`.
    """
    bundle = Bundle.open(path)
    runtimes = [("tflite", variant) for variant in bundle.variants]
    if has_tensorflow() and (bundle.path / SAVED_MODEL_FILE).is_file():
        runtimes.append(("saved_model", ""))
    inputs = _inputs(bundle, limit)
    context = multiprocessing.get_context("spawn")
    found = []
    for runtime, variant in runtimes:
        # Memory is a process's: one for each runtime.
        with context.Pool(1) as pool:
            arguments = (bundle.path, runtime, variant, threads, inputs)
            found.append(asdict(pool.apply(measure, arguments)))
    return {
        "bundle": bundle.name,
        "threads": threads,
        "inputs": len(inputs),
        "runtimes": found,
    }


def measure(
    path: Path, runtime: str, variant: str, threads: int | None, inputs: list[str]
) -> Measurement:
    """Measures one runtime in this process."""
    model = load(path, runtime, variant or None, threads)
    for text in inputs[:_WARM_UP]:
        model([text])
    times = []
    for text in inputs:
        start = time.perf_counter()
        model([text])
        times.append(1000 * (time.perf_counter() - start))
    start = time.perf_counter()
    model(inputs, batch_size=_BATCH)
    seconds = time.perf_counter() - start
    return Measurement(
        runtime=f"{runtime} {variant}".strip(),
        median_ms=round(statistics.median(times), 2),
        p90_ms=round(float(np.quantile(times, 0.9)), 2),
        inputs_per_second=round(len(inputs) / seconds, 1),
        megabytes=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        bytes=_bytes(model.bundle, runtime, variant),
    )


def table(report: dict[str, Any]) -> str:
    """The measurements as a table for a terminal."""
    head = f"{'runtime':16s} {'median ms':>10s} {'p90 ms':>8s} {'inputs/s':>9s}"
    lines = [f"{head} {'memory MB':>10s} {'files MB':>9s}"]
    lines += [
        f"{row['runtime']:16s} {row['median_ms']:10.2f} {row['p90_ms']:8.2f} "
        f"{row['inputs_per_second']:9.1f} {row['megabytes']:10.1f} "
        f"{row['bytes'] / 1e6:9.2f}"
        for row in report["runtimes"]
    ]
    return "\n".join(lines)


def _inputs(bundle: Bundle, limit: int) -> list[str]:
    try:
        assets = bundle.load_assets()
        given = bundle.task, bundle.config, assets, "validation"
        return examples_of(*given, limit=limit)[0]
    except UserError:
        return [sample["input"] for sample in bundle.samples()][:limit]


def _bytes(bundle: Bundle, runtime: str, variant: str) -> int:
    if runtime == "tflite":
        return bundle.device_file(variant).stat().st_size
    folders = [bundle.path / name for name in ("variables", "assets")]
    files = [p for f in folders if f.is_dir() for p in f.rglob("*") if p.is_file()]
    return sum(p.stat().st_size for p in [bundle.path / SAVED_MODEL_FILE, *files])
