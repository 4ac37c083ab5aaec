"""What the command line does with data before it trains."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nlp_speech.console import (
    check_before_training,
    check_n_best,
    print_result,
    read_experiment,
)
from nlp_speech.console_plots import print_explanations
from nlp_speech.errors import UserError
from nlp_speech.tasks.sentiment.config import SentimentConfig

HEADER = "text\tlabel\n"
CONFIGS = Path(__file__).parents[2] / "configs"


def config_of(tmp_path: Path, train: str, test: str) -> SentimentConfig:
    (tmp_path / "train.tsv").write_text(HEADER + train)
    (tmp_path / "test.tsv").write_text(HEADER + test)
    files = {
        name: {"file": str(tmp_path / f"{name}.tsv")} for name in ("train", "test")
    }
    data = {"train": (files["train"],), "test": {"test": files["test"]}}
    return SentimentConfig.model_validate({"data": data})


def test_warnings_are_a_line_each(tmp_path: Path, capsys: Any) -> None:
    config = config_of(tmp_path, "good\tx\nbad\ty\ngood\tx\n", "fine\tx\n \ty\n")
    check_before_training(config, tmp_path / "c.yaml")
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(maxsplit=2)[:2] for line in lines] == [
        ["warning", "test"],
        ["warning", "train"],
    ]


def test_errors_stop_and_name_the_way_on(tmp_path: Path, capsys: Any) -> None:
    config = config_of(tmp_path, "good\tx\nbad\ty\n", "good\tx\nbad\ty\n")
    with pytest.raises(
        UserError, match=r"c.yaml: test: 2 have .*test.tsv:2.* --no-check"
    ):
        check_before_training(config, tmp_path / "c.yaml")
    assert "train.tsv" not in capsys.readouterr().err.splitlines()[0]


def test_bad_recordings_are_skipped_when_asked() -> None:
    digits = CONFIGS / "speech_recognition/digits.yaml"
    assert not read_experiment(digits, None, False).data.skip_bad
    found = read_experiment(digits, ["seed=3"], True)
    assert found.data.skip_bad
    assert found.seed == 3


def test_texts_are_not_skipped() -> None:
    config = CONFIGS / "sentiment/sst5.yaml"
    assert read_experiment(config, None, False).task == "sentiment"
    with pytest.raises(UserError, match="--skip-bad: a sentiment config has no such"):
        read_experiment(config, None, True)


@pytest.mark.parametrize("task", ["translation", "summarization", "speech_recognition"])
def test_no_more_answers_than_the_search_keeps(task: str) -> None:
    module = importlib.import_module(f"nlp_speech.tasks.{task}.config")
    fields = module.__dict__[f"{task.title().replace('_', '')}Config"].model_fields
    decoding = fields["decoding"].default.model_copy(update={"beam_size": 5})
    model: Any = SimpleNamespace(config=SimpleNamespace(decoding=decoding))
    check_n_best(model, 5)
    with pytest.raises(UserError, match=r"--n-best 20: .* keeps 5; .*beam_size=20"):
        check_n_best(model, 20)


def test_a_classifier_shows_all_its_classes() -> None:
    model: Any = SimpleNamespace(config=SimpleNamespace())
    check_n_best(model, 20)


def test_several_answers_where_there_is_one() -> None:
    answer = SimpleNamespace(text="a", warning=lambda: None)
    with pytest.raises(UserError, match="--n-best 2: this model gives one answer"):
        print_result("x", answer, as_json=False, n_best=2)


def test_an_explanation_keeps_its_warning(tmp_path: Path, capsys: Any) -> None:
    answer = SimpleNamespace(
        as_text=lambda: "good",
        warning=lambda: "this is odd",
        n_best=[SimpleNamespace(score=0.5)],
    )
    extras = SimpleNamespace(explain=lambda ask, text: (answer, []))
    task = SimpleNamespace(NAME="sentiment", EXTRAS=extras)
    model: Any = SimpleNamespace(task=task, bundle=SimpleNamespace(name="x/1"))
    print_explanations(model, ["хорошо"], tmp_path / "x.html", 1, False)
    assert "this is odd" in capsys.readouterr().err
