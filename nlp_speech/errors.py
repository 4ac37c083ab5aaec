"""The exception that a user is meant to read."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

# The exit status of a worker that another one has left alone ("try again later").
PEER_LOST = 75


class UserError(Exception):
    """A wrong input, told in one sentence that names the place and the remedy.

    The command line prints the message without a traceback and exits with `status`.
    """

    status = 1

    @classmethod
    def at(cls, path: Path | str, line: int | None, message: str) -> UserError:
        """Builds an error that begins with the file and, if known, the line.

        Args:
            path: the file at fault.
            line: its line, counted from 1, or None.
            message: what is wrong and what to do, without a final full stop.
        """
        place = str(path) if line is None else f"{path}:{line}"
        return cls(f"{place}: {message}")


class PeerLostError(UserError):
    """Another worker of the same training has gone."""

    status = PEER_LOST


def need_packages(what: str, *names: str) -> None:
    """Refuses what a bare installation cannot do, before any work is done.

    Args:
        what: needs the packages, such as ``--plot``.
        names: of modules that the extra ``train`` installs.

    Raises:
        UserError: one is missing.
    """
    if missing := [name for name in names if find_spec(name) is None]:
        raise UserError(
            f"{what} needs {', '.join(missing)}; pip install 'nlp-speech[train]'"
        )
