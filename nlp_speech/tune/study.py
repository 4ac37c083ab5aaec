"""The trials of a search, kept in a file by Optuna so that a killed search goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from nlp_speech.config import dump_config, value_of
from nlp_speech.errors import UserError
from nlp_speech.files import alone_in, write_text
from nlp_speech.run_files import changed_keys
from nlp_speech.sections import Experiment, ParameterSection, TuneSection
from nlp_speech.tune.pruner import make_pruner

_JOURNAL = "study.jsonl"
_CONFIG = "config.yaml"
_OPEN = (TrialState.RUNNING, TrialState.WAITING)


@contextmanager
def opened(
    config: Experiment, directory: Path, higher_is_better: bool
) -> Iterator[optuna.Study]:
    """Opens the study of a directory, new or begun before, for this process alone.

    The config's own values are the first trial, if the space has them.

    Args:
        config: the experiment; its section `tune` says what is searched.
        directory: made if missing.
        higher_is_better: of the score.

    Raises:
        UserError: the directory holds something else or a search with another config,
            or another process is at work in it.
    """
    _claim(config, directory)
    busy = "another process tunes here; wait for it, or give another --output"
    with alone_in(directory, busy):
        yield _load(config, directory, higher_is_better)


def _claim(config: Experiment, directory: Path) -> None:
    file = directory / _CONFIG
    if file.exists():
        if changed := changed_keys(file, config):
            raise UserError.at(
                file,
                None,
                f"the config has changed since this search began ({changed})"
                ", and its trials could not be compared with new ones; give another "
                "--output",
            )
    elif directory.exists() and any(directory.iterdir()):
        raise UserError(f"{directory} holds something else; give another --output")
    else:
        write_text(file, dump_config(config))


def _load(config: Experiment, directory: Path, higher_is_better: bool) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    journal = directory / _JOURNAL
    _mend(journal)
    study = optuna.create_study(
        storage=optuna.storages.JournalStorage(JournalFileBackend(str(journal))),
        study_name="tune",
        direction="maximize" if higher_is_better else "minimize",
        pruner=make_pruner(config),
        load_if_exists=True,
    )
    own = {key: value_of(config, key) for key in config.tune.space}
    if not study.trials and all(
        contains(parameter, own[key]) for key, parameter in config.tune.space.items()
    ):
        study.enqueue_trial(own)
    return study


def _mend(journal: Path) -> None:
    """Takes away what a killed process left: half a line, and Optuna's lock."""
    journal.with_name(f"{journal.name}.lock").unlink(missing_ok=True)
    if journal.exists():
        content = journal.read_bytes()
        with journal.open("r+b") as file:
            file.truncate(content.rfind(b"\n") + 1)


def contains(parameter: ParameterSection, value: Any) -> bool:
    """Whether a value is one of those that are tried."""
    if parameter.choices:
        return any(value is c or value == c for c in parameter.choices)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    assert parameter.low is not None
    assert parameter.high is not None
    if not parameter.low <= value <= parameter.high:
        return False
    steps = (value - parameter.low) / (parameter.step or 1)
    return parameter.step is None or abs(steps - round(steps)) < 1e-9


def begin(study: optuna.Study, config: Experiment) -> optuna.Trial:
    """The trial that was under way when the process ended, or the next one.

    Values depend on the seed, the trial's number and the trials before it only: a
    search that was killed tries what it would have tried.
    """
    unfinished = study.get_trials(deepcopy=False, states=_OPEN)
    number = unfinished[0].number if unfinished else len(study.trials)
    study.sampler = optuna.samplers.TPESampler(seed=_seed(config.tune.seed, number))
    if unfinished and unfinished[0].state is TrialState.RUNNING:
        trial = optuna.Trial(study, unfinished[0]._trial_id)
    else:
        trial = study.ask()
    # A killed trial keeps the values it had, and is given those it had not.
    for key, parameter in config.tune.space.items():
        suggest(trial, key, parameter, value_of(config, key))
    return trial


def suggest(
    trial: optuna.Trial, key: str, parameter: ParameterSection, own: Any
) -> Any:
    """Draws the value of a key for a trial.

    Args:
        trial: remembers the value.
        key: of the config.
        parameter: the values to try.
        own: the config's own value. A range between whole numbers is one of whole
            numbers unless this has a fraction.
    """
    if parameter.choices:
        return trial.suggest_categorical(key, parameter.choices)
    low, high, step = parameter.low, parameter.high, parameter.step
    assert low is not None
    assert high is not None
    whole = all(isinstance(v, int) for v in (low, high, step or 1))
    if not whole or isinstance(own, float):
        return trial.suggest_float(key, low, high, step=step, log=parameter.log)
    return trial.suggest_int(
        key, int(low), int(high), step=int(step or 1), log=parameter.log
    )


def values_of(
    trial: optuna.Trial | optuna.trial.FrozenTrial, section: TuneSection
) -> dict[str, Any]:
    """The values of a trial by key; those of a range with steps exactly on a step.

    A sampler adds steps up in binary: 3 * 0.1 is 0.30000000000000004 there.
    """
    space = section.space
    return {
        key: _on_a_step(value, space[key]) if key in space else value
        for key, value in trial.params.items()
    }


def _on_a_step(value: Any, parameter: ParameterSection) -> Any:
    if parameter.step is None or not isinstance(value, float):
        return value
    low, step = Decimal(str(parameter.low)), Decimal(str(parameter.step))
    return float(low + step * round((Decimal(value) - low) / step))


def _seed(seed: int, number: int) -> int:
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def finished(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """The trials that count: complete, pruned or failed."""
    return [t for t in study.get_trials(deepcopy=False) if t.state.is_finished()]
