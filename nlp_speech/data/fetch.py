"""Data sets by name, from their official addresses.

A file is written beside its place as ``.part``, continued there after an interruption,
checked against a pinned SHA-256 and only then renamed into place.
"""

from __future__ import annotations

import http.client
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nlp_speech.data.paths import data_root
from nlp_speech.errors import UserError
from nlp_speech.files import sha256

_BLOCK = 1 << 16
_ATTEMPTS = 4
_TIMEOUT = 30.0  # seconds without a byte
_PAUSE = 1.0  # seconds before the second attempt, twice that before the third

# What a connection raises; a plain OSError is the disk's.
_NETWORK_ERRORS = (
    http.client.HTTPException,
    urllib.error.URLError,
    ConnectionError,
    TimeoutError,
    ssl.SSLError,
)

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Dataset:
    """A data set that can be fetched.

    Attributes:
        base: the address that the names of the files are appended to.
        files: SHA-256 by file name.
        license: what its authors allow.
    """

    base: str
    files: Mapping[str, str]
    license: str


DATASETS: Mapping[str, Dataset] = {
    "multi30k": Dataset(
        base="https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw",
        license="CC BY-NC-SA 4.0",
        files={
            "train.en.gz": (
                "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f"
            ),
            "train.de.gz": (
                "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6"
            ),
            "train.fr.gz": (
                "622e75069e9f4c577425c4f277116ce66e63a2401c0a2312d90073cb12379a3c"
            ),
            "val.en.gz": (
                "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28"
            ),
            "val.de.gz": (
                "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a"
            ),
            "val.fr.gz": (
                "ca3106f1a72390591d25f6c45cb4cd39dec4cd3f123e099748a3ce5256c160e9"
            ),
            "test_2016_flickr.en.gz": (
                "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9"
            ),
            "test_2016_flickr.de.gz": (
                "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8"
            ),
            "test_2016_flickr.fr.gz": (
                "6d326e188d259fb1d04ac19eae3af956559b3a0b93d7635e56c90987c40c8b90"
            ),
            "test_2017_flickr.en.gz": (
                "76a444ee25172e72695cddb13ae4a3bda59430617be88e0bb46b60504f054074"
            ),
            "test_2017_flickr.de.gz": (
                "a2c89666db00c495cd8513b9d708d5a3acc205d7de312ef2bf5fb7ebc1540aee"
            ),
            "test_2017_flickr.fr.gz": (
                "3ba671ceb2299f3304ffafefea7a833d08632fbaf0ba18546f8a2ec2391af496"
            ),
        },
    ),
}


class _Broken(Exception):
    """The connection ended early; another attempt continues where it stopped."""


def fetch(name: str, root: Path | None = None, base: str | None = None) -> Path:
    """Fetches a data set; what is already there and right is left alone.

    Args:
        name: one of `DATASETS`.
        root: where the data set's folder goes; by default the data root.
        base: an address used instead of the official one.

    Returns:
        The folder that holds the files.

    Raises:
        UserError: there is no such data set, or a file could not be had as pinned.
    """
    dataset = DATASETS.get(name)
    if dataset is None:
        choices = ", ".join(sorted(DATASETS))
        raise UserError(f"there is no data set {name!r}; choose one of: {choices}")
    folder = (root if root is not None else data_root()) / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, digest in dataset.files.items():
            address = f"{(base or dataset.base).rstrip('/')}/{file}"
            with _Bar(file) as progress:
                fetch_file(address, folder / file, digest, progress)
    except OSError as error:
        place = error.filename or folder
        reason = error.strerror or str(error)
        message = f"the data set cannot be written: {reason}; free it and run again"
        raise UserError.at(place, None, message) from None
    return folder


def fetch_file(
    address: str, path: Path, digest: str, progress: Progress | None = None
) -> None:
    """Fetches one file, unless it is already there and right.

    Args:
        address: its http or https address.
        path: where it goes; ``<path>.part`` holds what has arrived so far.
        digest: its SHA-256 in hexadecimal.
        progress: called with bytes so far and bytes in all, if known.

    Raises:
        UserError: the server refuses, is not reached, or sends something else.
    """
    if path.exists() and sha256(path) == digest:
        return
    part = path.with_name(f"{path.name}.part")
    resumed = part.exists()
    if not (resumed and sha256(part) == digest):
        _download(address, part, progress)
    if resumed and sha256(part) != digest:
        # What was left from an earlier run was not the beginning of this file.
        part.unlink()
        _download(address, part, progress)
    if sha256(part) != digest:
        part.unlink()
        raise UserError(
            f"{address}: what arrived has not the pinned SHA-256 and was thrown away; "
            "the file at that address has changed or the connection is tampered with"
        )
    os.replace(part, path)


def _download(address: str, part: Path, progress: Progress | None) -> None:
    """Continues `part` until it is complete, over a few connections if need be."""
    for attempt in range(1, _ATTEMPTS + 1):
        last = attempt == _ATTEMPTS
        try:
            _receive(address, part, progress)
            return
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416 and part.exists() and not last:
                part.unlink()  # it is longer than the file there
            elif error.code < 500 or last:
                raise UserError(
                    f"{address}: the server answered {error.code} {error.reason}; "
                    "check the address or run the command again later"
                ) from None
        except (*_NETWORK_ERRORS, _Broken) as error:
            if last:
                raise UserError(
                    f"{address}: the connection failed ({_reason(error)}); "
                    "run the command again, it continues where it stopped"
                ) from None
        except ValueError:
            raise UserError(f"{address}: this is no http or https address") from None
        time.sleep(_PAUSE * attempt)


def _receive(address: str, part: Path, progress: Progress | None) -> None:
    """Appends the bytes that are missing from `part`; one connection."""
    start = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "nlp-speech", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    request = urllib.request.Request(address, headers=headers)
    with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:
        content_range = response.headers.get("Content-Range", "")
        if response.status != 206 or not content_range.startswith(f"bytes {start}-"):
            start = 0  # the server sends the whole file
        length = response.headers.get("Content-Length")
        total = start + int(length) if length and length.isdigit() else None
        have = start
        with part.open("ab" if start else "wb") as file:
            while block := response.read(_BLOCK):
                file.write(block)
                have += len(block)
                if progress:
                    progress(have, total)
    if total is not None and have < total:
        raise _Broken(f"{have} of {total} bytes arrived")


def _reason(error: BaseException) -> str:
    reason = getattr(error, "reason", None) or error
    return str(reason) or type(reason).__name__


class _Bar:
    """A progress bar on stderr, if that is a terminal."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._progress = None

    def __enter__(self) -> Progress | None:
        if not sys.stderr.isatty():
            return None
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            console=Console(stderr=True),
        )
        self._progress = bar
        bar.start()
        task = bar.add_task(self._name, total=None)
        return lambda have, total: bar.update(task, completed=have, total=total)

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()
