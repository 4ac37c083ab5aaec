"""Checkpoints: everything a run needs to go on, written beside and renamed."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nlp_speech.errors import UserError
from nlp_speech.files import sha256
from nlp_speech.weights import read_arrays, write_arrays

FORMAT_VERSION = 1

Arrays = dict[str, np.ndarray]


@dataclass
class Progress:
    """Where a run is.

    Attributes:
        update: optimizer steps done.
        epoch: current epoch, from 0.
        batch: batches of that epoch already used.
        seconds: time spent training, over all resumptions.
        tokens: target tokens used.
        best: (score, update) of the best checkpoints, best first.
        evaluations_without_gain: for early stopping.
        evaluated: the update of the last evaluation.
        loss_scale: what the loss is multiplied by in float16.
        scaled_updates: updates since that was changed.
    """

    update: int = 0
    epoch: int = 0
    batch: int = 0
    seconds: float = 0.0
    tokens: int = 0
    best: list[tuple[float, int]] = field(default_factory=list)
    evaluations_without_gain: int = 0
    evaluated: int = 0
    loss_scale: float = 2.0**10
    scaled_updates: int = 0


@dataclass(frozen=True)
class Checkpoint:
    """What was read back: the run's position and all variables by path."""

    progress: Progress
    variables: Arrays


class Checkpoints:
    """The checkpoints of a run, in one directory.

    Args:
        directory: made if missing.
        fingerprint: of the config; a checkpoint of another config is refused.
    """

    def __init__(self, directory: Path, fingerprint: str) -> None:
        self.directory = directory
        self.fingerprint = fingerprint

    def updates(self) -> list[int]:
        """The updates at which checkpoints exist, oldest first."""
        names = (p.name for p in self.directory.glob("update-*"))
        numbers = (name.removeprefix("update-") for name in names)
        return sorted(int(n) for n in numbers if n.isdigit())

    def save(self, progress: Progress, variables: Iterable[Any]) -> Path:
        """Writes a checkpoint under a temporary name and renames it.

        Args:
            progress: the run's position.
            variables: Keras variables of the model and the optimizer.

        Returns:
            The checkpoint's directory.

        Raises:
            UserError: it could not be written; older checkpoints are untouched.
        """
        target = self._path(progress.update)
        temporary = target.with_name(f"{target.name}.tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        try:
            temporary.mkdir(parents=True)
            self._write(temporary, progress, variables)
            shutil.rmtree(target, ignore_errors=True)
            temporary.rename(target)
        except (OSError, UserError) as error:
            shutil.rmtree(temporary, ignore_errors=True)
            raise UserError(
                f"{target}: the checkpoint could not be saved; make room and continue "
                f"with --resume ({error})"
            ) from error
        return target

    def load(self, update: int) -> Checkpoint:
        """Reads the checkpoint of an update.

        Raises:
            UserError: it is damaged, of another format or of another config.
        """
        path = self._path(update)
        manifest = self._manifest(path)
        data = path / "variables.npz"
        try:
            intact = sha256(data) == manifest["sha256"]
        except OSError:
            intact = False
        if not intact:
            raise UserError.at(data, None, "is damaged; delete this checkpoint")
        progress = Progress(**manifest["progress"])
        progress.best = [(float(s), int(u)) for s, u in progress.best]
        return Checkpoint(progress, read_arrays(data))

    def newest(self, warn: Callable[[str], None]) -> Checkpoint | None:
        """The newest intact checkpoint, or None if there are none at all.

        Args:
            warn: told of each damaged checkpoint that is passed over.

        Raises:
            UserError: the checkpoints are of another config, or none is intact.
        """
        updates = self.updates()
        for update in reversed(updates):
            try:
                return self.load(update)
            except OtherConfigError:
                raise
            except UserError as error:
                if update == updates[0]:
                    raise
                warn(f"{error}; falling back to the one before")
        return None

    def prune(self, keep: Sequence[int]) -> None:
        """Deletes all checkpoints but those of the updates in `keep`."""
        for update in self.updates():
            if update not in keep:
                shutil.rmtree(self._path(update), ignore_errors=True)

    def _path(self, update: int) -> Path:
        return self.directory / f"update-{update:08d}"

    def _write(
        self, directory: Path, progress: Progress, variables: Iterable[Any]
    ) -> None:
        data = directory / "variables.npz"
        named = variables_by_path(variables)
        write_arrays({n: np.asarray(v.numpy()) for n, v in named.items()}, data)
        manifest = {
            "format_version": FORMAT_VERSION,
            "config": self.fingerprint,
            "sha256": sha256(data),
            "progress": asdict(progress),
        }
        (directory / "manifest.json").write_text(json.dumps(manifest, indent=1))

    def _manifest(self, path: Path) -> dict[str, Any]:
        file = path / "manifest.json"
        try:
            manifest = json.loads(file.read_text())
        except (OSError, ValueError) as error:
            raise UserError.at(
                file, None, "is missing or damaged; delete this checkpoint"
            ) from error
        version = manifest.get("format_version")
        if version != FORMAT_VERSION:
            raise UserError.at(
                file,
                None,
                f"has format version {version}, this program reads {FORMAT_VERSION}; "
                "use the program that wrote it",
            )
        if manifest["config"] != self.fingerprint:
            raise OtherConfigError(
                f"{path}: was trained with another config; give the config it was "
                "trained with, or another --output for a new run"
            )
        return manifest


class OtherConfigError(UserError):
    """A checkpoint belongs to another config."""


_GENERATOR_PATH = re.compile(r"(?P<name>[^/]+?)(_\d+)?/(?P<state>seed_generator_state)")


def variables_by_path(variables: Iterable[Any]) -> dict[str, Any]:
    """Keras variables by a path that is the same in every process.

    Keras numbers unnamed random generators over all models that a process has made, and
    named ones not at all; here both are numbered over `variables`.

    Raises:
        ValueError: two variables have one path, so that one would be lost.
    """
    found: dict[str, Any] = {}
    generators: Counter[str] = Counter()
    for variable in variables:
        path = str(variable.path)
        if match := _GENERATOR_PATH.fullmatch(path):
            name = match["name"]
            number = f"_{generators[name]}" if generators[name] else ""
            path = f"{name}{number}/{match['state']}"
            generators[name] += 1
        if path in found:
            raise ValueError(f"two variables have the path {path!r}")
        found[path] = variable
    return found


def assign(variables: Iterable[Any], values: Mapping[str, np.ndarray]) -> None:
    """Gives Keras variables the values stored under their paths.

    Raises:
        UserError: a value is missing or has another shape.
    """
    for path, variable in variables_by_path(variables).items():
        value = values.get(path)
        if value is None and _GENERATOR_PATH.fullmatch(path):
            # Older checkpoints have one state for all generators of a name.
            continue
        if value is None or tuple(value.shape) != tuple(variable.shape):
            raise UserError(
                f"the checkpoint does not fit the model: {path} is missing or "
                "has another shape; it was made by another version of the program"
            )
        variable.assign(value)
