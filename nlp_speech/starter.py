"""What `nlp-speech new` writes: a commented config and a small data sample."""

from __future__ import annotations

import importlib
from importlib import resources
from pathlib import Path

import yaml

from nlp_speech.config import template
from nlp_speech.contract import load_task
from nlp_speech.errors import UserError
from nlp_speech.files import write_text


def write_starter(task: str, directory: Path) -> Path:
    """Writes a config to start from, and generated data that it trains on at once.

    Args:
        task: the task's name.
        directory: made if missing; nothing in it is overwritten.

    Returns:
        The config's path.

    Raises:
        UserError: there is no such task, or the directory holds a config already.
    """
    light = load_task(task)
    config = directory / f"{task}.yaml"
    for path in (config, directory / "data"):
        if path.exists():
            raise UserError.at(path, None, "is there already; give another directory")
    data = write_sample(task, directory / "data")
    values = yaml.safe_load(sample_config(task, data))
    head = (
        "# Its data have absolute paths: change them if you move or copy this folder,\n"
        "# or make them relative to the directory that NLP_SPEECH_DATA names.\n"
    )
    write_text(config, head + template(light.Config, values))
    return config


def write_sample(task: str, directory: Path) -> Path:
    """Writes the corpus that a task generates for itself; returns where it is."""
    directory = directory.resolve()
    demo = importlib.import_module(f"nlp_speech.tasks.{task}.demo")
    demo.write_corpus(directory, seed=1)
    return directory


def sample_config(task: str, data: Path) -> str:
    """The config of a task's generated corpus, as YAML."""
    file = resources.files(f"nlp_speech.tasks.{task}").joinpath("demo.yaml")
    return file.read_text(encoding="utf-8").replace("{data}", str(data))
