"""The folder a trained model lives in: what is in it, opened and checked in one place.

A bundle is a version directory, named by a whole number, that TensorFlow loads as a
SavedModel as it is. Beside `saved_model.pb`, `variables/` and `assets/` it holds the
device files, what the task learned from its data (a tokenizer, for one), `config.yaml`,
`metrics.json`, `samples.jsonl` and `README.md`. `metrics.json` has the size and SHA-256
of every other file except the card, which a person may edit. No TensorFlow is imported.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from nlp_speech.config import read_config
from nlp_speech.contract import Task, load_task
from nlp_speech.errors import UserError
from nlp_speech.files import sha256

FORMAT_VERSION = 1
"""Raised whenever an older library could misread a bundle."""

CONFIG_FILE = "config.yaml"
METRICS_FILE = "metrics.json"
SAMPLES_FILE = "samples.jsonl"
CARD_FILE = "README.md"
WEIGHTS_PREFIX = "variables/variables"
SAVED_MODEL_FILE = "saved_model.pb"

TEXT_VARIANT = "text"
VARIANT_FILES = {
    "dynamic": "model.tflite",
    "float": "model.float.tflite",
    "float16": "model.float16.tflite",
    TEXT_VARIANT: "model.text.tflite",
}
"""The device file of each variant: what is done to the weights, and its name."""

RESERVED_NAMES = frozenset(
    {
        CONFIG_FILE,
        METRICS_FILE,
        SAMPLES_FILE,
        CARD_FILE,
        SAVED_MODEL_FILE,
        "fingerprint.pb",
        "variables",
        "assets",
        *VARIANT_FILES.values(),
    }
)
_UNCHECKED = frozenset({METRICS_FILE, CARD_FILE})
_REMEDY = "export or copy the bundle again"


@dataclass(frozen=True)
class Bundle:
    """An opened bundle, its files checked.

    Attributes:
        path: the version directory.
        task: the light side of its task.
        config: the resolved config it was made from.
        metrics: the contents of `metrics.json`.
    """

    path: Path
    task: Task
    config: Any
    metrics: Mapping[str, Any]

    @classmethod
    def open(cls, path: Path | str) -> Bundle:
        """Opens and checks a bundle.

        Args:
            path: a version directory, or the directory of a name: then its newest
                version.

        Raises:
            UserError: it is missing, of another format version, or a file is missing,
                cut short or changed.
        """
        directory = find_version(Path(path))
        metrics = _read_metrics(directory)
        _check_files(directory, metrics)
        task = load_task(str(metrics["task"]))
        config = read_config(directory / CONFIG_FILE)
        return cls(directory, task, config, metrics)

    @property
    def name(self) -> str:
        """The name and version, such as ``translation_en_de/1``."""
        path = self.path.resolve()
        return f"{path.parent.name}/{path.name}"

    @property
    def license(self) -> str:
        """The licence of the bundle, or an empty string if it was not stated."""
        return str(self.config.card.license)

    @property
    def data_licenses(self) -> tuple[str, ...]:
        """The licences of the data it was trained on."""
        return tuple(self.config.card.data_licenses)

    @property
    def variants(self) -> tuple[str, ...]:
        """The variants whose device file is here."""
        return tuple(n for n, f in VARIANT_FILES.items() if (self.path / f).is_file())

    @property
    def usual_variant(self) -> str:
        """The variant that runs if none is named: ``dynamic`` if it is here."""
        return (*self.variants, "dynamic")[0]

    def device_file(self, variant: str) -> Path:
        """The device file of a variant.

        Raises:
            UserError: there is no such variant, or it is not in this bundle.
        """
        if variant not in VARIANT_FILES:
            choices = ", ".join(VARIANT_FILES)
            raise UserError(
                f"there is no variant {variant!r}; choose one of: {choices}"
            )
        path = self.path / VARIANT_FILES[variant]
        if not path.is_file():
            have = ", ".join(self.variants) or "none"
            text = variant == TEXT_VARIANT
            option = "--text-to-text" if text else f"--quantize {variant}"
            raise UserError.at(
                self.path,
                None,
                f"no {variant} device file here (there is: {have}); export again with "
                f"{option}",
            )
        return path

    def load_assets(self) -> Any:
        """What the task learned from its data, from the files beside the model."""
        return self.task.load_assets(self.config, self.path)

    def samples(self) -> list[dict[str, str]]:
        """The hand-written inputs with the outputs found when it was exported."""
        lines = (self.path / SAMPLES_FILE).read_text(encoding="utf-8").split("\n")
        return [json.loads(line) for line in lines if line]


def versions(directory: Path) -> list[int]:
    """The versions of a name that are in its directory, in order."""
    if not directory.is_dir():
        return []
    names = [p.name for p in directory.iterdir() if p.is_dir()]
    return sorted(int(n) for n in names if is_version(n))


def is_version(name: str) -> bool:
    """Says whether a directory name is a version: a whole number, written plainly."""
    return name.isascii() and name.isdigit() and str(int(name)) == name


def find_version(path: Path) -> Path:
    """The version directory that `path` means.

    Args:
        path: a version directory, or the directory of a name: then its newest version.

    Raises:
        UserError: there is no bundle.
    """
    if not path.exists():
        raise UserError.at(path, None, "there is no such bundle")
    if not path.is_dir():
        raise UserError.at(path, None, "a bundle is a directory, this is a file")
    if _holds_files(path):
        return path
    found = versions(path)
    if not found:
        raise UserError.at(
            path, None, f"no {METRICS_FILE} and no numbered version here; not a bundle"
        )
    return path / str(found[-1])


def is_bundle(path: Path) -> bool:
    """Whether `path` is a version directory, or holds some."""
    return _holds_files(path) or bool(versions(path))


def _holds_files(path: Path) -> bool:
    return (path / METRICS_FILE).is_file() or (path / SAVED_MODEL_FILE).is_file()


def file_digests(directory: Path) -> dict[str, dict[str, Any]]:
    """Size in bytes and SHA-256 of the files that a bundle answers for, by name."""
    files = sorted(p for p in directory.rglob("*") if p.is_file())
    names = {p.relative_to(directory).as_posix(): p for p in files}
    return {
        name: {"bytes": path.stat().st_size, "sha256": sha256(path)}
        for name, path in names.items()
        if name not in _UNCHECKED
    }


def _read_metrics(directory: Path) -> dict[str, Any]:
    path = directory / METRICS_FILE
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError.at(path, None, f"this file is missing; {_REMEDY}") from error
    except (OSError, ValueError) as error:
        raise UserError.at(
            path, None, f"this file cannot be read as JSON; {_REMEDY}"
        ) from error
    if not isinstance(metrics, dict) or not {"format_version", "task", "files"} <= set(
        metrics
    ):
        raise UserError.at(path, None, f"this is not a bundle's description; {_REMEDY}")
    found = metrics["format_version"]
    if found != FORMAT_VERSION:
        raise UserError.at(
            path,
            None,
            f"this bundle has format version {found}, and this nlp_speech reads "
            f"{FORMAT_VERSION}; export it again or use the nlp_speech that made it",
        )
    return cast(dict[str, Any], metrics)


def _check_files(directory: Path, metrics: Mapping[str, Any]) -> None:
    for name, expected in metrics["files"].items():
        path = directory / name
        if not path.is_file():
            raise UserError.at(path, None, f"this file is missing; {_REMEDY}")
        size = path.stat().st_size
        if size != expected["bytes"]:
            state = "cut short" if size < expected["bytes"] else "changed"
            raise UserError.at(
                path,
                None,
                f"this file is {state}, {size} bytes where {expected['bytes']} were "
                f"written; {_REMEDY}",
            )
        if sha256(path) != expected["sha256"]:
            raise UserError.at(
                path, None, f"this file is not as it was written; {_REMEDY}"
            )
