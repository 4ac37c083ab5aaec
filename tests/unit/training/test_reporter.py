"""What a run shows while it trains."""

from __future__ import annotations

import io
import logging
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from nlp_speech.contract import load_task, load_training_task
from nlp_speech.sections import TrainingSection
from nlp_speech.tasks.translation import TranslationConfig
from nlp_speech.training import progress as reporting
from nlp_speech.training import train
from nlp_speech.training.checkpoint import Progress
from nlp_speech.training.progress import Reporter


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_line_of_an_update(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, clock = Terminal(), iter([100.0, 102.0])
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(reporting.time, "monotonic", lambda: next(clock, 102.0))
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("TERM", "xterm")
    section = TrainingSection(updates=40, warmup_updates=0)
    with Reporter(tmp_path, section, "bleu", "tokens") as reporter:
        # 1,000 tokens in 2 seconds; 30 more updates of 3 seconds each.
        progress = Progress(update=10, tokens=1000, seconds=30.0)
        reporter.step(progress, loss=2.34567)
        reporter._bar.refresh()
        first = terminal.getvalue()
        reporter.evaluation(progress, {"bleu": 12.345})
        reporter.step(progress, loss=2.0)
        reporter._bar.refresh()
    assert "10/40 · loss 2.346 · 500 tokens/s · 1:30 left" in first
    assert "loss 2.000 · 500 tokens/s · bleu 12.35 · 1:30 left" in terminal.getvalue()


@pytest.mark.parametrize(
    ("minutes", "update", "left"), [(None, 0, "?"), (1, 10, "0:30"), (0.1, 10, "0:00")]
)
def test_the_time_left(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    minutes: float | None,
    update: int,
    left: str,
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("TERM", "xterm")
    section = TrainingSection(updates=40, warmup_updates=0, minutes=minutes)
    with Reporter(tmp_path, section, "bleu", "tokens") as reporter:
        reporter.step(Progress(update=update, seconds=30.0), loss=1.0)
        reporter._bar.refresh()
    assert f"· {left} left" in terminal.getvalue()


def test_a_pipe_gets_no_line_of_an_update(tmp_path: Path, capsys: Any) -> None:
    section = TrainingSection(updates=40, warmup_updates=0)
    with Reporter(tmp_path, section, "bleu", "tokens") as reporter:
        reporter.step(Progress(update=1, seconds=1.0), loss=1.0)
    assert capsys.readouterr().err == ""


def test_pairs_that_are_left_out_are_counted(
    small_config: TranslationConfig,
    tmp_path: Path,
    capsys: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    part = small_config.data.train[0]
    long = " ".join(["one"] * 60) + "\n"
    for name in (part.source, part.target):
        with Path(str(name)).open("a", encoding="utf-8") as file:
            file.writelines([long] * 3 + ["\n"] * 2)
    section = small_config.training.model_copy(
        update={"updates": 1, "evaluation_limit": 1, "average_best": 1}
    )
    config = small_config.model_copy(update={"training": section})
    task, training_task = load_task("translation"), load_training_task("translation")
    with caplog.at_level(logging.INFO):
        train(task, training_task, config, tmp_path / "run")
    assert "123 training pairs; 2 with a blank side were left out" in caplog.messages
    told = re.findall(r"epoch 0: (\d+) examples are longer", capsys.readouterr().err)
    assert told == ["3"]
