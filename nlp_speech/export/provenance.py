"""What a bundle says about where it comes from: versions, commit, data, weights."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nlp_speech
from nlp_speech.bundle import FORMAT_VERSION
from nlp_speech.contract import Task
from nlp_speech.run_files import data_digests
from nlp_speech.weights import weights_by_path

if TYPE_CHECKING:
    import keras


def describe(
    task: Task, config: Any, model: keras.Model, data: Mapping[str, str] | None
) -> dict[str, Any]:
    """What `metrics.json` says before anything was exported, scored or verified.

    Args:
        task: the light side of its task.
        config: the resolved config.
        model: with its weights created.
        data: SHA-256 of each data file by name, or None to hash those the config names.
    """
    weights = weights_by_path(model)
    shapes = {name: [int(n) for n in v.shape] for name, v in weights.items()}
    packages = ("tensorflow", "keras", "tensorflow-text")
    return {
        "format_version": FORMAT_VERSION,
        "task": task.NAME,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            "nlp_speech": nlp_speech.__version__,
            **{name: version(name) for name in packages},
        },
        "seed": config.seed,
        "commit": git_commit(),
        "parameters": int(
            sum(int(v.value.shape.num_elements()) for v in weights.values())
        ),
        "data": dict(data) if data is not None else data_digests(config),
        "server": {},
        "device": {},
        "weights": shapes,
    }


def git_commit() -> str | None:
    """The commit of this library's source with ``-dirty`` if changed, or None."""
    root = Path(nlp_speech.__file__).parent
    commands = (
        ["git", "ls-files", "--error-unmatch", "bundle.py"],
        ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
    )
    output = ""
    for command in commands:
        try:
            done = subprocess.run(
                command,
                cwd=root,
                capture_output=True,
                text=True,
                timeout=20,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            return None
        output = done.stdout.strip()
    return output or None


def write_json(path: Path, content: Any) -> None:
    """Writes JSON for people to read as well, whole or not at all."""
    text = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
    # Shapes on one line; a line break inside a JSON string is never a bare one.
    text = re.sub(
        r"\[\n\s*(-?\d+(?:,\n\s*-?\d+)*)\n\s*\]",
        lambda match: f"[{' '.join(match[1].split())}]",
        text,
    )
    temporary = path.with_name(f".{path.name}.partial")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
