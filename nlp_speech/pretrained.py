"""A trained model that another one begins with: a bundle or a finished run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nlp_speech.bundle import METRICS_FILE, WEIGHTS_PREFIX, Bundle, versions
from nlp_speech.config import read_config
from nlp_speech.errors import UserError
from nlp_speech.weights import read_arrays


@dataclass(frozen=True)
class Pretrained:
    """What is taken from a trained model.

    Attributes:
        path: the run or the version directory.
        config: the config it was made from.
        assets: the directory of what it learned besides weights, such as its tokenizer.
        weights: by variable path.
    """

    path: Path
    config: Any
    assets: Path
    weights: Mapping[str, np.ndarray]


def read_pretrained(name: str, *tasks: str) -> Pretrained:
    """Reads a trained model.

    Args:
        name: the path of a run, of a bundle's version or of a bundle's name (then the
            newest version); relative to the working directory, as on the command line.
        tasks: whose model it may be.

    Raises:
        UserError: there is none, it is not finished or damaged, or of another task.
    """
    wanted = " or ".join(tasks)
    path = Path(name).expanduser()
    if not path.is_dir():
        raise UserError.at(
            path,
            None,
            f"there is no trained model; train or export a {wanted} there, or name "
            "another (paths are relative to the working directory)",
        )
    is_bundle = (path / METRICS_FILE).is_file() or bool(versions(path))
    found = _of_bundle(path) if is_bundle else _of_run(path)
    if found.config.task not in tasks:
        raise UserError.at(
            path, None, f"this is a model of {found.config.task}; name a {wanted}"
        )
    return found


def _of_run(path: Path) -> Pretrained:
    weights = path / "weights.npz"
    if not weights.is_file():
        raise UserError.at(
            path,
            None,
            "this is no bundle and no finished run (there is no weights.npz); finish "
            "its training, or name another",
        )
    config = read_config(path / "config.yaml")
    return Pretrained(path, config, path / "assets", read_arrays(weights))


def _of_bundle(path: Path) -> Pretrained:
    import tensorflow as tf

    bundle = Bundle.open(path)
    reader = tf.train.load_checkpoint(str(bundle.path / WEIGHTS_PREFIX))
    # The collection is sorted by path; see `export.saved_model`.
    weights = {
        name: reader.get_tensor(f"weights/{n}/.ATTRIBUTES/VARIABLE_VALUE")
        for n, name in enumerate(sorted(bundle.metrics["weights"]))
    }
    return Pretrained(bundle.path, bundle.config, bundle.path, weights)
