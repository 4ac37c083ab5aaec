"""A toy task and a bundle of it, for tests of what is generic over tasks."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

import nlp_speech.tasks

TOY_TASKS = Path(__file__).parents[1] / "toy_tasks"


@pytest.fixture
def toy_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the tasks under tests/toy_tasks known for the time of a test."""
    paths = [*nlp_speech.tasks.__path__, str(TOY_TASKS)]
    monkeypatch.setattr(nlp_speech.tasks, "__path__", paths)


@pytest.fixture
def export_toy(toy_tasks: None, tmp_path: Path) -> Callable[..., Path]:
    """Exports the toy task under `tmp_path`; keywords as for `export_bundle`."""
    return lambda **options: _export(tmp_path, **options)


@pytest.fixture(scope="session")
def _toy_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as monkeypatch:
        paths = [*nlp_speech.tasks.__path__, str(TOY_TASKS)]
        monkeypatch.setattr(nlp_speech.tasks, "__path__", paths)
        path = _export(tmp_path_factory.mktemp("toy"))
    return path


@pytest.fixture
def toy_bundle(toy_tasks: None, _toy_bundle: Path) -> Path:
    """A bundle of the toy task with all variants, for reading only."""
    return _toy_bundle


@pytest.fixture
def toy_copy(toy_bundle: Path, tmp_path: Path) -> Path:
    """A bundle of the toy task that a test may spoil."""
    path = tmp_path / "copy" / "1"
    shutil.copytree(toy_bundle, path)
    return path


def _export(directory: Path, **options: Any) -> Path:
    from nlp_speech.contract import load_task, load_training_task
    from nlp_speech.export import export_bundle

    task, training_task = load_task("toy"), load_training_task("toy")
    module = importlib.import_module("nlp_speech.tasks.toy")
    config = options.pop("config", None) or module.Config.model_validate(
        {
            "export": {"quantize": ("dynamic", "float", "float16")},
            "card": {
                "title": "Toy letters",
                "license": "Apache-2.0",
                "data_licenses": ("CC0-1.0", "CC BY-NC-SA 4.0"),
                "limits": "No capital letters.",
            },
        }
    )
    assets = directory / "learned"
    assets.mkdir(exist_ok=True)
    training_task.prepare(config, assets)
    model = training_task.build(config, task.load_assets(config, assets))
    destination = options.pop("destination", directory / "toy_letters")
    endpoints = options.pop("endpoints", None)
    if endpoints is not None:
        training_task = cast(Any, _Changed(training_task, endpoints))
    metrics = options.pop("metrics", {})
    return export_bundle(
        task, training_task, config, assets, model, destination, metrics, **options
    )


class _Changed:
    """A training task with other endpoints."""

    def __init__(self, task: Any, change: Callable[[dict[str, Any]], Any]) -> None:
        self._task = task
        self._change = change

    def endpoints(self, config: Any, assets: Any, model: Any) -> Any:
        return self._change(self._task.endpoints(config, assets, model))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)
