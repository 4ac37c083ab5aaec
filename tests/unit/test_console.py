"""What the command line does with data before it trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nlp_speech.console import check_before_training, with_skip_bad
from nlp_speech.errors import UserError
from nlp_speech.tasks.sentiment.config import SentimentConfig

HEADER = "text\tlabel\n"


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


def test_skip_bad_is_a_key_of_the_config() -> None:
    assert with_skip_bad(None, False) == []
    assert with_skip_bad(["a=1"], True) == ["a=1", "data.skip_bad=true"]
