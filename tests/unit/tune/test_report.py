"""What is told at the end of a search: tables, a picture, a file for machines."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import optuna
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
)
from optuna.trial import TrialState, create_trial
from rich.console import Console

from nlp_speech.config import vary
from nlp_speech.sections import ParameterSection
from nlp_speech.tasks.translation import TranslationConfig
from nlp_speech.tune.plot import draw_report
from nlp_speech.tune.report import Report, make_report, write_report
from nlp_speech.tune.tables import effects_table, names, trials_table

RATE, SCORE, CELL = "training.learning_rate", "model.dropout", "model.attention"


@pytest.fixture
def config(shared_values: dict[str, Any]) -> TranslationConfig:
    space = {
        CELL: {"choices": ["luong", "bahdanau"]},
        RATE: {"low": 1e-4, "high": 1e-1, "log": True},
    }
    values = {**shared_values, "tune": {"space": space}}
    return TranslationConfig.model_validate_json(json.dumps(values))


def study(scores: list[dict[int, float]], rates: list[float]) -> optuna.Study:
    """Trials with these scores by update; one that ends before 30 was stopped."""
    found = optuna.create_study(direction="maximize")
    spread: dict[str, BaseDistribution] = {
        RATE: FloatDistribution(1e-4, 1e-1, log=True),
        CELL: CategoricalDistribution(["luong", "bahdanau"]),
    }
    for n, (evaluations, rate) in enumerate(zip(scores, rates, strict=True)):
        complete = 30 in evaluations
        found.add_trial(
            create_trial(
                state=TrialState.COMPLETE if complete else TrialState.PRUNED,
                value=max(evaluations.values()) if complete else None,
                params={RATE: rate, CELL: ("luong", "bahdanau")[n % 2]},
                distributions=spread,
                intermediate_values=evaluations,
                user_attrs={"reason": "" if evaluations else "the loss is not finite"},
            )
        )
    return found


@pytest.fixture
def small(config: TranslationConfig) -> Report:
    """Five trials: two complete, two stopped, one without a score."""
    scores = [
        {10: 5.0, 20: 9.0, 30: 8.0},
        {10: 7.0, 20: 11.0, 30: 12.0},
        {10: 1.0},
        {10: 4.0, 20: 3.0},
        {},
    ]
    rates = [0.01, 0.002, 0.0002, 0.009, 0.09]
    return make_report(study(scores, rates), "translation", "bleu", config)


def text(table: Any) -> str:
    console = Console(file=io.StringIO(), width=300)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def test_trials_are_in_order_of_their_scores(small: Report) -> None:
    assert [row.number for row in small.rows] == [1, 0, 3, 2, 4]
    assert [row.score for row in small.rows] == [12.0, 9.0, 4.0, 1.0, None]
    assert small.best is small.rows[0]
    states = [row.state for row in small.rows]
    assert states == ["complete", "complete", "stopped", "stopped", "stopped"]


def test_effects_are_of_scores_with_equal_training(small: Report) -> None:
    # all that were evaluated at all were evaluated at update 10
    assert small.compared_at == 10
    [rate] = [effect for effect in small.effects if effect.key == RATE]
    found = {group.values: (group.trials, group.scored) for group in rate.groups}
    assert found == {
        "0.0002": (1, 1),
        "0.002": (1, 1),
        "0.009": (1, 1),
        "0.01": (1, 1),
        "0.09": (1, 0),
    }
    [cell] = [effect for effect in small.effects if effect.key == CELL]
    means = {group.values: (group.mean, group.best) for group in cell.groups}
    assert means == {"luong": (3.0, 5.0), "bahdanau": (5.5, 7.0)}
    assert rate.importance is None


def test_trials_of_equal_minutes_are_compared_by_their_best_scores(
    config: TranslationConfig,
) -> None:
    """The slow one has one evaluation, which no other has."""
    scores = [{10: 5.0, 20: 9.0, 30: 8.0}, {3: 7.0, 30: 2.0}, {4: 1.0}]
    found = study(scores, [0.01, 0.002, 0.03])
    assert make_report(found, "translation", "bleu", config).compared_at is None
    found = study([{3: 7.0, 30: 2.0}, {10: 5.0, 20: 9.0, 30: 8.0}], [0.01, 0.002])
    assert make_report(found, "translation", "bleu", config).compared_at == 30
    timed = vary(config, {"tune.minutes": 1.0})
    report = make_report(
        study(scores, [0.01, 0.002, 0.03]), "translation", "bleu", timed
    )
    assert report.compared_at is None
    scored = {row.number: report.compared(row) for row in report.rows}
    assert scored == {0: 9.0, 1: 7.0, 2: None}
    assert "best bleu of the 2 complete trials" in text(effects_table(report))


def test_a_range_is_told_in_parts(config: TranslationConfig) -> None:
    rates = list(np.geomspace(1e-4, 1e-1, 13))
    scores = [{30: float(n)} for n in range(13)]
    report = make_report(study(scores, rates), "translation", "bleu", config)
    [rate] = [effect for effect in report.effects if effect.key == RATE]
    assert [group.values for group in rate.groups] == [
        "0.0001 to 0.001",
        "0.001 to 0.01",
        "0.01 to 0.1",
    ]
    # each trial is in one part
    assert sum(group.trials for group in rate.groups) == 13
    assert rate.groups[-1].best == 12


def test_what_matters_has_the_greater_importance(config: TranslationConfig) -> None:
    rates = [float(r) for r in np.geomspace(1e-4, 1e-1, 20)]
    scores = [
        {30: 10 - abs(math.log10(r / 0.01)) + 0.01 * (n % 2)}
        for n, r in enumerate(rates)
    ]
    report = make_report(study(scores, rates), "translation", "bleu", config)
    assert [effect.key for effect in report.effects] == [RATE, CELL]
    shares = [effect.importance or 0 for effect in report.effects]
    assert shares[0] > 0.9
    assert sum(shares) == pytest.approx(1)
    assert "needs" not in text(effects_table(report))
    equal = [{30: 1.0}] * 20
    report = make_report(study(equal, rates), "translation", "bleu", config)
    assert report.effects[0].importance is None


def test_tables(small: Report) -> None:
    rows = [line.split() for line in text(trials_table(small)).splitlines()]
    trials = [row for row in rows if row and row[0].isdigit()]
    assert trials[0] == ["1", "12.00", "bahdanau", "0.002", "30"]
    assert " ".join(trials[-1]) == "4 luong 0.09 0 stopped: the loss is not finite"
    effects = text(effects_table(small))
    assert "best bleu up to update 10, which 4 trials came to" in effects
    assert "Importance needs 10 trials" in effects
    [luong] = [line.split() for line in effects.splitlines() if " luong " in line]
    assert luong == ["model.attention", "luong", "3", "2", "3.00", "5.00"]


def test_names_are_short_where_they_are_clear() -> None:
    keys = ["model.units", "training.learning_rate", "head.units"]
    assert names(keys) == {
        "model.units": "model.units",
        "training.learning_rate": "learning_rate",
        "head.units": "head.units",
    }


def test_files(small: Report, config: TranslationConfig, tmp_path: Path) -> None:
    write_report(small, config, tmp_path)
    found = json.loads((tmp_path / "tune.json").read_text())
    assert found["best"]["values"] == {RATE: 0.002, CELL: "bahdanau"}
    assert found["rows"][0]["evaluations"] == {"10": 7.0, "20": 11.0, "30": 12.0}
    assert (found["metric"], found["compared_at"]) == ("bleu", 10)
    head = (tmp_path / "best.yaml").read_text().splitlines()[0]
    assert "trial 1, the best of 2 complete trials: bleu 12" in head
    assert (tmp_path / "tune.png").stat().st_size > 1000


def test_without_a_complete_trial_there_is_no_best(
    config: TranslationConfig, tmp_path: Path
) -> None:
    report = make_report(study([{}, {10: 1.0}], [0.1, 0.01]), "t", "bleu", config)
    assert report.best is None
    write_report(report, config, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["tune.json"]
    assert text(trials_table(report))


def test_the_picture_has_a_panel_for_each_parameter(
    small: Report, config: TranslationConfig, tmp_path: Path
) -> None:
    draw_report(small, config.tune.space, tmp_path / "tune.png")
    pixels = matplotlib.image.imread(tmp_path / "tune.png")[..., :3]
    # the best trial's star in each of the three panels of the one row
    orange = np.abs(pixels - np.array([0.851, 0.373, 0.008])).sum(-1) < 0.1
    panels = np.array_split(orange[: int(orange.shape[0] * 0.85)], 3, axis=1)
    assert all(panel.sum() > 20 for panel in panels)


@pytest.mark.parametrize("count", [1, 7])
def test_any_number_of_parameters_is_drawn(
    small: Report, tmp_path: Path, count: int
) -> None:
    effect = small.effects[0]
    keys = [f"model.{n}$_$" for n in range(count)]
    rows = [
        type(row)(**{**vars(row), "values": {k: n for k in keys}})
        for n, row in enumerate(small.rows)
    ]
    effects = [type(effect)(key, 0.5, effect.groups) for key in keys]
    report = type(small)(
        **{**vars(small), "rows": tuple(rows), "effects": tuple(effects)}
    )
    space = {key: ParameterSection(low=0, high=4) for key in keys}
    draw_report(report, space, tmp_path / "tune.png")
    height, width, _ = matplotlib.image.imread(tmp_path / "tune.png").shape
    assert width == pytest.approx((2 if count == 1 else 3) * 3.2 * 120, abs=2)
    assert height > (count + 1) / 3 * 2.5 * 120
