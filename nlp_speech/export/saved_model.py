"""Writes endpoints as SavedModels: one for the server, one for the converter.

They are kept apart because a SavedModel that holds a lookup table or a text operation,
in any signature, does not convert to built-in device operations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from nlp_speech.contract import Endpoint
from nlp_speech.layers.choice import traced_for
from nlp_speech.runtime.keras import traced
from nlp_speech.weights import weights_by_path

if TYPE_CHECKING:
    from tensorflow.python.trackable.base import Trackable


def write_saved_model(
    model: keras.Model,
    endpoints: Mapping[str, Endpoint],
    default: str,
    directory: Path,
) -> None:
    """Writes the server's SavedModel: every endpoint, for any batch size.

    Args:
        model: with its weights created; they are saved once, as the collection
            `weights` sorted by path, and neither the optimizer nor random states are.
        endpoints: what is exported, by name.
        default: the endpoint that is also called ``serving_default``.
        directory: where to write; made if need be.
    """
    archive = _archive(model)
    # An archive saves a resource, such as a table, only if it was told of it. The model
    # is held by a module because tracking it itself would save its variables twice.
    holder = tf.Module()
    holder.resources = [model]  # pyright: ignore[reportAttributeAccessIssue]
    archive.track(holder)
    _track(archive, endpoints)
    served = [name for name in endpoints if not endpoints[name].text_operators]
    # The first one is what the archive makes the default.
    for name in sorted(served, key=lambda n: (n != default, n)):
        endpoint = endpoints[name]
        with traced_for("server"):
            function = traced(endpoint.function, endpoint.signature)
        archive.add_endpoint(name, function)
    archive.write_out(str(directory), verbose=False)


def write_device_model(
    model: keras.Model, endpoints: Mapping[str, Endpoint], directory: Path
) -> list[str]:
    """Writes what the converter reads: endpoints of the device only, batch size 1.

    Args:
        model: with its weights created.
        endpoints: those without a device signature are left out.
        directory: where to write.

    Returns:
        The names of the endpoints written; nothing is written if there are none.
    """
    archive = _archive(model)
    # A resource of a server's endpoint, such as a table, would not convert.
    _track(archive, {n: e for n, e in endpoints.items() if e.text_operators})
    names = [n for n in sorted(endpoints) if endpoints[n].device_signature is not None]
    for name in names:
        endpoint = endpoints[name]
        assert endpoint.device_signature is not None
        with traced_for("device"):
            function = traced(endpoint.function, endpoint.device_signature)
        archive.add_endpoint(name, function)
    if names:
        archive.write_out(str(directory), verbose=False)
    return names


def _track(archive: Any, endpoints: Mapping[str, Endpoint]) -> None:
    """Keeps what the endpoints hold besides the model: tokenizers."""
    for endpoint in endpoints.values():
        for resource in trackables(endpoint.function):
            if not isinstance(resource, keras.layers.Layer):
                archive.track(resource)


def _archive(model: keras.Model) -> Any:
    archive: Any = keras.export.ExportArchive()
    variables = [variable.value for variable in weights_by_path(model).values()]
    archive.add_variable_collection("weights", variables)
    return archive


def trackables(function: Any) -> Iterator[Trackable]:
    """The TensorFlow objects a function holds: its owner and what it closes over."""
    kind = tf.__internal__.tracking.Trackable
    seen: set[int] = set()
    waiting = [function]
    while waiting:
        held = waiting.pop()
        if id(held) in seen:
            continue
        seen.add(id(held))
        if isinstance(held, kind) and not isinstance(held, tf.Variable):
            yield held
        waiting.extend(_held_by(held))


def _held_by(held: Any) -> list[Any]:
    if isinstance(held, partial):
        return [held.func, *held.args, *held.keywords.values()]
    found: list[Any] = [getattr(held, "__self__", None)]
    found.append(getattr(held, "__wrapped__", None))
    found.append(getattr(held, "python_function", None))
    for cell in getattr(held, "__closure__", None) or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:  # a name that was not given a value yet
            continue
    return [f for f in found if f is not None]
