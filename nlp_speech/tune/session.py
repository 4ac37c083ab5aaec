"""A search from a config to the report, and on from where it was killed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import optuna
from optuna.trial import TrialState

from nlp_speech.config import vary
from nlp_speech.contract import LOWER_IS_BETTER, Task, TrainingTask
from nlp_speech.errors import UserError
from nlp_speech.sections import Experiment
from nlp_speech.space import budget
from nlp_speech.tune.report import Report, make_report, write_report
from nlp_speech.tune.search import Attempt, Interruption, Objective, search
from nlp_speech.tune.study import finished, opened
from nlp_speech.tune.trials import Trainer, tidy


class Stopped(UserError):
    """The search was asked to stop, and everything is saved."""


def tune(
    task: Task,
    training_task: TrainingTask,
    config: Experiment,
    directory: Path,
    trials: int,
    say: Callable[[str], None],
    objective: Objective | None = None,
) -> Report:
    """Searches the space of a config for the values that score best.

    Values are chosen by a tree-structured Parzen estimator (Bergstra et al. 2011), and
    trials that do worse than the median of those that came as far are stopped. The
    config's own values are tried first. The directory holds the study, a run for each
    trial, and the report: ``tune.json``, ``tune.png`` and ``best.yaml``.

    Args:
        task: the task's light side.
        training_task: its TensorFlow side.
        config: the experiment; its section `tune` says what is searched.
        directory: of the search; if it was begun there before, it goes on.
        trials: in all, those of earlier calls included.
        say: told what is being done, a line each.
        objective: scores a trial; by default its training.

    Returns:
        What was found.

    Raises:
        UserError: the space is empty, a trial's updates do not fit the config, the
            directory is in use, or trials fail.
        Stopped: SIGINT or SIGTERM came; the report covers what was done.
    """
    if not config.tune.space:
        raise UserError(
            "tune.space is empty; name what to search in the config, such as "
            "training.learning_rate: {low: 1e-4, high: 1e-2, log: true}"
        )
    try:
        vary(config, budget(config.tune))
    except UserError as error:
        raise UserError(f"tune.updates: for a trial, {error}") from None
    train = objective or Trainer(task, training_task, config, directory)
    with opened(config, directory, task.METRIC not in LOWER_IS_BETTER) as study:

        def attempt(tried: Attempt) -> float | None:
            _tidy(study, directory)
            return train(tried)

        try:
            search(study, config, trials, attempt, say)
        except (Interruption, KeyboardInterrupt) as error:
            _write(study, task, config, directory)
            done = len(finished(study))
            raise Stopped(
                f"{str(error) or 'stopped'}; {done} of {trials} trials are done; go on "
                "with the same command"
            ) from None
        _tidy(study, directory)
        return _write(study, task, config, directory)


def _write(
    study: optuna.Study, task: Task, config: Experiment, directory: Path
) -> Report:
    report = make_report(study, task.NAME, task.METRIC, config)
    write_report(report, config, directory)
    return report


def _tidy(study: optuna.Study, directory: Path) -> None:
    done = finished(study)
    complete = any(t.state is TrialState.COMPLETE for t in done)
    best = study.best_trial.number if complete else None
    tidy(directory, [t.number for t in done], best)
