"""The directory of a run: begun once, gone on with only by the same config."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nlp_speech.config import dump_config
from nlp_speech.errors import UserError
from nlp_speech.files import alone_in, write_text, writing
from nlp_speech.run_files import changed_keys

_CONFIG = "config.yaml"


def fingerprint(directory: Path) -> str:
    """What tells whether checkpoints belong to the config of a run's directory."""
    return hashlib.sha256((directory / _CONFIG).read_bytes()).hexdigest()


def open_directory(config: Any, directory: Path, resume: bool) -> None:
    """Makes the run's directory, or checks the config of the one that is there.

    Raises:
        UserError: it is in use and `resume` is not set, or its config is another one.
    """
    file = directory / _CONFIG
    if file.exists():
        if not resume:
            raise UserError(
                f"{directory} holds a run already; go on with --resume, or give "
                "another --output"
            )
        if changed := changed_keys(file, config):
            raise UserError.at(
                file,
                None,
                f"the config has changed since this run began ({changed}); "
                "resume with the config it began with, or start a new run with "
                "another --output",
            )
    elif resume and directory.is_dir() and any(directory.iterdir()):
        raise UserError(f"{directory} is no run that could be resumed")
    else:
        write_text(file, dump_config(config))


@contextmanager
def held(directory: Path) -> Iterator[None]:
    """Keeps a run's directory for this process alone.

    Raises:
        UserError: another process trains in it.
    """
    made = not directory.exists()
    with writing(directory):
        directory.mkdir(parents=True, exist_ok=True)
    busy = "another process trains here; wait for it, or give another --output"
    try:
        with alone_in(directory, busy):
            yield
    finally:
        if made and not any(directory.iterdir()):
            directory.rmdir()


@contextmanager
def no_false_start(directory: Path) -> Iterator[None]:
    """Takes away what a run wrote if it fails before its first checkpoint.

    The config may then be put right and the run begun again under the same name.
    """
    before = set(directory.iterdir()) if directory.is_dir() else None
    try:
        yield
    except BaseException:
        if not any((directory / "checkpoints").glob("update-*")):
            _take_away(directory, before)
        raise


def _take_away(directory: Path, before: set[Path] | None) -> None:
    """Deletes what is in a directory now and was not before (None: the whole)."""
    if before is None:
        shutil.rmtree(directory, ignore_errors=True)
        return
    for path in set(directory.iterdir()) - before:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
