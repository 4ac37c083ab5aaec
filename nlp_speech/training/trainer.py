"""The training loop of every task."""

from __future__ import annotations

import hashlib
import math
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras

from nlp_speech.config import dump_config
from nlp_speech.contract import Task, TrainingData, TrainingTask
from nlp_speech.errors import UserError
from nlp_speech.runtime import answer
from nlp_speech.runtime.keras import KerasPredictor
from nlp_speech.training.checkpoint import (
    Checkpoint,
    Checkpoints,
    Progress,
    assign,
    average,
    variables_by_path,
)
from nlp_speech.training.progress import Reporter
from nlp_speech.training.step import make_loss, make_optimizer, make_step
from nlp_speech.weights import save_weights


class Interrupted(UserError):
    """The run was asked to stop, and saved itself first."""


def train(
    task: Task,
    training_task: TrainingTask,
    config: Any,
    directory: Path,
    resume: bool = False,
) -> Path:
    """Trains a model until its config says stop.

    The run's directory holds the resolved config, the assets, checkpoints, a log,
    TensorBoard events and, at the end, the averaged best weights.

    Args:
        task: the task's light side.
        training_task: its TensorFlow side.
        config: the experiment.
        directory: of the run; must be new unless `resume`.
        resume: go on from the newest checkpoint.

    Returns:
        The file of the averaged weights.

    Raises:
        UserError: the directory is in use, the config has changed, or the data are bad.
        Interrupted: SIGINT or SIGTERM came; a checkpoint was saved.
    """
    with _no_false_start(directory):
        return _train(task, training_task, config, directory, resume)


def _train(
    task: Task, training_task: TrainingTask, config: Any, directory: Path, resume: bool
) -> Path:
    fingerprint = _open_directory(config, directory, resume)
    keras.utils.set_random_seed(config.seed)
    assets_directory = directory / "assets"
    if not (assets_directory / ".complete").exists():
        training_task.prepare(config, assets_directory)
        (assets_directory / ".complete").touch()
    assets = task.load_assets(config, assets_directory)
    model = training_task.build(config, assets)
    checkpoints = Checkpoints(directory / "checkpoints", fingerprint)
    with Reporter(directory, config.training, task.METRIC) as reporter:
        run = _Run(task, training_task, config, assets, model, checkpoints, reporter)
        run.restore()
        with _stop_signals(run.stop):
            run.loop()
        weights = directory / "weights.npz"
        run.use_average()
        run.finish()
        save_weights(model, weights)
    return weights


class _Run:
    """The parts of a run and its position."""

    def __init__(
        self,
        task: Task,
        training_task: TrainingTask,
        config: Any,
        assets: Any,
        model: keras.Model,
        checkpoints: Checkpoints,
        reporter: Reporter,
    ) -> None:
        self.task, self.config, self.model = task, config, model
        self.training_task = training_task
        self.checkpoints, self.reporter = checkpoints, reporter
        self.section = config.training
        self.data: TrainingData = training_task.training_data(config, assets, "train")
        self.validation = training_task.training_data(config, assets, "validation")
        self.optimizer = make_optimizer(self.section)
        self.optimizer.build(model.trainable_variables)
        self.update = make_step(training_task, config, model, self.optimizer)
        self.loss = make_loss(training_task, config, model)
        self.assets = assets
        self.predictor = KerasPredictor(training_task.endpoints(config, assets, model))
        inputs, references = task.references(config, "validation")
        limit = self.section.evaluation_limit
        self.inputs, self.references = inputs[:limit], references[:limit]
        self.progress = Progress()
        self.stopping = False

    @property
    def variables(self) -> list[Any]:
        return [*self.model.variables, *self.optimizer.variables]

    def stop(self) -> None:
        self.stopping = True

    def restore(self) -> None:
        checkpoint = self.checkpoints.newest(self.reporter.say)
        if checkpoint is None:
            return
        assign(self.variables, checkpoint.variables)
        self.progress = checkpoint.progress
        self.reporter.say(f"resumed at update {self.progress.update}")

    def loop(self) -> None:
        while not self._finished():
            self._epoch()
        if self.progress.evaluated != self.progress.update:
            self._evaluate()

    def use_average(self) -> None:
        """Gives the model the mean of its k best checkpoints, of all k the best one."""
        names = list(variables_by_path(self.model.variables))
        loaded = [self.checkpoints.load(update) for _, update in self.progress.best]
        scores = {1: self.progress.best[0][0]}
        for count in range(2, len(loaded) + 1):
            assign(self.model.variables, average(loaded[:count], names))
            scores[count] = self._score()[self.task.METRIC]
        for count, score in scores.items():
            self.reporter.say(
                f"mean of the {count} best: {self.task.METRIC} {score:.2f}"
            )
        count = max(scores, key=lambda n: scores[n])
        assign(self.model.variables, average(loaded[:count], names))

    def finish(self) -> None:
        """Lets the task learn what waits for the final weights, if it has any."""
        finish = getattr(self.training_task, "finish", None)
        if finish is not None:
            finish(self.config, self.model, self.validation)

    def _finished(self) -> bool:
        section, progress = self.section, self.progress
        out_of_time = (
            section.minutes is not None and progress.seconds >= section.minutes * 60
        )
        patience = section.patience
        stale = patience is not None and progress.evaluations_without_gain >= patience
        return progress.update >= section.updates or out_of_time or stale

    def _epoch(self) -> None:
        progress = self.progress
        if left_out := self.data.left_out(progress.epoch):
            self.reporter.say(
                f"epoch {progress.epoch}: {left_out} examples are longer than "
                f"batch.max_length {self.config.batch.max_length} and are left out"
            )
        start = time.monotonic()
        for batch in self.data.dataset(progress.epoch, progress.batch):
            self._step(batch)
            progress.seconds += time.monotonic() - start
            if progress.update % self.section.evaluate_every == 0:
                self._evaluate()
            if self.stopping:
                self._interrupt()
            if self._finished():
                return
            start = time.monotonic()
        progress.epoch, progress.batch = progress.epoch + 1, 0

    def _step(self, batch: dict[str, Any]) -> None:
        progress = self.progress
        total, count, norm = self.update(batch)
        if not (math.isfinite(total) and math.isfinite(norm)):
            raise UserError(
                f"the loss is not finite in epoch {progress.epoch}, batch "
                f"{progress.batch} (update {progress.update + 1}); start a new run "
                "with a lower training.learning_rate and another --output"
            )
        progress.update += 1
        progress.batch += 1
        progress.tokens += int(count)
        self.reporter.step(progress, total / max(count, 1))

    def _evaluate(self) -> None:
        progress = self.progress
        values = {
            "loss": self.loss(self.validation.dataset(0)),
            **self._score(),
            "tokens_per_second": progress.tokens / max(progress.seconds, 1e-9),
        }
        score = values[self.task.METRIC]
        gained = not progress.best or score > progress.best[0][0]
        progress.evaluations_without_gain = (
            0 if gained else progress.evaluations_without_gain + 1
        )
        best = sorted([*progress.best, (score, progress.update)], reverse=True)
        progress.best = best[: self.section.average_best]
        progress.evaluated = progress.update
        self.reporter.evaluation(progress, values)
        self._save()
        self.reporter.restart_clock(progress)

    def _score(self) -> dict[str, float]:
        results = answer(
            self.task,
            self.assets,
            self.predictor,
            self.inputs,
            endpoint=self.task.DEVICE_ENDPOINT,
            batch_size=64,
        )
        values, _ = self.task.score(results, self.references)
        return values

    def _save(self) -> None:
        self.checkpoints.save(self.progress, self.variables)
        newest = self.checkpoints.updates()[-2:]
        self.checkpoints.prune([*newest, *(u for _, u in self.progress.best)])

    def _interrupt(self) -> None:
        self._save()
        raise Interrupted(
            f"stopped at update {self.progress.update} and saved; go on with --resume"
        )


def _open_directory(config: Any, directory: Path, resume: bool) -> str:
    """Makes the run's directory, or checks the config of the one that is there."""
    text = dump_config(config)
    file = directory / "config.yaml"
    if file.exists():
        if not resume:
            raise UserError(
                f"{directory} holds a run already; go on with --resume, or give "
                "another --output"
            )
        if file.read_text(encoding="utf-8") != text:
            raise UserError.at(
                file,
                None,
                "the config has changed since this run began; resume with the config "
                "it began with, or start a new run with another --output",
            )
    elif resume and directory.exists() and any(directory.iterdir()):
        raise UserError(f"{directory} is no run that could be resumed")
    else:
        directory.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def _no_false_start(directory: Path) -> Iterator[None]:
    """Takes away what a run wrote if it fails before its first checkpoint.

    The config may then be put right and the run begun again under the same name.
    """
    before = set(directory.iterdir()) if directory.is_dir() else None
    try:
        yield
    except BaseException:
        if not any((directory / "checkpoints").glob("update-*")):
            _take_away(directory, before)
        raise


def _take_away(directory: Path, before: set[Path] | None) -> None:
    """Deletes what is in a directory now and was not before (None: the whole)."""
    if before is None:
        shutil.rmtree(directory, ignore_errors=True)
        return
    for path in set(directory.iterdir()) - before:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


@contextmanager
def _stop_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Lets SIGINT and SIGTERM end the run after the update in progress."""
    handled = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in handled}

    def on_signal(number: int, frame: Any) -> None:
        stop()
        signal.signal(number, signal.default_int_handler)

    for number in handled:
        signal.signal(number, on_signal)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


__all__ = ["Checkpoint", "Interrupted", "train"]
