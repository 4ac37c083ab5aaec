"""Runs a bundle's SavedModel with TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  (registers the text ops a graph may hold)

from nlp_speech.errors import UserError


class SavedModelPredictor:
    """A `contract.Predictor` over the signatures of a SavedModel.

    Args:
        path: the SavedModel's directory.
        threads: threads of TensorFlow, or None for its own choice.

    Raises:
        UserError: TensorFlow cannot read the directory.
    """

    runtime = "saved_model"
    max_batch_size: int | None = None

    def __init__(self, path: Path, threads: int | None = None) -> None:
        """Loads the SavedModel; see the class."""
        limit_threads(threads)
        try:
            # Kept: signatures do not keep alive the object they belong to.
            self._loaded: Any = tf.saved_model.load(str(path))
        except (OSError, ValueError, tf.errors.OpError) as error:
            first = str(error).splitlines()[0]
            raise UserError.at(
                path, None, f"TensorFlow cannot load this SavedModel ({first})"
            ) from error

    @property
    def endpoints(self) -> tuple[str, ...]:
        """The names of what can be run."""
        return tuple(self._loaded.signatures)

    def signatures(self) -> dict[str, dict[str, dict[str, tuple[str, list[int]]]]]:
        """Types and shapes (-1: any) of each endpoint's `inputs` and `outputs`."""
        return {
            name: {
                "inputs": _described(function.structured_input_signature[1]),
                "outputs": _described(function.structured_outputs),
            }
            for name, function in sorted(self._loaded.signatures.items())
            if name != "serving_default"
        }

    def __call__(
        self, endpoint: str, arrays: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Runs `endpoint` on named arrays with a leading batch axis.

        Raises:
            UserError: the SavedModel has no such endpoint.
        """
        if endpoint not in self._loaded.signatures:
            have = ", ".join(self._loaded.signatures)
            raise UserError(
                f"the SavedModel has no endpoint {endpoint!r}; it has: {have}"
            )
        tensors = {name: tf.constant(value) for name, value in arrays.items()}
        outputs = self._loaded.signatures[endpoint](**tensors)
        return {name: value.numpy() for name, value in outputs.items()}


def _described(specs: Mapping[str, Any]) -> dict[str, tuple[str, list[int]]]:
    return {
        name: (
            spec.dtype.name,
            [] if spec.shape.rank is None else [n or -1 for n in spec.shape.as_list()],
        )
        for name, spec in sorted(specs.items())
    }


def limit_threads(threads: int | None) -> None:
    """Lets TensorFlow use at most `threads` threads for an operation and for a graph.

    Raises:
        UserError: TensorFlow already runs with another number.
    """
    if threads is None:
        return
    config = tf.config.threading
    if config.get_intra_op_parallelism_threads() == threads:
        return
    try:
        config.set_intra_op_parallelism_threads(threads)
        config.set_inter_op_parallelism_threads(threads)
    except RuntimeError as error:
        raise UserError(
            "threads can only be set before TensorFlow is first used in a process; "
            "start a new one"
        ) from error
