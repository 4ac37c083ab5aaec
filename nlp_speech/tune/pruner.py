"""Which trials are stopped early."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

import optuna
from optuna.trial import FrozenTrial

from nlp_speech.sections import Experiment


class MedianOfAll(optuna.pruners.BasePruner):
    """Stops a trial whose best score is worse than the median of others by that update.

    It is the median stopping rule (Golovin et al. 2017, section 3.2.2), but over all
    trials that came as far, stopped ones too. Over complete trials only, as Optuna has
    it, the few that survive set a bar that soon nobody reaches.

    Args:
        after_trials: that came as far, before any is stopped.
        after_updates: of a trial, before it is stopped.
    """

    def __init__(self, after_trials: int, after_updates: int) -> None:
        self.after_trials = after_trials
        self.after_updates = after_updates

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Whether the trial should stop now."""
        update = trial.last_step
        if update is None or update < self.after_updates:
            return False
        higher = study.direction is optuna.study.StudyDirection.MAXIMIZE
        others = [
            best_by(other.intermediate_values, update, higher)
            for other in study.get_trials(deepcopy=False)
            if other.number != trial.number and (other.last_step or -1) >= update
        ]
        scores = [score for score in others if score is not None]
        own = best_by(trial.intermediate_values, update, higher)
        if own is None or len(scores) < self.after_trials:
            return False
        median = statistics.median(scores)
        return own < median if higher else own > median


def make_pruner(config: Experiment) -> optuna.pruners.BasePruner:
    """The pruner that a config asks for."""
    section = config.tune
    if not section.prune:
        return optuna.pruners.NopPruner()
    warmup = section.prune_after_updates
    return MedianOfAll(
        section.prune_after_trials,
        config.training.warmup_updates if warmup is None else warmup,
    )


def best_by(
    evaluations: Mapping[int, float], update: float, higher_is_better: bool
) -> float | None:
    """The best score of a trial up to an update, or None before any evaluation."""
    best = max if higher_is_better else min
    return best((s for u, s in evaluations.items() if u <= update), default=None)
