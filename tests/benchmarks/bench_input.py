"""Shows that input is not the bottleneck of training.

Measures, on the training text of a config: reading and encoding, laying out an epoch,
padding batches in the graph, and then real updates of the config's model, once from
batches that lie ready in memory and once from the pipeline.

    NLP_SPEECH_DATA=... python tests/benchmarks/bench_input.py [CONFIG] [--short]
        [--json FILE]

Rates are real target tokens a second (eos counted, padding not). The share of time that
training waits for input is what matters; the rest explains it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
from side_by_side import keep

from nlp_speech.config import read_config
from nlp_speech.contract import load_task, load_training_task
from nlp_speech.data.batching import Shape
from nlp_speech.data.pipeline import PairBatches
from nlp_speech.errors import UserError
from nlp_speech.text.tokenizer import EOS
from nlp_speech.training.devices import Devices, make_strategy
from nlp_speech.training.optimizer import make_optimizer
from nlp_speech.training.step import make_step

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "configs" / "translation" / "multi30k_en_de.yaml"


class Clock:
    """Seconds spent under a name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def time(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        spent = time.perf_counter() - start
        self.seconds[name] = self.seconds.get(name, 0.0) + spent


def tokens(batches: Iterable[dict[str, Any]]) -> int:
    return sum(int(batch["target_lengths"].numpy().sum()) for batch in batches)


def measure_input(data: PairBatches, clock: Clock) -> tuple[int, int]:
    """Lays out and pads one whole epoch; returns its batches and target tokens."""
    with clock.time("lay out"):
        count = data.batches(1)
    dataset = data.dataset(1)
    data.batches(2)  # so that its preparation does not disturb
    with clock.time("pad"):
        real = tokens(dataset)
    return count, real


def blank(shape: Shape) -> dict[str, tf.Tensor]:
    """A batch of texts that are one eos each."""
    batch: dict[str, Any] = {}
    for side in ("source", "target"):
        steps = getattr(shape, f"{side}_length")
        ids = np.zeros([shape.rows, steps], np.int32)
        ids[:, 0] = EOS
        batch[side] = tf.constant(ids)
        batch[f"{side}_lengths"] = tf.ones([shape.rows], tf.int32)
    return batch


def measure_training(update: Any, data: PairBatches, updates: int, clock: Clock) -> int:
    """The same updates from the pipeline and from memory; returns their tokens."""
    for shape in data.shapes:  # every one is compiled
        update(blank(shape))
    epoch, ready = 3, []
    data.batches(epoch)
    # As in training, the next epoch is prepared while the updates run.
    with clock.time("train from the pipeline"):
        batches = iter(data.dataset(epoch).take(updates))
        while True:
            with clock.time("wait for input"):
                batch = next(batches, None)
            if batch is None:
                break
            update(batch)
            ready.append(batch)
    with clock.time("train from memory"):
        for batch in ready:
            update(batch)
    return tokens(ready)


def measure(path: Path, updates: int) -> dict[str, Any]:
    """All measurements of a config as plain data."""
    config = read_config(path)
    task, training_task = load_task(config.task), load_training_task(config.task)
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        with clock.time("learn vocabulary"):
            training_task.prepare(config, Path(folder))
        assets = task.load_assets(config, Path(folder))
    with clock.time("open"):
        data = training_task.training_data(config, assets, "train")
    assert isinstance(data, PairBatches)
    count, real = measure_input(data, clock)
    model = training_task.build(config, assets)
    optimizer = make_optimizer(config.training)
    optimizer.build(model.trainable_variables)
    devices = Devices(make_strategy())
    step = make_step(training_task, config, model, optimizer, devices)
    trained = measure_training(lambda batch: step([(batch,)]), data, updates, clock)
    spent = clock.seconds
    rates = {
        "lay out (background)": real / spent["lay out"],
        "pad (graph)": real / spent["pad"],
        "lay out and pad": real / (spent["lay out"] + spent["pad"]),
        "train from memory": trained / spent["train from memory"],
        "train from the pipeline": trained / spent["train from the pipeline"],
    }
    training = rates["train from memory"]
    return {
        "config": path.name,
        "batches": count,
        "shapes": len(data.shapes),
        "target_tokens": real,
        "seconds": spent,
        "tokens_per_second": rates,
        "ratios_to_training": {name: rate / training for name, rate in rates.items()},
        "waiting_share": spent["wait for input"] / spent["train from the pipeline"],
    }


def table(result: dict[str, Any]) -> str:
    rates = result["tokens_per_second"]
    ratios = result["ratios_to_training"]
    lines = [
        f"{result['config']}: {result['target_tokens']:,} target tokens an epoch in "
        f"{result['batches']} batches of {result['shapes']} shapes",
        f"{'':26}{'target tokens/s':>16}{'x training':>12}",
    ]
    for name, rate in rates.items():
        lines.append(f"{name:26}{rate:16,.0f}{ratios[name]:12.2f}")
    lines.append(f"training waits for input {result['waiting_share']:.2%} of its time")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Input speed against training speed.")
    parser.add_argument("config", nargs="?", type=Path, default=CONFIG)
    parser.add_argument("--updates", type=int, default=60, help="measured updates")
    parser.add_argument("--short", action="store_true", help="3 updates: does it run?")
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    arguments = parser.parse_args()
    try:
        result = measure(arguments.config, 3 if arguments.short else arguments.updates)
    except UserError as error:
        print(f"bench_input was left out: {error}", file=sys.stderr)
        return
    print(table(result))
    keep(result, arguments.json)


if __name__ == "__main__":
    sys.exit(main())
