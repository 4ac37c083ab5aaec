"""Makes a bundle of a trained model: written apart, verified, then put in place."""

from __future__ import annotations

import errno
import inspect
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlp_speech.bundle import (
    CARD_FILE,
    CONFIG_FILE,
    METRICS_FILE,
    RESERVED_NAMES,
    SAMPLES_FILE,
    TEXT_VARIANT,
    VARIANT_FILES,
    Bundle,
    file_digests,
    versions,
)
from nlp_speech.config import dump_config
from nlp_speech.contract import Task, TrainingTask
from nlp_speech.errors import UserError
from nlp_speech.export.card import model_card, with_scores
from nlp_speech.export.provenance import describe, write_json
from nlp_speech.export.saved_model import write_saved_model
from nlp_speech.export.tflite import write_device_files
from nlp_speech.export.verify import VerifyReport, verify_bundle
from nlp_speech.files import alone_in, write_text
from nlp_speech.runtime import Model
from nlp_speech.runtime.litert import LiteRTPredictor
from nlp_speech.runtime.saved_model import SavedModelPredictor

if TYPE_CHECKING:
    import keras

__all__ = ["VerifyReport", "export_bundle", "record_scores", "verify_bundle"]

Examples = tuple[Sequence[str], Sequence[str] | None]

_UNWRITTEN = "the bundle could not be written ({}); nothing was put in place"


@dataclass(frozen=True)
class _Export:
    """What goes into a bundle."""

    task: Task
    training_task: TrainingTask
    config: Any
    assets_directory: Path
    model: keras.Model
    description: dict[str, Any]


def export_bundle(
    task: Task,
    training_task: TrainingTask,
    config: Any,
    assets_directory: Path,
    model: keras.Model,
    destination: Path,
    metrics: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    examples: Examples | None = None,
    data: Mapping[str, str] | None = None,
    training: Mapping[str, Any] | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Path:
    """Exports a trained model as the next version of a bundle.

    Args:
        task: the light side of its task.
        training_task: the TensorFlow side.
        config: the resolved config.
        assets_directory: what `TrainingTask.prepare` wrote; its files are copied.
        model: with its trained weights.
        destination: the directory of the bundle's name; the version is made in it.
        metrics: scores by split, each as `evaluate` returns it.
        examples: inputs and references to verify with, of which the first
            `export.verify_limit` are taken; None for the task's samples.
        data: SHA-256 of each data file by name, or None to hash those the config names.
        training: facts about the training that are to be kept, as JSON data.
        say: told what is being done, a line each.

    Returns:
        The new version directory.

    Raises:
        UserError: the bundle fails verification, the endpoints do not convert, or the
            disk is full; nothing is left in `destination` then.
    """
    destination = Path(destination)
    if config.export.text_to_text and task.TEXT_ENDPOINT is None:
        raise UserError(
            f"export.text_to_text: {task.NAME} has no text-to-text endpoint; set it to "
            "false"
        )
    if (destination / METRICS_FILE).exists():
        raise UserError(
            f"{destination} is a version of a bundle; give the directory it is in, "
            f"{destination.parent}, for the next version"
        )
    with _scratch(destination) as scratch:
        directory = scratch / "bundle"
        directory.mkdir()
        description = describe(task, config, model, data)
        description |= {
            "name": destination.resolve().name,
            "metrics": {name: dict(result) for name, result in (metrics or {}).items()},
            "training": dict(training or {}),
        }
        job = _Export(
            task, training_task, config, Path(assets_directory), model, description
        )
        float_file = _write_model(job, directory, scratch, say)
        report = _verify(job, directory, float_file, examples, say)
        if not report.ok:
            raise UserError(
                f"the bundle was not put in place: {report.first_difference}"
            )
        _write_json(directory, description | {"verification": report.as_dict()})
        _write_card(directory)
        return _put_in_place(directory, destination)


def record_scores(bundle: Bundle, split: str, result: Mapping[str, Any]) -> Bundle:
    """Writes what `evaluate` returned into a finished bundle and its card.

    Scores that others have recorded meanwhile stay, and so does what a person wrote in
    other sections of the card.

    Args:
        bundle: what was evaluated.
        split: the name of the data it was evaluated on.
        result: as `evaluate` returned it.

    Returns:
        The bundle, opened anew.

    Raises:
        UserError: the files cannot be written.
    """
    message = "the scores could not be recorded ({})"
    with _disk_errors(bundle.path, message), alone_in(bundle.path):
        now = Bundle.open(bundle.path).metrics
        scores = dict(now["metrics"]) | {split: dict(result)}
        write_json(bundle.path / METRICS_FILE, dict(now) | {"metrics": scores})
        found = Bundle.open(bundle.path)
        card = bundle.path / CARD_FILE
        text = card.read_text(encoding="utf-8") if card.exists() else model_card(found)
        write_text(card, with_scores(text, found))
    return found


def _write_json(directory: Path, description: Mapping[str, Any]) -> None:
    """Writes `metrics.json` over the files that are there now."""
    files = file_digests(directory)
    write_json(directory / METRICS_FILE, dict(description) | {"files": files})


def _write_card(directory: Path) -> None:
    card = model_card(Bundle.open(directory))
    (directory / CARD_FILE).write_text(card, encoding="utf-8")


@contextmanager
def _scratch(destination: Path) -> Iterator[Path]:
    """A directory on the disk of `destination`, gone in the end with what is in it."""
    made = [p for p in (destination, *destination.parents) if not p.exists()]
    scratch: Path | None = None
    try:
        with _disk_errors(destination):
            destination.mkdir(parents=True, exist_ok=True)
            scratch = Path(tempfile.mkdtemp(prefix=".export-", dir=destination))
            yield scratch
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
        for path in made:
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()


@contextmanager
def _disk_errors(destination: Path, message: str = _UNWRITTEN) -> Iterator[None]:
    """Turns a failure to write into one sentence: `message` with the cause in it."""
    try:
        yield
    except OSError as error:
        cause = message.format(error.strerror or error)
        raise UserError.at(destination, None, cause) from error
    except Exception as error:  # TensorFlow reports a full disk in several classes
        full = os.strerror(errno.ENOSPC)
        if full not in str(error):
            raise
        raise UserError.at(destination, None, message.format(full)) from error


def _write_model(
    job: _Export, directory: Path, scratch: Path, say: Callable[[str], None]
) -> Path:
    """Writes all but samples and card; returns where the float device file is."""
    job.description["assets"] = _copy_assets(job.assets_directory, directory)
    (directory / CONFIG_FILE).write_text(dump_config(job.config), encoding="utf-8")
    assets = job.task.load_assets(job.config, directory)
    endpoints = job.training_task.endpoints(job.config, assets, job.model)
    job.description["endpoints"] = {
        name: inspect.getdoc(endpoint.function) or ""
        for name, endpoint in endpoints.items()
    }
    say("writing the SavedModel")
    write_saved_model(job.model, endpoints, job.task.SERVER_ENDPOINT, directory)
    files = {
        name: directory / VARIANT_FILES[name] for name in job.config.export.quantize
    }
    if job.config.export.text_to_text:
        files[TEXT_VARIANT] = directory / VARIANT_FILES[TEXT_VARIANT]
    # The float file proves the conversion right even where it is not kept.
    files.setdefault("float", scratch / VARIANT_FILES["float"])
    say(f"converting for the device: {', '.join(files)}")
    names = write_device_files(job.model, endpoints, files, scratch)
    if names:
        runner = LiteRTPredictor(files["float"])
        job.description["device"] = {name: runner.signature(name) for name in names}
    return files["float"]


def _copy_assets(source: Path, directory: Path) -> list[str]:
    if not source.is_dir():
        raise UserError.at(source, None, "there is no such directory of assets")
    names: list[str] = []
    for path in sorted(source.iterdir()):
        if path.name.startswith("."):
            continue
        if path.name in RESERVED_NAMES or not path.is_file():
            raise UserError.at(
                path,
                None,
                "a task's asset must be a file whose name no bundle file has",
            )
        shutil.copyfile(path, directory / path.name)
        names.append(path.name)
    return names


def _verify(
    job: _Export,
    directory: Path,
    float_file: Path,
    examples: Examples | None,
    say: Callable[[str], None],
) -> VerifyReport:
    """Answers the samples, then compares the runtimes."""
    (directory / SAMPLES_FILE).touch()
    _write_json(directory, job.description)
    say("loading the SavedModel")
    bundle = Bundle.open(directory)
    predictor = SavedModelPredictor(directory)
    server = Model(bundle, predictor)
    job.description["server"] = predictor.signatures()
    samples = job.task.samples(job.config)
    _write_samples(directory, server, samples)
    _write_json(directory, job.description)
    inputs, references = examples or (samples, None)
    limit = job.config.export.verify_limit
    say(f"verifying with {min(limit, len(inputs))} inputs")
    report = verify_bundle(
        Bundle.open(directory), inputs, references, limit, float_file
    )
    for line in report.lines():
        say(line)
    return report


def _write_samples(directory: Path, server: Model, samples: Sequence[str]) -> None:
    rows = [
        {"input": given, "output": result.as_text()}
        for given, result in zip(samples, server(samples), strict=True)
    ]
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    (directory / SAMPLES_FILE).write_text("".join(lines), encoding="utf-8")


def _put_in_place(directory: Path, destination: Path) -> Path:
    """Renames a finished bundle to the next whole number."""
    number = max(versions(destination), default=0) + 1
    while True:
        final = destination / str(number)
        # A directory cannot be renamed onto one that holds something, so that of two
        # exports at once each gets a number of its own.
        if not final.exists():
            try:
                return directory.rename(final)
            except OSError:
                if not final.exists():
                    raise
        number += 1
