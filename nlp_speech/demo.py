"""The tour of `nlp-speech demo`: a whole project in a few minutes, without any data."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from nlp_speech.config import read_config
from nlp_speech.contract import load_task, load_training_task
from nlp_speech.errors import UserError
from nlp_speech.evaluate import evaluate
from nlp_speech.files import write_text
from nlp_speech.runs import export_run
from nlp_speech.runtime import load
from nlp_speech.starter import sample_config, write_sample
from nlp_speech.training import train

TASK = "translation"
PRETRAINED = Path("saved_models/translation_en_de")
SENTENCES = (
    "A dog runs on the beach.",
    "Two young women are playing football in the park.",
    "A man in a blue shirt is standing on a ladder cleaning a window.",
)
_SHOWN = 4
_WRITTEN = ("demo.yaml", "data", "run", "bundle")

Say = Callable[[str], None]


def run_demo(directory: Path, say: Say) -> None:
    """Trains on a generated corpus, exports, verifies and translates.

    Args:
        directory: where the corpus, the run and the bundle go; a demo that was there
            before is replaced.
        say: prints a line.

    Raises:
        UserError: the directory holds something else, or a step failed.
    """
    start = time.monotonic()
    _clear(directory)
    config_file = directory / "demo.yaml"
    data = write_sample(TASK, directory / "data")
    write_text(config_file, sample_config(TASK, data))
    config = read_config(config_file)
    task = load_task(TASK)
    say(f"1. A generated corpus and its config: {config_file}")
    say("2. Training")
    train(task, load_training_task(TASK), config, directory / "run")
    say("3. Export: SavedModel and TFLite, verified against each other")
    bundle = export_run(directory / "run", directory / "bundle", [], say)
    say(f"   {bundle}")
    _score_held_out(bundle, say)
    _compare_runtimes(bundle, say)
    _use_pretrained(say)
    say(f"Done in {time.monotonic() - start:.0f} s.")


def _clear(directory: Path) -> None:
    """Takes a demo that was there before away, and nothing else."""
    if not directory.exists():
        return
    if {path.name for path in directory.iterdir()} - set(_WRITTEN):
        raise UserError(
            f"{directory} holds something that is no demo; give another --directory"
        )
    shutil.rmtree(directory)


def _score_held_out(bundle: Path, say: Say) -> None:
    model = load(bundle, "saved_model")
    inputs, references = model.task.references(model.config, "held_out")
    report = evaluate(model, inputs, references)
    say(
        f"4. Held-out phrases: {report['metrics']['exact_match']:.1f}% of "
        f"{report['examples']} exactly right"
    )


def _compare_runtimes(bundle: Path, say: Say) -> None:
    models = {name: load(bundle, name) for name in ("keras", "saved_model", "tflite")}
    task = models["tflite"].task
    inputs, _ = task.references(models["tflite"].config, "held_out")
    shown = inputs[:_SHOWN]
    say("5. The same phrases in three runtimes")
    answers = {name: model(shown) for name, model in models.items()}
    for n, text in enumerate(shown):
        say(f"   {text}")
        for name, results in answers.items():
            say(f"     {name:12s} {results[n].as_text()}")


def _use_pretrained(say: Say) -> None:
    if not PRETRAINED.exists():
        say(f"6. {PRETRAINED} is not here: run the demo in the repository to see it")
        return
    model = load(PRETRAINED, "tflite")
    say(f"6. Ordinary sentences with the pretrained {model.bundle.name} (TFLite)")
    for text, result in zip(SENTENCES, model(SENTENCES), strict=True):
        say(f"   {text}\n     {result.as_text()}")
