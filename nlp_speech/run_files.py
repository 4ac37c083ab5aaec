"""What a run keeps besides checkpoints: its log, its config, hashes of its data."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from nlp_speech.config import read_config
from nlp_speech.data.paths import resolve
from nlp_speech.errors import UserError
from nlp_speech.files import sha256, write_text
from nlp_speech.sections import Experiment

_DIGESTS = "data.sha256.json"
_NAMED = 4  # keys in a sentence


def read_log(run: Path) -> list[dict[str, Any]]:
    """What a run's log says of each evaluation, in order; none if there is no log."""
    log = run / "log.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    records = []
    for line in lines:
        try:
            records.append(json.loads(line))
        except ValueError:
            continue  # the process was killed while it wrote this
    return records


def changed_keys(file: Path, config: Experiment) -> str:
    """The first keys in which a config is not the one in a file; empty if it is.

    Keys that the program has learned since the file was written have their defaults
    there.

    Raises:
        UserError: this version cannot read the file's config.
    """
    before, now = dict(_leaves(read_config(file))), dict(_leaves(config))
    same = {k for k in before.keys() & now.keys() if before[k] == now[k]}
    keys = [k for k in {**before, **now} if k not in same]
    more = len(keys) - _NAMED
    return ", ".join(keys[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def data_digests(config: Any) -> dict[str, str]:
    """SHA-256 of each data file that a config names, by that name."""
    found: dict[str, str] = {}
    for name in sorted(set(_strings(config.model_dump(mode="json")))):
        with suppress(OSError, ValueError):  # a text that is no name of a file
            if resolve(name).is_file():
                found[name] = sha256(resolve(name))
    return found


def changed_files(config: Any, digests: Mapping[str, str]) -> list[str]:
    """The data files that are there and are not what they were."""
    now = data_digests(config)
    return [name for name in now if now[name] != digests.get(name, now[name])]


def write_digests(config: Any, run: Path) -> None:
    """Keeps what the data of a run are, to be known again."""
    write_text(run / _DIGESTS, json.dumps(data_digests(config), indent=1) + "\n")


def read_digests(run: Path) -> dict[str, str] | None:
    """What the data of a run were when it began; None for a run that does not say."""
    file = run / _DIGESTS
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


def check_digests(config: Any, run: Path) -> None:
    """Sees to it that a run goes on with the data it began with.

    Raises:
        UserError: a file is another one now, or is not there.
    """
    now = data_digests(config)
    for name, digest in (read_digests(run) or {}).items():
        if now.get(name) != digest:
            raise UserError(
                f"{resolve(name)} is not what it was when the run {run} began; put it "
                "back, or start a new run with another --output"
            )


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _strings(item)


def _leaves(config: Experiment) -> Iterator[tuple[str, Any]]:
    """Every key of a config that is no section, and its value."""
    left: list[tuple[str, Any]] = list(config.model_dump(mode="json").items())
    while left:
        key, value = left.pop(0)
        if isinstance(value, dict):
            left = [(f"{key}.{name}", v) for name, v in value.items()] + left
        else:
            yield key, value
