"""A run that was killed and stopped is, bit for bit, one that never was."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from nlp_speech.config import read_config
from nlp_speech.contract import load_task, load_training_task
from nlp_speech.starter import sample_config, write_sample
from nlp_speech.tasks.translation import TranslationConfig
from nlp_speech.training import Interrupted, train
from nlp_speech.weights import read_arrays

UPDATES = 6
SHORT = {
    "updates": UPDATES,
    "warmup_updates": 1,
    "evaluate_every": 2,
    "evaluation_limit": 1,
    "average_best": 1,
}
# Everything random of a task is on.
SMALL = {
    # Two layers drop recurrent weights.
    "language_model": [
        "model.embedding_units=12",
        "model.units=8",
        "model.word_dropout=0.1",
        "model.weight_dropout=0.3",
        "model.sampled=32",
    ],
    "speech_recognition": [
        "model.units=8",
        "model.layers=1",
        "batch.buckets=1",
        "decoding.beam_size=2",
    ],
    "summarization": [
        "model.embedding_units=12",
        "model.units=8",
        "batch.buckets=2",
        "decoding.beam_size=1",
    ],
    "sentiment": [
        "model.embedding_units=12",
        "model.units=8",
        "model.word_dropout=0.1",
        "model.weight_dropout=0.3",
        "tokenizer.sample=true",
        "batch.tokens=200",
        "batch.max_length=60",
        "batch.buckets=2",
        "model.window=8",
    ],
}


class Killed(Exception):
    pass


def kill(update: Any) -> Any:
    raise Killed


def interrupt(update: Any) -> Any:
    os.kill(os.getpid(), signal.SIGTERM)
    return update()


def run(config: Any, directory: Path, **options: Any) -> Path:
    task, training_task = load_task(config.task), load_training_task(config.task)
    return train(task, training_task, config, directory, **options)


def last(directory: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """All variables at the end, and the position but for the time that it took."""
    folder = directory / f"checkpoints/update-{UPDATES:08d}"
    progress = json.loads((folder / "manifest.json").read_text())["progress"]
    del progress["seconds"]
    return read_arrays(folder / "variables.npz"), progress


def assert_resumed_exactly(config: Any, folder: Path, disturbed: Any) -> set[str]:
    """Compares with a run killed after update 3 and stopped after update 5."""
    run(config, folder / "undisturbed")
    directory = folder / "disturbed"
    with disturbed(3, kill), pytest.raises(Killed):
        run(config, directory)
    with disturbed(2, interrupt), pytest.raises(Interrupted, match="at update 5 "):
        run(config, directory, resume=True)
    run(config, directory, resume=True)
    (expected, position), (found, resumed) = map(
        last, (folder / "undisturbed", directory)
    )
    assert resumed == position
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
    ends = [
        read_arrays(folder / n / "weights.npz") for n in ("undisturbed", "disturbed")
    ]
    for name, value in ends[0].items():
        np.testing.assert_array_equal(ends[1][name], value, err_msg=name)
    return set(found)


@pytest.mark.parametrize(
    "changes",
    [
        # Rounding shows which graph an update ran in.
        {"optimizer": "muon", "precision": "mixed_bfloat16"},
        {"precision": "mixed_float16", "moving_average": 0.9, "accumulate": 3},
    ],
    ids=str,
)
def test_whatever_the_updates_are_made_of(
    small_config: TranslationConfig,
    tmp_path: Path,
    disturbed: Any,
    changes: dict[str, Any],
) -> None:
    section = small_config.training.model_copy(update={**SHORT, **changes})
    config = small_config.model_copy(update={"training": section})
    names = assert_resumed_exactly(config, tmp_path, disturbed)
    assert any(n.startswith("ema.") for n in names) == ("moving_average" in changes)
    assert any(f"{section.optimizer}/" in n for n in names)


@pytest.mark.parametrize("name", SMALL)
def test_whatever_the_task_is(name: str, tmp_path: Path, disturbed: Any) -> None:
    data = write_sample(name, tmp_path / "data")
    file = tmp_path / "config.yaml"
    file.write_text(sample_config(name, data), encoding="utf-8")
    short = [f"training.{key}={value}" for key, value in SHORT.items()]
    config = read_config(file, [*SMALL[name], *short])
    assert_resumed_exactly(config, tmp_path, disturbed)


class Losses(keras.callbacks.Callback):
    """The training losses, update by update."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[float] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.found.append(logs["loss"])


def test_half_batches_that_are_added_up_are_one_batch(
    small_config: TranslationConfig, tmp_path: Path
) -> None:
    """All pairs in one batch or in two: both learn from all of them at once."""
    rates = ("dropout", "embedding_dropout", "output_dropout")
    model = small_config.model.model_copy(update=dict.fromkeys(rates, 0.0))
    longest = small_config.batch.max_length + 1
    told, ends = {}, {}
    for parts in (1, 2):
        changes = {"tokens": 120 // parts * longest, "buckets": 1}
        batch = small_config.batch.model_copy(update=changes)
        section = small_config.training.model_copy(
            update={**SHORT, "accumulate": parts}
        )
        sections = {"model": model, "batch": batch, "training": section}
        config = small_config.model_copy(update=sections)
        losses = Losses()
        run(config, tmp_path / str(parts), callbacks=[losses])
        told[parts] = losses.found
        ends[parts], progress = last(tmp_path / str(parts))
        # An epoch is one update of as many batches.
        assert (progress["epoch"], progress["batch"]) == (UPDATES - 1, parts)
    assert told[1][-1] < told[1][0]
    np.testing.assert_allclose(told[2], told[1], rtol=1e-5)
    for name, value in ends[1].items():
        np.testing.assert_allclose(
            ends[2][name], value, rtol=1e-3, atol=1e-4, err_msg=name
        )
