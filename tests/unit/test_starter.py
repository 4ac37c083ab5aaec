"""What `nlp-speech new` writes."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from nlp_speech.config import read_config
from nlp_speech.contract import load_task, task_names
from nlp_speech.errors import UserError
from nlp_speech.starter import sample_config, write_sample, write_starter


@pytest.mark.parametrize("name", task_names())
def test_every_task_has_a_config_and_data_to_start_from(
    name: str, tmp_path: Path
) -> None:
    task = load_task(name)
    file = write_starter(name, tmp_path / "new" / "mine")
    assert file == tmp_path / "new" / "mine" / f"{name}.yaml"
    config = read_config(file)
    assert isinstance(config, task.Config)
    inputs, references = task.references(config, "validation")
    assert len(inputs) == len(references) >= 40
    assert len({*inputs}) >= 40
    # `nlp-speech tune` can begin at once; a key or value it cannot take is an error.
    space = config.tune.space
    assert {"training.learning_rate", "model.units"} <= space.keys()
    assert any(key.endswith("dropout") for key in space)
    assert config.tune.updates is not None
    assert config.tune.updates < config.training.updates
    # The comments explain, and every key has one.
    text = file.read_text(encoding="utf-8")
    assert text.count("#") > 20
    # It says the same as the sample config that the demo and the tests use.
    sample = tmp_path / "sample.yaml"
    data = tmp_path / "new" / "mine" / "data"
    sample.write_text(sample_config(name, data.resolve()), encoding="utf-8")
    assert read_config(sample) == config


@pytest.mark.parametrize("name", task_names())
def test_the_sample_can_be_trained_on_from_anywhere(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = write_sample(name, Path("data"))
    assert data == tmp_path.resolve() / "data"
    assert str(data) in sample_config(name, data)
    assert "{data}" not in sample_config(name, data)


@pytest.mark.parametrize("there", ["translation.yaml", "data"])
def test_nothing_is_overwritten(tmp_path: Path, there: str) -> None:
    (tmp_path / there).mkdir()
    with pytest.raises(UserError, match="is there already"):
        write_starter("translation", tmp_path)
    assert [p.name for p in tmp_path.rglob("*")] == [there]


def test_unknown_task(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no task 'none'.*translation"):
        write_starter("none", tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("nlp_speech.files.os.fsync", full)
    with pytest.raises(UserError, match="No space left"):
        write_starter("translation", tmp_path / "new")
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
