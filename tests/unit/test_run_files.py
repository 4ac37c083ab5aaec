"""What a run keeps of its log and its data."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nlp_speech.errors import UserError
from nlp_speech.run_files import (
    check_digests,
    data_digests,
    read_digests,
    read_log,
    write_digests,
)


@pytest.fixture
def config(tmp_path: Path) -> Any:
    (tmp_path / "a.tsv").write_text("text\nhello\n")
    values = {"train": [str(tmp_path / "a.tsv")], "limits": "long " * 100, "rate": 1.0}
    return SimpleNamespace(model_dump=lambda mode: values)


def test_files_are_known_by_their_content(config: Any, tmp_path: Path) -> None:
    assert list(data_digests(config)) == [str(tmp_path / "a.tsv")]
    write_digests(config, tmp_path)
    assert read_digests(tmp_path) == data_digests(config)
    check_digests(config, tmp_path)


@pytest.mark.parametrize("text", ["text\nother\n", None])
def test_other_data_are_refused(config: Any, tmp_path: Path, text: str | None) -> None:
    write_digests(config, tmp_path)
    if text is None:
        (tmp_path / "a.tsv").unlink()
    else:
        (tmp_path / "a.tsv").write_text(text)
    with pytest.raises(UserError, match=r"a\.tsv is not what it was when the run"):
        check_digests(config, tmp_path)


def test_a_run_that_kept_none_goes_on(config: Any, tmp_path: Path) -> None:
    assert read_digests(tmp_path) is None
    check_digests(config, tmp_path)


def test_a_log_cut_short(tmp_path: Path) -> None:
    assert read_log(tmp_path) == []
    (tmp_path / "log.jsonl").write_text('{"update": 1}\n{"upd')
    assert read_log(tmp_path) == [{"update": 1}]
