"""A trained model that another one begins with: a bundle or a finished run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nlp_speech.bundle import METRICS_FILE, WEIGHTS_PREFIX, Bundle, versions
from nlp_speech.config import read_config
from nlp_speech.errors import UserError
from nlp_speech.weights import read_arrays

# Its name begins with a dot, so that it stays in the run: a bundle does not need it.
PRETRAINED_FILE = ".pretrained.npz"
_RUN_WEIGHTS = "weights.npz"


@dataclass(frozen=True)
class Trained:
    """A trained model, without its weights.

    Attributes:
        path: the run or the version directory.
        config: the config it was made from.
        assets: the directory of what it learned besides weights, such as its tokenizer.
    """

    path: Path
    config: Any
    assets: Path


@dataclass(frozen=True)
class Pretrained(Trained):
    """What is taken from a trained model.

    Attributes:
        weights: by variable path.
    """

    weights: Mapping[str, np.ndarray]


def read_pretrained(name: str, *tasks: str) -> Pretrained:
    """Reads a trained model; imports TensorFlow if it is a bundle.

    Args:
        name: see `find_trained`.
        tasks: whose model it may be.

    Raises:
        UserError: there is none, it is not finished or damaged, or of another task.
    """
    found = find_trained(name, *tasks)
    run = found.path / _RUN_WEIGHTS
    weights = read_arrays(run) if run.is_file() else _bundle_weights(found.path)
    return Pretrained(found.path, found.config, found.assets, weights)


def find_trained(name: str, *tasks: str) -> Trained:
    """Opens a trained model, all but its weights.

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


def check_same(
    found: Trained, what: str, config: Any, section: str, names: Iterable[str]
) -> None:
    """Checks that values of a section are those that a trained model was made with.

    Args:
        found: the model.
        what: a word for it.
        config: of the model that begins with it.
        section: of both configs.
        names: the values.

    Raises:
        UserError: one differs.
    """
    theirs, ours = getattr(found.config, section), getattr(config, section)
    for name in names:
        if getattr(theirs, name) != getattr(ours, name):
            raise UserError.at(
                found.path,
                None,
                f"this {what} has {section}.{name} {getattr(theirs, name)} and the "
                f"config {getattr(ours, name)}; give both the same",
            )


def _of_run(path: Path) -> Trained:
    if not (path / _RUN_WEIGHTS).is_file():
        raise UserError.at(
            path,
            None,
            f"this is no bundle and no finished run (there is no {_RUN_WEIGHTS}); "
            "finish its training, or name another",
        )
    return Trained(path, read_config(path / "config.yaml"), path / "assets")


def _of_bundle(path: Path) -> Trained:
    bundle = Bundle.open(path)
    return Trained(bundle.path, bundle.config, bundle.path)


def _bundle_weights(path: Path) -> dict[str, np.ndarray]:
    import tensorflow as tf

    bundle = Bundle.open(path)
    reader = tf.train.load_checkpoint(str(bundle.path / WEIGHTS_PREFIX))
    # The collection is sorted by path; see `export.saved_model`.
    return {
        name: reader.get_tensor(f"weights/{n}/.ATTRIBUTES/VARIABLE_VALUE")
        for n, name in enumerate(sorted(bundle.metrics["weights"]))
    }
