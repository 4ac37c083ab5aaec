"""What a search found: its trials, best first, and what each parameter does."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState, create_trial

from nlp_speech.config import dump_config, value_of, vary
from nlp_speech.files import write_text
from nlp_speech.sections import Experiment, ParameterSection, TuneSection
from nlp_speech.space import budget
from nlp_speech.tune.pruner import best_by
from nlp_speech.tune.search import short
from nlp_speech.tune.study import finished, values_of

FORMAT_VERSION = 1
# Importance from fewer trials than this is mostly chance.
ENOUGH = 10
_PARTS = 3
_SINGLES = 5
_STATES = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "stopped"}


@dataclass(frozen=True)
class Row:
    """A finished trial.

    Attributes:
        number: from 0; its run is ``trials/<number>``.
        state: ``complete``, ``stopped`` (worse than others) or ``failed``.
        score: the best one of its evaluations, or None without any.
        updates: at its last evaluation.
        seconds: of training, or None without an evaluation.
        values: by key.
        own: whether these are the config's own values.
        evaluations: the score at each update.
        reason: why it stopped or failed, if there is more to say.
    """

    number: int
    state: str
    score: float | None
    updates: int
    seconds: float | None
    values: dict[str, Any]
    own: bool
    evaluations: dict[int, float]
    reason: str


@dataclass(frozen=True)
class Group:
    """The trials with neighbouring values of a parameter.

    Attributes:
        values: what they share, such as ``128`` or ``0.001 to 0.004``.
        trials: tried.
        scored: of these, those that have a score to compare.
        mean: of the scores that are compared, or None without any.
        best: of the scores that are compared, or None without any.
    """

    values: str
    trials: int
    scored: int
    mean: float | None
    best: float | None


@dataclass(frozen=True)
class Effect:
    """What a parameter does to the score.

    Attributes:
        key: of the config.
        importance: its share of what the parameters explain of the scores' variance
            (fANOVA, Hutter et al. 2014), from 0 to 1, or None with too few trials.
        groups: the scores by value, in order of the values.
    """

    key: str
    importance: float | None
    groups: tuple[Group, ...]


@dataclass(frozen=True)
class Report:
    """A search so far.

    Attributes:
        task: its name.
        metric: name of the score.
        higher_is_better: of the score.
        rows: complete trials best first, then stopped ones, then failed ones.
        compared_at: the last update that all trials with a score came to. Effects are
            of the best scores up to there: trials that were stopped would look worse
            than they are, and without them most of the space would be missing. None if
            there is none, or the trials share their minutes and not their updates:
            then the best scores of the complete ones are compared.
        effects: of each parameter, the most important one first.
    """

    task: str
    metric: str
    higher_is_better: bool
    rows: tuple[Row, ...]
    compared_at: int | None
    effects: tuple[Effect, ...]

    def compared(self, row: Row) -> float | None:
        """The score of a trial that is compared with those of the others."""
        if self.compared_at is None:
            return row.score if row.state == "complete" else None
        return best_by(row.evaluations, self.compared_at, self.higher_is_better)

    @property
    def comparison(self) -> str:
        """Which scores of which trials are compared, in words."""
        count = sum(self.compared(row) is not None for row in self.rows)
        if self.compared_at is None:
            return f"best {self.metric} of the {count} complete trials"
        return (
            f"best {self.metric} up to update {self.compared_at}, which {count} trials "
            "came to"
        )

    @property
    def best(self) -> Row | None:
        """The best complete trial."""
        return next((row for row in self.rows if row.state == "complete"), None)


def make_report(
    study: optuna.Study, task: str, metric: str, config: Experiment
) -> Report:
    """Gathers what the finished trials of a study say."""
    higher = study.direction is optuna.study.StudyDirection.MAXIMIZE
    own = {key: value_of(config, key) for key in config.tune.space}
    rows = [_row(trial, higher, own, config.tune) for trial in finished(study)]
    rows.sort(key=lambda row: _rank(row, higher))
    timed = value_of(vary(config, budget(config.tune)), "training.minutes") is not None
    update = None if timed else _common_update(rows)
    report = Report(task, metric, higher, tuple(rows), update, ())
    importances = _importances(study, report)
    effects = [
        Effect(
            key,
            importances.get(key, 0.0) if importances else None,
            tuple(_groups(report, key, parameter)),
        )
        for key, parameter in config.tune.space.items()
    ]
    effects.sort(key=lambda effect: -(effect.importance or 0))
    return replace(report, effects=tuple(effects))


def write_report(report: Report, config: Experiment, directory: Path) -> None:
    """Writes ``tune.json``, ``tune.png`` and ``best.yaml``, the config to train with.

    The picture and the config are left out while no trial is complete.

    Raises:
        UserError: a file cannot be written.
    """
    from nlp_speech.tune.plot import draw_report

    found = {"format_version": FORMAT_VERSION, **asdict(report)}
    best = report.best
    found["best"] = None if best is None else asdict(best)
    text = json.dumps(found, indent=1, ensure_ascii=False)
    write_text(directory / "tune.json", f"{text}\n")
    if best is None:
        return
    write_text(directory / "best.yaml", _best_config(report, best, config))
    draw_report(report, config.tune.space, directory / "tune.png")


def _best_config(report: Report, best: Row, config: Experiment) -> str:
    complete = sum(row.state == "complete" for row in report.rows)
    head = (
        f"# The values of trial {best.number}, the best of {complete} complete trials: "
        f"{report.metric} {best.score:.4g} on validation\n"
        f"# data after {best.updates} updates. All else, training.updates too, is the "
        "config's own.\n"
    )
    return head + dump_config(vary(config, {**best.values, "tune": {}}))


def _row(
    trial: FrozenTrial, higher: bool, own: dict[str, Any], section: TuneSection
) -> Row:
    evaluations = dict(sorted(trial.intermediate_values.items()))
    best = best_by(evaluations, math.inf, higher)
    found = values_of(trial, section)
    values = {key: found[key] for key in own if key in found}
    return Row(
        number=trial.number,
        state=_STATES.get(trial.state, "failed"),
        score=trial.value if trial.state is TrialState.COMPLETE else best,
        updates=max(evaluations, default=0),
        seconds=trial.user_attrs.get("seconds"),
        values=values,
        own=values == own,
        evaluations=evaluations,
        reason=trial.user_attrs.get("reason", ""),
    )


def _rank(row: Row, higher: bool) -> tuple[int, float, int]:
    order = ("complete", "stopped", "failed").index(row.state)
    if row.score is None:
        return order, math.inf, row.number
    return order, -row.score if higher else row.score, row.number


def _common_update(rows: Sequence[Row]) -> int | None:
    """The last update that all trials with a score came to, or None."""
    updates = [row.evaluations.keys() for row in rows if row.evaluations]
    if not updates:
        return None
    last = min(map(max, updates))
    return last if all(min(some) <= last for some in updates) else None


def _importances(study: optuna.Study, report: Report) -> dict[str, float]:
    """The importance by key; empty if there is too little to go by."""
    scores = {row.number: report.compared(row) for row in report.rows}
    compared = {n: score for n, score in scores.items() if score is not None}
    if len(compared) < ENOUGH or len(set(compared.values())) < 2:
        return {}
    # Optuna looks at complete trials only: here, all are complete at this update.
    copy = optuna.create_study(direction=study.direction)
    for trial in finished(study):
        if trial.number in compared:
            copy.add_trial(
                create_trial(
                    value=compared[trial.number],
                    params=trial.params,
                    distributions=trial.distributions,
                )
            )
    return get_param_importances(copy, evaluator=FanovaImportanceEvaluator(seed=0))


def _groups(report: Report, key: str, parameter: ParameterSection) -> Iterator[Group]:
    tried = [row for row in report.rows if key in row.values]
    for label, low, high in _parts(parameter, [row.values[key] for row in tried]):
        if parameter.choices:
            inside = [row for row in tried if row.values[key] == low]
        else:
            inside = [row for row in tried if low <= row.values[key] <= high]
        found = [report.compared(row) for row in inside]
        scores = [score for score in found if score is not None]
        best = max if report.higher_is_better else min
        if inside:
            yield Group(
                label,
                len(inside),
                len(scores),
                float(np.mean(scores)) if scores else None,
                best(scores, default=None),
            )


def _parts(
    parameter: ParameterSection, values: Sequence[Any]
) -> Iterator[tuple[str, Any, Any]]:
    """Single values if there are few, else equal parts of the range, in order."""
    singles = parameter.choices or sorted(set(values))
    if parameter.choices or len(singles) <= _SINGLES:
        for value in singles:
            yield short(value), value, value
        return
    low, high = parameter.low, parameter.high
    assert low is not None
    assert high is not None
    space = np.geomspace if parameter.log else np.linspace
    edges = [float(edge) for edge in space(low, high, _PARTS + 1)]
    edges[0], edges[-1] = low, high
    for start, stop in itertools.pairwise(edges):
        # A value at an edge between two parts belongs to the upper one.
        last = stop if stop == high else math.nextafter(stop, -math.inf)
        yield f"{short(start)} to {short(stop)}", start, last
