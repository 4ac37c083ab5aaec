"""Files are written whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nlp_speech.errors import UserError
from nlp_speech.files import replacing, write_text

ROOT = Path(__file__).parents[2]


def test_writes_bytes_as_given(tmp_path: Path) -> None:
    path = tmp_path / "made" / "too" / "file.txt"
    write_text(path, "grün\r\n\n")
    assert path.read_bytes() == "grün\r\n\n".encode()
    write_text(path, "")
    assert path.read_bytes() == b""
    assert list(path.parent.iterdir()) == [path]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_the_old_file_is_there_until_the_end(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with replacing(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_any_error_leaves_the_old_file(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def write() -> None:
        with replacing(path) as file:
            file.write(b"half")
            raise error

    with pytest.raises(error):
        write()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("call", ["fsync", "replace", "chmod"])
@pytest.mark.parametrize("old", [None, "old"])
def test_a_full_disk_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, old: str | None
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "file"
    if old:
        path.write_text(old)
    monkeypatch.setattr(f"nlp_speech.files.os.{call}", full)
    with pytest.raises(UserError, match=r"file: .*No space left .*make room"):
        write_text(path, "new")
    assert [p.read_text() for p in tmp_path.iterdir()] == ([old] if old else [])


LIMITED = """
import resource, signal, sys
from pathlib import Path
from nlp_speech.cli import run
from nlp_speech.files import write_text
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
run(lambda: write_text(Path(sys.argv[1]), "x" * 100_000))
"""


def test_a_write_that_the_system_cuts_short(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    done = subprocess.run(
        [sys.executable, "-B", "-c", LIMITED, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"nlp-speech: {path}: cannot be written (")
    assert done.stderr.count("\n") == 1
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "directory" / "inside").mkdir(parents=True)
    for path in (tmp_path / "file" / "below", tmp_path / "directory"):
        with pytest.raises(UserError, match="cannot be written"):
            write_text(path, "new")
    assert sorted(p.name for p in tmp_path.rglob("*")) == [
        "directory",
        "file",
        "inside",
    ]
