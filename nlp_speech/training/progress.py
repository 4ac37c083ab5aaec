"""What a run shows: a live line, a line at each evaluation, a log and TensorBoard."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import rich.progress
import tensorflow as tf
from rich.console import Console

from nlp_speech.files import writing
from nlp_speech.sections import TrainingSection
from nlp_speech.training.checkpoint import Progress


class Reporter:
    """Tells how training goes, on stderr, in ``log.jsonl`` and to TensorBoard.

    Args:
        directory: the run's directory.
        section: the `training` section, for the time left.
        metric: name of the score that is watched.
        counted: what the loss is a mean over, such as tokens.
        chief: False on all but one of several machines, which stay silent.
    """

    def __init__(
        self,
        directory: Path,
        section: TrainingSection,
        metric: str,
        counted: str,
        chief: bool = True,
    ) -> None:
        self.section = section
        self.metric = metric
        self.counted = counted
        self.console = Console(stderr=True, quiet=not chief)
        self._path = directory / "log.jsonl" if chief else Path(os.devnull)
        with writing(self._path):
            self._log = self._path.open("a", encoding="utf-8")
        self._summary: Any = (
            tf.summary.create_file_writer(str(directory / "tensorboard"))
            if chief
            else tf.summary.create_noop_writer()
        )
        self._bar = rich.progress.Progress(
            rich.progress.TextColumn("{task.description}"),
            rich.progress.BarColumn(),
            rich.progress.TextColumn("{task.fields[status]}"),
            console=self.console,
            disable=not (chief and self.console.is_terminal),
            transient=True,
        )
        self._task = self._bar.add_task("training", total=section.updates, status="")
        self._score: float | None = None
        self._since = (time.monotonic(), 0)
        self._rate = 0.0

    def __enter__(self) -> Reporter:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()
        with suppress(OSError):  # of a full disk `evaluation` has told
            self._log.close()
        self._summary.close()

    def say(self, message: str) -> None:
        """Prints a line to stderr."""
        self.console.print(message, highlight=False, markup=False, soft_wrap=True)

    def step(self, progress: Progress, loss: float) -> None:
        """Shows an update: the loss is a mean over what is counted, in nats."""
        start, tokens = self._since
        now = time.monotonic()
        if now - start > 1.0:
            self._rate = (progress.tokens - tokens) / (now - start)
            self._since = (now, progress.tokens)
        score = "" if self._score is None else f" · {self.metric} {self._score:.2f}"
        status = (
            f"{progress.update}/{self.section.updates} · loss {loss:.3f} · "
            f"{self._rate:,.0f} {self.counted}/s{score} · {self._left(progress)} left"
        )
        self._bar.update(self._task, completed=progress.update, status=status)

    def restart_clock(self, progress: Progress) -> None:
        """Begins a new measurement of speed, after a pause for evaluation."""
        self._since = (time.monotonic(), progress.tokens)

    def evaluation(self, progress: Progress, values: dict[str, float]) -> None:
        """Tells the scores of an evaluation everywhere."""
        self._score = values.get(self.metric)
        record: dict[str, Any] = {
            "update": progress.update,
            "epoch": progress.epoch,
            "seconds": round(progress.seconds, 1),
            **{name: round(value, 5) for name, value in values.items()},
        }
        with writing(self._path):
            self._log.write(json.dumps(record) + "\n")
            self._log.flush()
        with self._summary.as_default(step=progress.update):
            for name, value in values.items():
                tf.summary.scalar(name, value)
        self._summary.flush()
        shown = " · ".join(f"{name} {value:.4g}" for name, value in values.items())
        self.say(
            f"update {progress.update} · epoch {progress.epoch} · "
            f"{progress.seconds / 60:.1f} min · {shown}"
        )

    def _left(self, progress: Progress) -> str:
        if not progress.update:
            return "?"
        left = self.section.updates - progress.update
        seconds = progress.seconds / progress.update * left
        if self.section.minutes is not None:
            seconds = min(seconds, self.section.minutes * 60 - progress.seconds)
        seconds = max(0, int(seconds))
        return f"{seconds // 60}:{seconds % 60:02d}"
