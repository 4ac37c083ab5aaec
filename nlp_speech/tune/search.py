"""Tries values one trial after the other, until there are enough trials."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import optuna
from optuna.trial import TrialState

from nlp_speech.errors import UserError
from nlp_speech.sections import Experiment, TuneSection
from nlp_speech.tune.pruner import best_by
from nlp_speech.tune.study import begin, finished, values_of

# A trial that ended its process so often without any progress would do it again.
_ATTEMPTS = 3


class Hopeless(Exception):
    """These values cannot be trained; the message says why."""


class Attempt:
    """One trial, as the objective sees it.

    Attributes:
        number: of the trial, from 0.
        values: by key of the config.
    """

    def __init__(self, trial: optuna.Trial, section: TuneSection) -> None:
        self._trial = trial
        self.number: int = trial.number
        self.values: dict[str, Any] = values_of(trial, section)

    def report(self, evaluations: Mapping[int, float]) -> None:
        """Notes the score at each update so far; it may be told again."""
        known = self._trial.study.trials[self.number].intermediate_values
        for update, score in evaluations.items():
            if update not in known:
                self._trial.report(score, update)

    def is_worse(self) -> bool:
        """Whether the trial does worse than others did, so that it should stop."""
        return self._trial.should_prune()

    def note(self, **facts: Any) -> None:
        """Keeps facts about the trial for the report."""
        for name, value in facts.items():
            self._trial.set_user_attr(name, value)


Objective = Callable[[Attempt], float | None]
"""Trains with an attempt's values and returns its score, or None if it was stopped.

It is called again for a trial that was under way when the process ended. `Hopeless`
ends the trial; any other error ends the search and leaves the trial to be gone on with.
"""


def search(
    study: optuna.Study,
    config: Experiment,
    trials: int,
    objective: Objective,
    say: Callable[[str], None],
) -> None:
    """Runs trials until so many are finished, those of earlier runs included.

    Args:
        study: opened for this process alone.
        config: the experiment with its search space.
        trials: in all.
        objective: scores an attempt.
        say: told what is being tried, a line each.

    Raises:
        UserError: a trial failed, and the one before did too, or none had succeeded.
    """
    while (count := len(finished(study))) < trials:
        trial = begin(study, config)
        attempt = Attempt(trial, config.tune)
        say(f"trial {attempt.number} ({count + 1} of {trials}): {told(attempt.values)}")
        if _keeps_crashing(trial):
            reason = f"it ended the process {_ATTEMPTS} times"
            _finish(study, trial, attempt, TrialState.FAIL, None, reason)
        else:
            _try(study, trial, attempt, objective)
        say(_outcome(study, attempt.number))


def told(values: Mapping[str, Any]) -> str:
    """Values on one line, without the names of their sections."""
    shown = {key.split(".")[-1]: value for key, value in values.items()}
    if len(shown) < len(values):
        shown = dict(values)
    return ", ".join(f"{name} {short(value)}" for name, value in shown.items())


def short(value: Any) -> str:
    """A value as it is shown: three digits of a fraction."""
    if isinstance(value, float):
        return f"{value:.3g}"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return str(value)


def _try(
    study: optuna.Study, trial: optuna.Trial, attempt: Attempt, objective: Objective
) -> None:
    try:
        score = objective(attempt)
    except Hopeless as error:
        # Pruned without a score is the worst there is: the sampler keeps away from it.
        _finish(study, trial, attempt, TrialState.PRUNED, None, str(error))
    except (UserError, KeyboardInterrupt) as error:
        trial.set_user_attr("attempts", [_last_update(trial), 0])
        if isinstance(error, KeyboardInterrupt) or not _is_its_own_fault(study, error):
            raise
        _finish(study, trial, attempt, TrialState.FAIL, None, str(error))
    else:
        state = TrialState.PRUNED if score is None else TrialState.COMPLETE
        _finish(study, trial, attempt, state, score, "")


def _finish(
    study: optuna.Study,
    trial: optuna.Trial,
    attempt: Attempt,
    state: TrialState,
    score: float | None,
    reason: str,
) -> None:
    attempt.note(reason=reason)
    study.tell(trial, score, state=state)


class Interruption(UserError):
    """The user stopped the search: no trial's fault."""


def _is_its_own_fault(study: optuna.Study, error: BaseException) -> bool:
    """Whether an error comes from a trial's values, and not from data or machine."""
    if isinstance(error, Interruption):
        return False
    done = finished(study)
    worked = any(t.state is TrialState.COMPLETE for t in done)
    return worked and done[-1].state is not TrialState.FAIL


def _keeps_crashing(trial: optuna.Trial) -> bool:
    """Counts the attempts at a trial since its last evaluation."""
    update = _last_update(trial)
    before, count = trial.user_attrs.get("attempts", (update, 0))
    count = count + 1 if before == update else 1
    trial.set_user_attr("attempts", [update, count])
    return count > _ATTEMPTS


def _last_update(trial: optuna.Trial) -> int:
    return trial.study.trials[trial.number].last_step or 0


def _outcome(study: optuna.Study, number: int) -> str:
    trial = study.trials[number]
    higher = study.direction is optuna.study.StudyDirection.MAXIMIZE
    score = best_by(trial.intermediate_values, math.inf, higher)
    shown = "no score" if score is None else f"{score:.4g}"
    how = {TrialState.COMPLETE: "", TrialState.PRUNED: ", stopped"}
    line = f"trial {number}: {shown}{how.get(trial.state, ', failed')}"
    if reason := trial.user_attrs.get("reason"):
        line += f" ({reason})"
    if any(t.state is TrialState.COMPLETE for t in finished(study)):
        best = study.best_trial
        line += f"; best so far: trial {best.number}, {best.value:.4g}"
    return line
