"""Two whole trainings side by side: `joeynmt train` and `nlp-speech train`.

The same parallel text, cut into the same pieces, the same model (a BiLSTM encoder and
an LSTM decoder of 256 units with attention and input feeding), the same batches of
padded tokens, each with its own reading, batching and optimizer, as their users run
them. The first updates, which compile, are not counted.

    NLP_SPEECH_DATA=... python tests/benchmarks/bench_joey.py [--short] [--rounds N]
        [--json FILE]

Rates are real target tokens a second (eos counted, padding not).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import yaml
from peers import python
from side_by_side import Row, arguments, report, shown

from nlp_speech.config import read_config
from nlp_speech.contract import load_task, load_training_task
from nlp_speech.data.parallel import read_lines
from nlp_speech.data.paths import resolve
from nlp_speech.errors import UserError

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "configs" / "translation" / "multi30k_en_de.yaml"
UNITS, TOKENS = 256, 1500
OURS = [
    "model.encoder_layers=1",
    "model.decoder_layers=1",
    f"model.units={UNITS}",
    f"model.embedding_units={UNITS}",
    "model.input_feeding=true",
    "model.layer_norm=false",
    "model.residual=false",
    "tokenizer.sample_source=false",
    "tokenizer.sample_target=false",
    f"batch.tokens={TOKENS}",
    "training.evaluation_limit=8",
    "training.average_best=1",
    "training.warmup_updates=20",
]


def write_pieces(directory: Path) -> None:
    """The training and validation text as pieces with spaces between, for Joey NMT."""
    config = read_config(CONFIG, OURS)
    load_training_task("translation").prepare(config, directory / "learned")
    tokenizer = load_task("translation").load_assets(config, directory / "learned")
    for split in ("train", "val"):
        for language in ("en", "de"):
            lines = list(read_lines(resolve(f"multi30k/{split}.{language}.gz")))
            rows = tokenizer.source.encode(lines)
            text = "\n".join(" ".join(tokenizer.source.pieces(row)) for row in rows)
            (directory / f"{split}.{language}").write_text(text + "\n", "utf-8")


def joey_config(directory: Path, updates: int) -> dict[str, Any]:
    """What `joeynmt train` is given."""

    def side(language: str) -> dict[str, Any]:
        return {
            "lang": language,
            "level": "word",
            "lowercase": False,
            "max_length": 80,
            "voc_limit": 6000,
            "voc_min_freq": 1,
            "tokenizer_type": "default",
        }

    part = {
        "type": "recurrent",
        "rnn_type": "lstm",
        "embeddings": {"embedding_dim": UNITS, "dropout": 0.2},
        "hidden_size": UNITS,
        "num_layers": 1,
        "dropout": 0.2,
    }
    decoder = {"input_feeding": True, "attention": "luong", "init_hidden": "bridge"}
    return {
        "name": "beside",
        "use_cuda": False,
        "fp16": False,
        "model_dir": str(directory / "joey"),
        "data": {
            "train": str(directory / "train"),
            "dev": str(directory / "val"),
            "dataset_type": "plain",
            "src": side("en"),
            "trg": side("de"),
        },
        "testing": {"beam_size": 1, "eval_metrics": [], "max_output_length": 5},
        "training": {
            "optimizer": "adam",
            "learning_rate": 0.001,
            "scheduling": "warmupinversesquareroot",
            "learning_rate_warmup": 500,
            "batch_size": TOKENS,
            "batch_type": "token",
            "normalization": "tokens",
            "label_smoothing": 0.1,
            "clip_grad_norm": 1.0,
            "epochs": 1,
            "updates": updates,
            "logging_freq": updates // 3,
            "validation_freq": 10 * updates,
            "overwrite": True,
        },
        "model": {
            "initializer": "xavier_uniform",
            "encoder": {**part, "bidirectional": True},
            "decoder": {**part, **decoder, "hidden_dropout": 0.2},
        },
    }


def joey(directory: Path, updates: int) -> float:
    """Target tokens a second of `joeynmt train`, as it logs them."""
    file = directory / "joey.yaml"
    file.write_text(yaml.safe_dump(joey_config(directory, updates)))
    command = [str(python()), "-m", "joeynmt", "train", str(file), "--skip-test"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    rates = re.findall(r"Tokens per Sec: +(\d+)", done.stdout + done.stderr)
    if len(rates) < 2:
        raise SystemExit(f"joeynmt train failed:\n{done.stdout}{done.stderr}")
    return median(float(rate) for rate in rates[1:])


def ours(directory: Path, updates: int, *settings: str) -> float:
    """Target tokens a second of `nlp-speech train`, after its first evaluation."""
    half = updates // 2
    steps = [f"training.updates={2 * half}", f"training.evaluate_every={half}"]
    changes = [word for s in (*OURS, *steps, *settings) for word in ("--set", s)]
    output = directory / "ours"
    program = str(Path(sys.executable).with_name("nlp-speech"))
    command = [program, "train", str(CONFIG), "--output", str(output), *changes]
    shutil.rmtree(output, ignore_errors=True)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"nlp-speech train failed:\n{done.stdout}{done.stderr}")
    first, last = map(json.loads, (output / "log.jsonl").read_text().splitlines())
    tokens = [r["tokens_per_second"] * r["seconds"] for r in (first, last)]
    return (tokens[1] - tokens[0]) / (last["seconds"] - first["seconds"])


def row(directory: Path, rounds: int, short: bool) -> Row:
    """All in turns, each as often."""
    few, many = (6, 40) if short else (30, 200)
    runs: dict[str, Callable[[], float]] = {
        "Joey NMT": lambda: joey(directory, few),
        "ours": lambda: ours(directory, many, "training.xla=false"),
        "ours + XLA": lambda: ours(directory, many, "training.xla=true"),
        "ours, bfloat16": lambda: ours(
            directory, many, "training.xla=false", "training.precision=mixed_bfloat16"
        ),
    }
    found: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            found[name].append(run())
            print(name, f"{found[name][-1]:,.0f}", file=sys.stderr, flush=True)
    values = {name: median(rates) for name, rates in found.items()}
    name = f"training of Multi30k, {UNITS} x 1, input feeding"
    return shown({"name": name, "unit": "target tokens/s", "values": values})


def main() -> None:
    given = arguments("Whole trainings: ours and Joey NMT's.", rounds=3)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        try:
            write_pieces(directory)
        except UserError as error:
            print(f"bench_joey was left out: {error}", file=sys.stderr)
            return
        report([row(directory, given.rounds, given.short)], given)


if __name__ == "__main__":
    main()
