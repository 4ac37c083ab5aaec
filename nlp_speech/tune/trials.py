"""Trains a trial: a run of its own, under the search's directory."""

from __future__ import annotations

import gc
import math
import shutil
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from nlp_speech.config import vary
from nlp_speech.contract import LOWER_IS_BETTER, Task, TrainingTask
from nlp_speech.errors import UserError
from nlp_speech.run_files import read_log
from nlp_speech.sections import Experiment
from nlp_speech.space import budget
from nlp_speech.training import Diverged, Interrupted, train
from nlp_speech.tune.pruner import best_by
from nlp_speech.tune.search import Attempt, Hopeless, Interruption


def run_directory(directory: Path, number: int) -> Path:
    """Where the run of a trial is."""
    return directory / "trials" / f"{number:04d}"


class Trainer:
    """Trains with the values of a trial.

    Args:
        task: the task's light side.
        training_task: its TensorFlow side.
        config: the experiment.
        directory: of the search.
    """

    def __init__(
        self,
        task: Task,
        training_task: TrainingTask,
        config: Experiment,
        directory: Path,
    ) -> None:
        self.task, self.training_task = task, training_task
        self.config, self.directory = config, directory

    def __call__(self, attempt: Attempt) -> float | None:
        """The best score of a trial's run, or None if it was stopped.

        Raises:
            Hopeless: its values do not go together, diverge, or need too much memory.
            Interruption: SIGINT or SIGTERM came; a checkpoint was saved.
            UserError: the data are bad, or nothing can be written.
        """
        try:
            config = vary(self.config, {**budget(self.config.tune), **attempt.values})
        except UserError as error:
            raise Hopeless(str(error)) from None
        run = run_directory(self.directory, attempt.number)
        try:
            return self._train(config, run, attempt)
        except Diverged:
            raise Hopeless("the loss is not finite") from None
        except tf.errors.ResourceExhaustedError:
            raise Hopeless("it needs too much memory") from None
        except Interrupted:
            raise Interruption(f"stopped in trial {attempt.number} and saved") from None
        finally:
            self._note_cost(run, attempt)
            keras.backend.clear_session()
            gc.collect()

    def _train(self, config: Experiment, run: Path, attempt: Attempt) -> float | None:
        _clear_false_start(run)
        attempt.report(self._evaluations(run))
        if self._should_stop(run, config, attempt):
            return None
        watch = _Watch(lambda: self._should_stop(run, config, attempt))
        try:
            train(self.task, self.training_task, config, run, True, [watch])
        except _Stop:
            return None
        evaluations = self._evaluations(run)
        attempt.report(evaluations)
        score = best_by(evaluations, math.inf, self.task.METRIC not in LOWER_IS_BETTER)
        if score is None:
            raise Hopeless(f"{self.task.METRIC} was never finite")
        return score

    def _should_stop(self, run: Path, config: Experiment, attempt: Attempt) -> bool:
        evaluations = self._evaluations(run)
        attempt.report(evaluations)
        # A trial that is over anyway has a score to compare.
        over = max(evaluations, default=0) >= config.training.updates
        return bool(evaluations) and not over and attempt.is_worse()

    def _evaluations(self, run: Path) -> dict[int, float]:
        """The score at each update, from the log, which outlives the process."""
        scores = {r["update"]: float(r[self.task.METRIC]) for r in read_log(run)}
        return {u: score for u, score in scores.items() if math.isfinite(score)}

    def _note_cost(self, run: Path, attempt: Attempt) -> None:
        records = read_log(run)
        if records:
            attempt.note(seconds=records[-1]["seconds"])


class _Stop(Exception):
    """The trial does worse than others."""


class _Watch(keras.callbacks.Callback):
    """Leaves a run at the first evaluation at which it should stop."""

    def __init__(self, should_stop: Any) -> None:
        super().__init__()
        self._should_stop = should_stop

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self._should_stop():
            raise _Stop


def _clear_false_start(run: Path) -> None:
    """Takes away a run that was killed before it had a checkpoint: begin it anew."""
    if run.exists() and not any((run / "checkpoints").glob("update-*")):
        shutil.rmtree(run)


def tidy(directory: Path, finished: list[int], best: int | None) -> None:
    """Deletes checkpoints and weights that nobody needs any more.

    Args:
        directory: of the search.
        finished: the numbers of finished trials.
        best: the one whose weights are kept, so that it can be exported.
    """
    for number in finished:
        run = run_directory(directory, number)
        shutil.rmtree(run / "checkpoints", ignore_errors=True)
        if number != best:
            (run / "weights.npz").unlink(missing_ok=True)
