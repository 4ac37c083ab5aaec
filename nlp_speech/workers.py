"""Trains with several processes, here and on other machines, and mends what breaks.

Each machine runs the same command; here the workers of this machine are started and
watched. When one is killed, the others cannot go on without it: all are ended and
started again from the newest checkpoint.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nlp_speech.errors import PEER_LOST, UserError

# Restarts in a row that brought no new checkpoint.
_USELESS_RESTARTS = 3
# Seconds that workers get to save and leave when asked, before they are killed.
_PATIENCE = 30.0
_POLL = 0.2


def parse_workers(text: str) -> list[str]:
    """The addresses in ``host:port,host:port``; the first is the chief's.

    Raises:
        UserError: there are fewer than two, or one is not ``host:port``.
    """
    workers = [address.strip() for address in text.split(",")]
    for address in workers:
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise UserError(
                f"--workers: {address!r} is not host:port; write "
                "host:port,host:port with a port that is free on each host"
            )
    if len(workers) < 2 or len(set(workers)) < len(workers):
        raise UserError("--workers: give two different addresses or more")
    return workers


def without_workers(arguments: Sequence[str]) -> list[str]:
    """Command-line arguments without the option ``--workers``."""
    kept: list[str] = []
    skip = False
    for argument in arguments:
        if not skip and not argument.startswith("--workers"):
            kept.append(argument)
        skip = argument == "--workers"
    return kept


def launch(
    workers: Sequence[str],
    arguments: Sequence[str],
    directory: Path,
    say: Callable[[str], None],
) -> int:
    """Runs the workers of this machine until the training is done.

    SIGINT and SIGTERM are passed on, so that the run saves and ends. All workers are
    started again within a second after the loss of one has been noticed.

    Args:
        workers: addresses of all, ``host:port``; the same list on every machine.
        arguments: of ``nlp-speech``, for a worker.
        directory: of the run, reachable from every machine.
        say: told of every restart.

    Returns:
        The exit status for the command line.

    Raises:
        UserError: no worker is on this machine, or restarts do not help.
    """
    local = [n for n, address in enumerate(workers) if _is_here(address)]
    if not local:
        raise UserError(
            f"--workers: none of {', '.join(workers)} is this machine "
            f"({socket.gethostname()}); run the command on the machines it names"
        )
    useless, newest = 0, _newest_checkpoint(directory)
    while True:
        status = _run(arguments, workers, local)
        if status in (0, 1):
            return status
        if "--resume" not in arguments and (directory / "config.yaml").exists():
            arguments = [*arguments, "--resume"]
        before, newest = newest, _newest_checkpoint(directory)
        useless = useless + 1 if newest == before else 0
        if useless >= _USELESS_RESTARTS:
            raise UserError(
                f"the workers broke {useless + 1} times without a new checkpoint in "
                f"between (status {status}); see what they printed above"
            )
        say(
            f"a worker was lost (status {status}); starting all again from update "
            f"{newest}"
        )


def _run(arguments: Sequence[str], workers: Sequence[str], local: Sequence[int]) -> int:
    """Starts the local workers and waits; the status of the first that failed, or 0."""
    with tempfile.TemporaryDirectory() as logs:
        # Only the chief talks; the others are heard when they fail.
        files = [Path(logs) / f"worker-{n}.log" for n in local]
        processes = [
            _start(arguments, workers, n, None if n == 0 else file)
            for n, file in zip(local, files, strict=True)
        ]
        try:
            with _passing_signals(processes):
                status, failed = _wait(processes)
            if failed is not None and local[failed] != 0:
                sys.stderr.write(_tail(files[failed]))
            return status
        finally:
            for process in processes:
                process.kill()
                process.wait()


def _start(
    arguments: Sequence[str], workers: Sequence[str], number: int, log: Path | None
) -> subprocess.Popen[bytes]:
    cluster = {
        "cluster": {"worker": list(workers)},
        "task": {"type": "worker", "index": number},
    }
    environment = {**os.environ, "TF_CONFIG": json.dumps(cluster)}
    command = [sys.executable, "-m", "nlp_speech", *arguments]
    if log is None:
        return subprocess.Popen(command, env=environment, start_new_session=True)
    with log.open("wb") as file:
        return subprocess.Popen(
            command,
            env=environment,
            start_new_session=True,
            stdout=file,
            stderr=subprocess.STDOUT,
        )


def _wait(processes: Sequence[subprocess.Popen[bytes]]) -> tuple[int, int | None]:
    """Waits until all are done or one has failed: its status and number.

    A worker that gave up because of another one's end is not the one that failed, if
    the other is found. What ends with status 1 has said why; the rest may follow it.
    """
    deadline: float | None = None
    while True:
        statuses = [process.poll() for process in processes]
        ended = {n: s for n, s in enumerate(statuses) if s not in (None, 0)}
        broken = {n: s for n, s in ended.items() if s not in (1, PEER_LOST)}
        if broken or PEER_LOST in ended.values():
            number = min(broken or ended)
            return int(ended[number] or 0), number
        if None not in statuses:
            return (1, min(ended)) if ended else (0, None)
        if ended and deadline is None:
            deadline = time.monotonic() + _PATIENCE
        if deadline is not None and time.monotonic() > deadline:
            return 1, min(ended)
        time.sleep(_POLL)


@contextmanager
def _passing_signals(processes: Sequence[subprocess.Popen[bytes]]) -> Iterator[None]:
    handled = (signal.SIGINT, signal.SIGTERM)

    def pass_on(number: int, frame: Any) -> None:
        for process in processes:
            if process.poll() is None:
                process.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in handled}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_here(address: str) -> bool:
    """Whether an address is of this machine: whether a socket can be bound to it."""
    host = address.rpartition(":")[0].strip("[]")
    try:
        found = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)
    except OSError as error:
        raise UserError(f"--workers: there is no host {host!r} ({error})") from error
    for family, kind, protocol, _, place in found:
        with socket.socket(family, kind, protocol) as candidate:
            try:
                candidate.bind((place[0], 0))
            except OSError:
                continue
            return True
    return False


def _newest_checkpoint(directory: Path) -> int:
    names = (p.name for p in (directory / "checkpoints").glob("update-*"))
    numbers = [n.removeprefix("update-") for n in names]
    return max((int(n) for n in numbers if n.isdigit()), default=0)


def _tail(path: Path, lines: int = 20) -> str:
    text = path.read_text(encoding="utf-8", errors="replace")
    return "".join(text.splitlines(keepends=True)[-lines:])
