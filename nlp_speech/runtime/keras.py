"""Runs a bundle with its Keras model, rebuilt from its config and its variables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from nlp_speech.bundle import WEIGHTS_PREFIX, Bundle
from nlp_speech.contract import Endpoint, TrainingTask, load_training_task
from nlp_speech.errors import UserError
from nlp_speech.runtime.saved_model import limit_threads
from nlp_speech.weights import check_same_weights, weights_by_path

if TYPE_CHECKING:
    import keras


class KerasPredictor:
    """A `contract.Predictor` over a task's endpoints on a live Keras model.

    Args:
        endpoints: what can be run, by name.
        eager: run operation by operation, for finding faults; slow.
        threads: threads of TensorFlow, or None for its own choice.
    """

    runtime = "keras"
    max_batch_size: int | None = None

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        eager: bool = False,
        threads: int | None = None,
    ) -> None:
        """Wraps the endpoints; see the class."""
        limit_threads(threads)
        self._functions: dict[str, Callable[..., Any]] = {
            name: endpoint.function if eager else _graph(endpoint)
            for name, endpoint in endpoints.items()
        }
        self._signatures = {n: dict(e.signature) for n, e in endpoints.items()}

    @classmethod
    def from_bundle(
        cls, bundle: Bundle, eager: bool = False, threads: int | None = None
    ) -> KerasPredictor:
        """The predictor of a bundle, its model restored.

        Raises:
            UserError: the weights of the bundle are not those of the model.
        """
        limit_threads(threads)
        training_task = load_training_task(bundle.task.NAME)
        assets = bundle.load_assets()
        model = restore_model(bundle, training_task, assets)
        endpoints = training_task.endpoints(bundle.config, assets, model)
        return cls(endpoints, eager, threads)

    @property
    def endpoints(self) -> tuple[str, ...]:
        """The names of what can be run."""
        return tuple(self._functions)

    def __call__(
        self, endpoint: str, arrays: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Runs `endpoint` on named arrays with a leading batch axis.

        Raises:
            UserError: the task has no such endpoint.
        """
        if endpoint not in self._functions:
            have = ", ".join(self._functions)
            raise UserError(f"the task has no endpoint {endpoint!r}; it has: {have}")
        specs = self._signatures[endpoint]
        tensors = {n: tf.constant(v, specs[n].dtype) for n, v in arrays.items()}
        outputs = self._functions[endpoint](**tensors)
        return {name: value.numpy() for name, value in outputs.items()}


def _graph(endpoint: Endpoint) -> Callable[..., Any]:
    return traced(endpoint.function, endpoint.signature)


def traced(
    function: Callable[..., dict[str, Any]], signature: Mapping[str, Any]
) -> Any:
    """`function` as a graph of exactly the tensors of `signature`, by keyword."""

    def call(**tensors: Any) -> dict[str, Any]:
        outputs = function(**tensors)
        return {name: tf.identity(value, name=name) for name, value in outputs.items()}

    graph = tf.function(call, autograph=False)
    specs = {
        name: tf.TensorSpec(spec.shape, spec.dtype, name=name)
        for name, spec in signature.items()
    }
    graph.get_concrete_function(**specs)
    return graph


def restore_model(
    bundle: Bundle, training_task: TrainingTask, assets: Any
) -> keras.Model:
    """Builds the model of a bundle and sets its weights by variable path.

    Args:
        bundle: where `variables/` is.
        training_task: the TensorFlow side of its task.
        assets: what `Bundle.load_assets` returned.

    Raises:
        UserError: the weights of the bundle are not those of the model.
    """
    model = training_task.build(bundle.config, assets)
    restore_weights(model, bundle.path, bundle.metrics["weights"])
    return model


def restore_weights(
    model: keras.Model, directory: Path, shapes: Mapping[str, list[int]]
) -> None:
    """Sets the weights of a model from the `variables/` of a SavedModel.

    Args:
        model: with its weights created.
        directory: the SavedModel, whose `weights` collection is sorted by path.
        shapes: the shape of each weight by path, as they were exported.

    Raises:
        UserError: the weights are not those of the model.
    """
    variables = weights_by_path(model)
    sizes = {name: tuple(shape) for name, shape in shapes.items()}
    check_same_weights(directory, variables, sizes)
    checkpoint = tf.train.Checkpoint(weights=[v.value for v in variables.values()])
    status = checkpoint.read(str(directory / WEIGHTS_PREFIX))
    status.assert_existing_objects_matched()
