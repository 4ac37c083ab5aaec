"""A trial is a run like any other: trained, stopped, resumed and tidied up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import optuna
import pytest
import tensorflow as tf

from nlp_speech.config import read_config
from nlp_speech.contract import load_task, load_training_task
from nlp_speech.errors import UserError
from nlp_speech.run_files import read_log
from nlp_speech.sections import TuneSection
from nlp_speech.tasks.translation import TranslationConfig
from nlp_speech.training import Diverged, Interrupted
from nlp_speech.tune import trials
from nlp_speech.tune.search import Attempt, Hopeless, Interruption
from nlp_speech.tune.study import suggest
from nlp_speech.tune.trials import Trainer, run_directory, tidy


@pytest.fixture
def config(small_values: dict[str, Any]) -> TranslationConfig:
    small_values["model"] |= {"decoder_layers": 1}
    small_values["tune"] = {
        "updates": 8,
        "evaluate_every": 4,
        "space": {"training.learning_rate": {"low": 1e-4, "high": 1e-1, "log": True}},
    }
    return TranslationConfig.model_validate_json(json.dumps(small_values))


@pytest.fixture
def trainer(config: TranslationConfig, tmp_path: Path) -> Trainer:
    task, training_task = load_task("translation"), load_training_task("translation")
    return Trainer(task, training_task, config, tmp_path / "search")


class Always(optuna.pruners.NopPruner):
    """Stops every trial."""

    def prune(self, study: Any, trial: Any) -> bool:
        return trial.last_step is not None


def attempt(pruner: optuna.pruners.BasePruner | None = None, rate: Any = 0.02) -> Any:
    study = optuna.create_study(direction="maximize", pruner=pruner)
    trial = study.ask()
    trial.suggest_categorical("training.learning_rate", [rate])
    return Attempt(trial, TuneSection()), study


def test_values_lie_on_their_steps() -> None:
    """Not beside one: a sampler gives 3 * 0.1, which is 0.30000000000000004."""
    section = {"low": 0, "high": 0.5, "step": 0.1}
    tune = TuneSection.model_validate({"space": {"model.dropout": section}})
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    found = set()
    for _ in range(60):
        trial = study.ask()
        suggest(trial, "model.dropout", tune.space["model.dropout"], 0.3)
        found |= set(Attempt(trial, tune).values.values())
    assert found == {0.0, 0.1, 0.2, 0.3, 0.4, 0.5}


def test_a_trial_is_trained_killed_and_gone_on_with(
    trainer: Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_directory(tmp_path / "search", 0)
    tried, study = attempt()

    class Killed(BaseException):
        pass

    def kill(*arguments: Any) -> bool:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(trials._Watch, "on_epoch_end", kill)
        with pytest.raises(Killed):
            trainer(tried)
    assert [record["update"] for record in read_log(run)] == [4]
    score = trainer(tried)
    log = read_log(run)
    # it went on from its checkpoint, and its budget is the trial's
    assert [record["update"] for record in log] == [4, 8]
    assert score == max(record["bleu"] for record in log)
    [row] = study.trials
    assert row.intermediate_values == {r["update"]: r["bleu"] for r in log}
    assert row.user_attrs["seconds"] == log[-1]["seconds"]
    written = read_config(run / "config.yaml")
    assert (written.training.updates, written.training.average_best) == (8, 1)
    assert written.training.learning_rate == 0.02
    # after the run but before its score was kept: nothing is trained again
    assert trainer(tried) == score
    assert read_log(run) == log


def test_a_trial_that_is_worse_is_stopped_at_its_first_evaluation(
    trainer: Trainer, tmp_path: Path
) -> None:
    tried, study = attempt(Always())
    assert trainer(tried) is None
    log = read_log(run_directory(tmp_path / "search", 0))
    assert [record["update"] for record in log] == [4]
    # killed before this was kept: it is stopped again, without training
    assert trainer(tried) is None
    assert read_log(run_directory(tmp_path / "search", 0)) == log
    assert list(study.trials[0].intermediate_values) == [4]


@pytest.mark.parametrize(
    ("error", "expected", "words"),
    [
        (Diverged("..."), Hopeless, "not finite"),
        (tf.errors.ResourceExhaustedError(None, None, "..."), Hopeless, "memory"),
        (Interrupted("stopped at update 4"), Interruption, "stopped in trial 0"),
        (UserError("no space left"), UserError, "no space left"),
    ],
)
def test_how_training_ends_says_what_a_trial_is_worth(
    trainer: Trainer,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    expected: type[Exception],
    words: str,
) -> None:
    def train(*arguments: Any) -> None:
        raise error

    monkeypatch.setattr(trials, "train", train)
    with pytest.raises(expected, match=words):
        trainer(attempt()[0])


def test_values_that_do_not_go_together_are_hopeless(trainer: Trainer) -> None:
    with pytest.raises(Hopeless, match=r"learning_rate.*greater than 0"):
        trainer(attempt(rate=-1.0)[0])


def test_what_a_killed_process_left_is_begun_anew(
    trainer: Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_directory(tmp_path / "search", 0)
    run.mkdir(parents=True)
    (run / "config.yaml").write_text("task: transl")
    seen: list[bool] = []

    def train(*arguments: Any) -> None:
        seen.append(run.exists())
        raise Interrupted("")

    monkeypatch.setattr(trials, "train", train)
    with pytest.raises(Interruption):
        trainer(attempt()[0])
    assert seen == [False]


def test_a_line_of_the_log_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    assert read_log(tmp_path) == []
    (tmp_path / "log.jsonl").write_text(
        '{"update": 4}\n{"upd{"update": 8}\n{"update": 12}\n'
    )
    assert [record["update"] for record in read_log(tmp_path)] == [4, 12]


def test_only_the_best_trial_keeps_its_weights(tmp_path: Path) -> None:
    for number in range(3):
        run = run_directory(tmp_path, number)
        (run / "checkpoints/update-00000004").mkdir(parents=True)
        (run / "weights.npz").touch()
        (run / "log.jsonl").touch()
    tidy(tmp_path, finished=[0, 1], best=1)
    left = {str(p.relative_to(tmp_path / "trials")) for p in tmp_path.rglob("*")}
    assert {"0000/log.jsonl", "0001/weights.npz"} <= left
    assert not {"0000/weights.npz", "0000/checkpoints", "0001/checkpoints"} & left
    # the one under way is untouched
    assert {"0002/weights.npz", "0002/checkpoints/update-00000004"} <= left
