"""A model's weights by variable path, in one NumPy file.

A path is what Keras calls the variable, without the model's own name: a model built
twice in a process is numbered by Keras, and its weights are still the same weights.
Layers must therefore have names of their own. No TensorFlow is imported here.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nlp_speech.errors import UserError
from nlp_speech.files import replacing

if TYPE_CHECKING:
    import keras


def weights_by_path(model: keras.Model) -> dict[str, Any]:
    """The Keras variables of a built model by path, sorted by path.

    Args:
        model: a model with its weights created; the states of its random generators and
            metrics are not weights.

    Raises:
        ValueError: two weights have one path; name the layers apart.
    """
    prefix = f"{model.name}/"
    found: dict[str, Any] = {}
    for variable in model.weights:
        path = str(variable.path).removeprefix(prefix)
        if path in found:
            raise ValueError(f"two weights are called {path!r}; name the layers apart")
        found[path] = variable
    return dict(sorted(found.items()))


def save_weights(model: keras.Model, path: Path) -> None:
    """Writes the weights of `model` to `path` (.npz), whole or not at all.

    Raises:
        UserError: the file cannot be written.
    """
    arrays = {k: np.asarray(v.numpy()) for k, v in weights_by_path(model).items()}
    write_arrays(arrays, path)


def write_arrays(arrays: Mapping[str, np.ndarray], path: Path) -> None:
    """Writes named arrays to `path` (.npz), whole or not at all.

    Raises:
        UserError: the file cannot be written.
    """
    with replacing(path) as file:
        np.savez(file, **dict(arrays))  # pyright: ignore[reportArgumentType]


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Reads what `write_arrays` wrote.

    Raises:
        UserError: the file is missing, cut short or not a weights file.
    """
    damaged = "this weights file is cut short or damaged; train or copy it again"
    try:
        # Opened here, because np.load leaves a file it cannot read open.
        with path.open("rb") as file:
            arrays = np.load(file, allow_pickle=False)
            if not isinstance(arrays, np.lib.npyio.NpzFile):
                raise UserError.at(path, None, "this is not a weights file (.npz)")
            with arrays:
                return {name: arrays[name] for name in arrays.files}
    except FileNotFoundError as error:
        raise UserError.at(path, None, "there is no such weights file") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError.at(path, None, damaged) from error


def load_weights(model: keras.Model, path: Path) -> None:
    """Sets every weight of `model` from the file `path`, or changes nothing.

    Raises:
        UserError: the file is damaged, or its weights are not exactly those of `model`.
    """
    variables = weights_by_path(model)
    arrays = read_arrays(path)
    shapes = {k: tuple(v.shape) for k, v in arrays.items()}
    check_same_weights(path, variables, shapes)
    for name, variable in variables.items():
        variable.assign(arrays[name])


def check_same_weights(
    path: Path, variables: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]
) -> None:
    """Compares the weights of a model with those a file has.

    Args:
        path: the file, for the message.
        variables: the model's variables by path.
        shapes: the file's shapes by path.

    Raises:
        UserError: names the first weight that differs.
    """
    remedy = "use the config it was trained with"
    for name in variables:
        if name not in shapes:
            raise UserError.at(path, None, f"it has no weight {name!r}; {remedy}")
    for name in shapes:
        if name not in variables:
            raise UserError.at(
                path, None, f"the model has no weight {name!r}; {remedy}"
            )
    for name, variable in variables.items():
        wanted = tuple(variable.shape)
        if wanted != tuple(shapes[name]):
            raise UserError.at(
                path,
                None,
                f"weight {name!r} has shape {tuple(shapes[name])} where the model has "
                f"{wanted}; {remedy}",
            )
