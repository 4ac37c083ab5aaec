"""The configs that come with the library can be used as they are."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nlp_speech.config import read_config
from nlp_speech.contract import load_task
from nlp_speech.data.paths import VARIABLE, resolve

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))
# Keys whose value is the name of a file.
FILE_KEYS = {"source", "target", "table", "file", "manifest", "features"}


def file_names(values: Any) -> Iterator[str]:
    """The names of data files anywhere in a section."""
    if isinstance(values, dict):
        for key, value in values.items():
            if key in FILE_KEYS and isinstance(value, str):
                yield value
            else:
                yield from file_names(value)
    elif isinstance(values, list | tuple):
        for value in values:
            yield from file_names(value)


def test_there_are_configs() -> None:
    assert CONFIGS
    assert not list((ROOT / "configs").rglob("*.yml"))


@pytest.mark.parametrize("file", CONFIGS, ids=lambda f: f"{f.parent.name}/{f.name}")
def test_a_config_can_be_used(file: Path) -> None:
    config = read_config(file)
    # A task's configs stand in the directory of its name, and it has a pipeline.
    assert config.task == file.parent.name
    assert isinstance(config, load_task(config.task).Config)
    assert (ROOT / "pipelines" / f"train_{config.task}.py").is_file()
    assert config.card.title
    assert config.card.license
    assert config.card.data_licenses
    names = list(file_names(config.model_dump()["data"]))
    assert names
    # Names are relative, so that they are right on every machine.
    assert [name for name in names if name.startswith(("/", "~", "."))] == []
    if os.environ.get(VARIABLE):
        assert [name for name in names if not resolve(name).is_file()] == []


@pytest.mark.parametrize("file", CONFIGS, ids=lambda f: f"{f.parent.name}/{f.name}")
def test_a_configs_comment_names_a_command_that_exists(file: Path) -> None:
    from typer.main import get_command

    from nlp_speech.cli import app

    commands = getattr(get_command(app), "commands")  # noqa: B009
    text = file.read_text(encoding="utf-8")
    comments = [line for line in text.splitlines() if line.startswith("#")]
    named = re.findall(r"nlp-speech (\w+)", " ".join(comments))
    assert set(named) <= set(commands)
    assert comments
