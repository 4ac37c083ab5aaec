"""A search finds what is best, goes on where it was killed, and tells what it found.

Nothing is trained here: the objective is a formula.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from nlp_speech.config import read_config
from nlp_speech.contract import Task, TrainingTask
from nlp_speech.errors import UserError
from nlp_speech.sections import TuneSection
from nlp_speech.tasks.translation import TranslationConfig
from nlp_speech.tune import Stopped, plot, study, tune
from nlp_speech.tune.report import Report
from nlp_speech.tune.search import Attempt, Hopeless, Interruption

RunSearch = Callable[..., Report]

SPACE = {
    "training.learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
    "model.units": {"low": 16, "high": 64, "step": 16},
    "model.dropout": {"low": 0, "high": 0.5},
    "model.attention": {"choices": ["luong", "bahdanau"]},
}


@pytest.fixture
def config(shared_values: dict[str, Any]) -> TranslationConfig:
    """Searches four parameters; 12 updates with an evaluation after every 4."""
    values = {**shared_values, "tune": {"space": SPACE, "prune_after_trials": 3}}
    return TranslationConfig.model_validate_json(json.dumps(values))


def curve(values: dict[str, Any]) -> dict[int, float]:
    """A score at each update: best at learning rate 0.01, better with more units."""
    distance = abs(math.log10(values["training.learning_rate"] / 0.01))
    best = 40 - 15 * distance + values["model.units"] / 16 - values["model.dropout"]
    return {update: best * (1 - 2 ** (-update / 4)) for update in (4, 8, 12)}


def objective(attempt: Attempt) -> float | None:
    """Follows the curve as training does, and stops where it would."""
    scores: dict[int, float] = {}
    for update, score in curve(attempt.values).items():
        scores[update] = score
        attempt.report(scores)
        if update < 12 and attempt.is_worse():
            return None
    return max(scores.values())


@pytest.fixture
def run_search(
    tmp_path: Path, config: TranslationConfig, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Report]:
    """Searches without training or drawing: `trials`, and changes by keyword."""
    monkeypatch.setattr(plot, "draw_report", lambda *arguments: None)

    def run(trials: int, **changes: Any) -> Report:
        said: list[str] = changes.pop("said", [])
        task = {"NAME": "fake", "METRIC": "bleu"}
        task |= changes.pop("task", {})
        arguments: dict[str, Any] = {
            "config": config,
            "directory": tmp_path / "search",
            "objective": objective,
            **changes,
        }
        return tune(
            cast(Task, SimpleNamespace(**task)),
            cast(TrainingTask, None),
            trials=trials,
            say=said.append,
            **arguments,
        )

    return run


def tried(report: Report) -> dict[int, tuple[dict[str, Any], str, float | None]]:
    return {row.number: (row.values, row.state, row.score) for row in report.rows}


class Killed(BaseException):
    """Ends the process as far as the search can tell."""


def test_the_best_is_found_and_written_as_a_config(
    run_search: RunSearch, config: TranslationConfig, tmp_path: Path
) -> None:
    report = run_search(30)
    assert len(report.rows) == 30
    best = report.best
    assert best is not None
    assert best.score == max(row.score or 0 for row in report.rows)
    assert 0.003 < best.values["training.learning_rate"] < 0.03
    # the search does better than the config it began with
    [own] = [row for row in report.rows if row.own]
    assert own.number == 0
    assert own.score is not None
    assert best.score is not None
    assert best.score > own.score
    written = read_config(tmp_path / "search/best.yaml")
    assert isinstance(written, TranslationConfig)
    assert written.training.learning_rate == best.values["training.learning_rate"]
    assert written.model.attention == best.values["model.attention"]
    assert written.training.updates == config.training.updates
    assert written.training.average_best == config.training.average_best
    assert written.tune.space == {}


def test_ranges_hold_what_they_say(run_search: RunSearch) -> None:
    values = [row.values for row in run_search(20).rows]
    assert {v["model.units"] for v in values} <= {16, 32, 48, 64}
    assert all(1e-4 <= v["training.learning_rate"] <= 1e-1 for v in values)
    # whole numbers at its ends do not make a range of fractions one of whole numbers
    assert any(0 < v["model.dropout"] < 0.5 for v in values)
    assert {v["model.attention"] for v in values} == {"luong", "bahdanau"}


@pytest.mark.parametrize("at", [0, 7])
def test_a_killed_search_tries_what_it_would_have_tried(
    run_search: RunSearch, tmp_path: Path, at: int
) -> None:
    expected = run_search(11, directory=tmp_path / "undisturbed")
    calls: list[int] = []

    def killed(attempt: Attempt) -> float | None:
        calls.append(attempt.number)
        if len(calls) == at + 1:
            attempt.report({4: curve(attempt.values)[4]})
            raise Killed
        return objective(attempt)

    with pytest.raises(Killed):
        run_search(11, objective=killed)
    found = run_search(11, objective=killed)
    assert tried(found) == tried(expected)
    # only the trial that was under way is tried again
    assert calls == [*range(at + 1), *range(at, 11)]


def test_a_trial_killed_before_it_had_all_its_values_is_given_them(
    run_search: RunSearch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = run_search(3, directory=tmp_path / "undisturbed")
    suggest = study.suggest

    def killed(trial: Any, key: str, *arguments: Any) -> Any:
        if trial.number == 1 and key == "model.dropout":
            raise Killed
        return suggest(trial, key, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(study, "suggest", killed)
        with pytest.raises(Killed):
            run_search(3)
    found = run_search(3)
    first, second = (tried(r)[1][0] for r in (expected, found))
    assert second["training.learning_rate"] == first["training.learning_rate"]
    assert second.keys() == first.keys()
    assert sorted(tried(found)) == [0, 1, 2]


def test_half_a_line_and_a_lock_left_by_a_killed_process_do_no_harm(
    run_search: RunSearch, tmp_path: Path
) -> None:
    expected = run_search(4, directory=tmp_path / "undisturbed")
    run_search(2)
    with (tmp_path / "search/study.jsonl").open("a") as journal:
        journal.write('{"op_code": 4, "worker')
    (tmp_path / "search/study.jsonl.lock").symlink_to("study.jsonl")
    assert tried(run_search(4)) == tried(expected)


def test_more_trials_may_be_asked_for_later(run_search: RunSearch) -> None:
    first = run_search(4)
    calls: list[int] = []

    def counted(attempt: Attempt) -> float | None:
        calls.append(attempt.number)
        return objective(attempt)

    assert tried(run_search(4, objective=counted)) == tried(first)
    assert calls == []
    run_search(6, objective=counted)
    assert calls == [4, 5]


@pytest.mark.parametrize(
    "error", [Interruption("stopped in trial 3"), KeyboardInterrupt]
)
def test_ctrl_c_reports_and_says_how_to_go_on(
    run_search: RunSearch, tmp_path: Path, error: BaseException
) -> None:
    def interrupted(attempt: Attempt) -> float | None:
        if attempt.number == 3:
            raise error
        return objective(attempt)

    for _ in range(4):  # as often as one likes
        with pytest.raises(Stopped, match=r"stopped.*; 3 of 8 .* the same command"):
            run_search(8, objective=interrupted)
    assert len(json.loads((tmp_path / "search/tune.json").read_text())["rows"]) == 3
    assert {row.state for row in run_search(8).rows} <= {"complete", "stopped"}


def test_a_trial_that_keeps_ending_the_process_is_given_up(
    run_search: RunSearch,
) -> None:
    def crashing(attempt: Attempt) -> float | None:
        if attempt.number == 1:
            raise Killed
        return objective(attempt)

    for _ in range(3):
        with pytest.raises(Killed):
            run_search(3, objective=crashing)
    states = {row.number: row.state for row in run_search(3, objective=crashing).rows}
    assert states[1] == "failed"
    assert len(states) == 3


def test_hopeless_values_are_told_and_the_search_goes_on(
    run_search: RunSearch, tmp_path: Path
) -> None:
    def diverging(attempt: Attempt) -> float | None:
        if attempt.values["training.learning_rate"] > 0.02:
            raise Hopeless("the loss is not finite")
        return objective(attempt)

    said: list[str] = []
    report = run_search(20, objective=diverging, said=said)
    lost = [row for row in report.rows if row.score is None]
    assert lost
    assert {row.reason for row in lost} == {"the loss is not finite"}
    assert any("(the loss is not finite); best so far" in line for line in said)
    # The sampler keeps away from them. It would seek them, as it has not been there,
    # if they were failed trials, of which it learns nothing.
    assert sum(row.number >= 10 for row in lost) <= 5


def test_an_error_at_the_start_ends_the_search_and_costs_no_trial(
    run_search: RunSearch,
) -> None:
    def no_data(attempt: Attempt) -> float | None:
        raise UserError("train.en: there is no such file")

    for _ in range(4):
        with pytest.raises(UserError, match="no such file"):
            run_search(3, objective=no_data)
    assert sorted(tried(run_search(3))) == [0, 1, 2]


def test_an_error_of_one_trial_does_not_end_the_search_but_two_in_a_row_do(
    run_search: RunSearch,
) -> None:
    def failing(*numbers: int) -> Callable[[Attempt], float | None]:
        def attempt_to(attempt: Attempt) -> float | None:
            if attempt.number in numbers:
                raise UserError("the vocabulary is too large for the data")
            return objective(attempt)

        return attempt_to

    with pytest.raises(UserError, match="too large"):
        run_search(8, objective=failing(2, 4, 5))
    states = {row.number: row for row in run_search(8).rows}
    assert {n for n, row in states.items() if row.state == "failed"} == {2, 4}
    assert states[2].reason.startswith("the vocabulary")


def test_lower_is_better_if_the_task_says_so(run_search: RunSearch) -> None:
    def errors(attempt: Attempt) -> float:
        scores = {u: 100 - s for u, s in curve(attempt.values).items()}
        attempt.report(scores)
        return min(scores.values())

    task = {"METRIC": "wer"}
    report = run_search(12, objective=errors, task=task)
    assert report.best is not None
    assert report.best.score == min(row.score for row in report.rows if row.score)
    assert report.metric == "wer"


def test_bad_trials_are_stopped_early_and_the_best_is_not(
    run_search: RunSearch, config: TranslationConfig, tmp_path: Path
) -> None:
    rows = run_search(30).rows
    stopped = [row for row in rows if row.state == "stopped"]
    # at either of two evaluations about half of those that came to it
    assert 12 <= len(stopped) <= 24
    assert all(row.updates < 12 for row in stopped)
    assert min(row.number for row in stopped) >= 3
    finals = {row.number: max(curve(row.values).values()) for row in rows}
    assert rows[0].number == max(finals, key=lambda n: finals[n])
    section = config.tune.model_copy(update={"prune": False})
    whole = config.model_copy(update={"tune": section})
    rows = run_search(10, config=whole, directory=tmp_path / "whole").rows
    assert {row.state for row in rows} == {"complete"}


def test_a_trial_is_not_stopped_in_its_warm_up(
    run_search: RunSearch, config: TranslationConfig
) -> None:
    section = config.tune.model_copy(update={"prune_after_updates": 8})
    rows = run_search(15, config=config.model_copy(update={"tune": section})).rows
    assert {row.updates for row in rows} == {8, 12}


def test_another_config_is_refused(
    run_search: RunSearch, config: TranslationConfig
) -> None:
    run_search(1)
    with pytest.raises(UserError, match=r"config has changed .* another --output"):
        run_search(2, config=config.model_copy(update={"seed": 5}))


def test_a_folder_with_something_else_is_refused(
    run_search: RunSearch, tmp_path: Path
) -> None:
    (tmp_path / "search").mkdir()
    (tmp_path / "search/thesis.tex").touch()
    with pytest.raises(UserError, match="holds something else"):
        run_search(1)


def test_two_processes_do_not_tune_in_one_folder(run_search: RunSearch) -> None:
    def second(attempt: Attempt) -> float | None:
        with pytest.raises(UserError, match="another process tunes here"):
            run_search(1)
        return objective(attempt)

    assert len(run_search(1, objective=second).rows) == 1


def test_too_few_updates_for_the_config_are_told(
    run_search: RunSearch, config: TranslationConfig, tmp_path: Path
) -> None:
    section = config.tune.model_copy(update={"updates": 1})
    with pytest.raises(
        UserError, match=r"tune.updates: .*warmup_updates: .* is more than"
    ):
        run_search(1, config=config.model_copy(update={"tune": section}))
    assert not (tmp_path / "search").exists()


def test_an_empty_space_is_told(
    run_search: RunSearch, config: TranslationConfig
) -> None:
    with pytest.raises(UserError, match=r"tune.space is empty; name what to search"):
        run_search(1, config=config.model_copy(update={"tune": TuneSection()}))
