"""Features through `tf.data` beside librosa, on as many cores.

Both read the same files (16-bit FLAC, synthesized here) and give the same log-mel bands
of whole recordings. Ours come in padded batches, normalized, ready to train with: once
from the files, and once with the features kept on disk.

    python tests/benchmarks/bench_features.py [--sentences N] [--rounds N] [--short]
        [--json FILE]

Rates are frames a second, medians of several rounds taken in turns.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import librosa
import numpy as np
import soundfile
from side_by_side import keep, ratios

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2
RATE, WINDOW, HOP, FFT, BANDS = 16_000, 400, 160, 512, 64
WORDS = (
    "the cat dog house river green old quiet never always finds takes leaves under "
    "over bright morning evening water stone letter music garden window people slowly"
).split()


def corpus(folder: Path, sentences: int) -> Path:
    """Synthesizes recordings of 1 to 12 seconds."""
    from nlp_speech.data.spoken_corpus import Recipe, speak

    random = np.random.default_rng(1)
    texts = [
        " ".join(random.choice(WORDS, random.integers(3, 30))) for _ in range(sentences)
    ]
    return speak(texts, folder, Recipe(sample_rate=RATE)).manifest


def config_of(manifest: Path, cache: Path, normalization: str) -> Any:
    from nlp_speech.tasks.speech_recognition import Config

    split = [{"manifest": str(manifest)}]
    values = {
        "task": "speech_recognition",
        "data": {"train": split, "validation": split, "cache": str(cache)},
        "frontend": {
            "sample_rate": RATE,
            "window_length": WINDOW,
            "hop_length": HOP,
            "n_fft": FFT,
            "n_mels": BANDS,
            "normalization": normalization,
        },
        "batch": {"seconds": 120},
    }
    return Config.model_validate_json(json.dumps(values))


def ours(config: Any, assets: Any) -> int:
    """Reads an epoch; gives its real frames."""
    from nlp_speech.tasks.speech_recognition.training import training_data

    data = training_data(config, assets, "validation")
    return sum(int(batch["feature_lengths"].numpy().sum()) for batch in data.dataset(0))


def theirs(path: Path) -> int:
    """What librosa makes of a file; gives its frames."""
    samples, _ = soundfile.read(path, dtype="float32")
    power = librosa.feature.melspectrogram(
        y=samples,
        sr=RATE,
        n_fft=FFT,
        win_length=WINDOW,
        hop_length=HOP,
        n_mels=BANDS,
        fmin=20,
        center=False,
    )
    return np.log(power + 2**-24).shape[1]


def seconds(run: Callable[[], int]) -> tuple[float, int]:
    start = time.perf_counter()
    frames = run()
    return time.perf_counter() - start, frames


def measure(sentences: int, rounds: int) -> dict[str, Any]:
    """All rates as plain data."""
    from nlp_speech.contract import load_task, load_training_task
    from nlp_speech.tasks.speech_recognition.utterances import utterances

    with tempfile.TemporaryDirectory() as name:
        folder, cache = Path(name), Path(name) / "cache"
        manifest = corpus(folder / "corpus", sentences)
        runs: dict[str, Callable[[], int]] = {}

        def cold(config: Any, assets: Any) -> int:
            shutil.rmtree(cache, ignore_errors=True)
            return ours(config, assets)

        for kind in ("global", "running"):
            config = config_of(manifest, cache, kind)
            load_training_task(config.task).prepare(config, folder / kind)
            assets = load_task(config.task).load_assets(config, folder / kind)
            given = (config, assets)
            runs[f"ours from files, {kind}"] = lambda given=given: cold(*given)
            runs[f"ours kept on disk, {kind}"] = lambda given=given: ours(*given)
        files = [Path(u.input) for u in utterances(config.data.validation[0])]
        with ProcessPoolExecutor(CORES, get_context("spawn")) as pool:
            runs = {"librosa": lambda: _beside(pool, files), **runs}
            rates = _rates(runs, rounds)
    return {
        "sentences": sentences,
        "cores": CORES,
        "frames_per_second": rates,
        "ratios": ratios(rates),
    }


def _beside(pool: ProcessPoolExecutor, files: Sequence[Path]) -> int:
    return sum(pool.map(theirs, files, chunksize=8))


def _rates(runs: dict[str, Callable[[], int]], rounds: int) -> dict[str, float]:
    for run in runs.values():  # all is loaded and traced
        run()
    found: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            spent, frames = seconds(run)
            found[name].append(frames / spent)
    return {name: median(values) for name, values in found.items()}


def table(result: dict[str, Any]) -> str:
    rates = result["frames_per_second"]
    lines = [
        f"{result['sentences']} recordings on {result['cores']} cores",
        f"{'':28}{'frames/s':>12}{'x librosa':>12}",
    ]
    for name, rate in rates.items():
        ratio = result["ratios"][name]["librosa"]
        lines.append(f"{name:28}{rate:12,.0f}{ratio:12.2f}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Features beside librosa.")
    parser.add_argument("--sentences", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--short", action="store_true", help="once: does it run?")
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    arguments = parser.parse_args()
    if arguments.short:
        arguments.sentences, arguments.rounds = 10, 1
    result = measure(arguments.sentences, arguments.rounds)
    print(table(result))
    keep(result, arguments.json)


if __name__ == "__main__":
    sys.exit(main())
