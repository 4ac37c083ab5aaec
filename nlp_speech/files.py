"""Files written whole or not at all."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from nlp_speech.errors import UserError


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Says in one sentence that a file could not be written.

    Raises:
        UserError: instead of an OSError.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        message = f"cannot be written ({reason}); make room or choose another place"
        raise UserError.at(path, None, message) from error


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Opens a temporary file that takes the place of `path` if all goes well.

    Args:
        path: what is written; its directory is made if missing.

    Yields:
        A binary file.

    Raises:
        UserError: it could not be written; what was there before is untouched.
    """
    temporary: str | None = None
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            made = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
            handle, temporary = made
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text, whole or not at all.

    Raises:
        UserError: it could not be written; what was there before is untouched.
    """
    with replacing(path) as file:
        file.write(text.encode("utf-8"))


@contextmanager
def alone_in(directory: Path, otherwise: str | None = None) -> Iterator[None]:
    """Keeps a directory for this process, as far as others ask in the same way.

    Args:
        directory: that is there; nothing is written into it.
        otherwise: what a user is told if another process has it; None: wait for it.

    Raises:
        UserError: another process has it.
    """
    import fcntl  # Windows, where bundles are used too, has none

    handle = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (fcntl.LOCK_NB if otherwise else 0))
    except BlockingIOError:
        os.close(handle)
        raise UserError(f"{directory}: {otherwise}") from None
    try:
        yield
    finally:
        os.close(handle)


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
