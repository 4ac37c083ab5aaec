"""Which implementation of a computation runs: that of the device at hand.

A graph for this process is traced for the device that it is traced on. A server's graph
holds the implementations for CPU and for GPU, and the server's own TensorFlow takes the
one for the device that it has: Grappler exchanges the call of a function for another
that has the same ``api_implements`` and the right ``api_preferred_device``. That is how
Keras 2 made its recurrent layers portable; Keras 3 has no such thing.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal

import tensorflow as tf
from tensorflow.python.ops.control_flow_util import GraphOrParentsInXlaContext

Tensor = Any
Tensors = tuple[Tensor, ...]
Body = Callable[..., Tensors]
Target = Literal["here", "server", "device"]

_target: ContextVar[Target] = ContextVar("target", default="here")


@contextmanager
def traced_for(target: Target) -> Iterator[None]:
    """What is traced inside is for this process, a server, or a device's file.

    Args:
        target: ``here``; ``server``, a SavedModel for machines with and without a GPU;
            or ``device``, operations that convert to TFLite.
    """
    token = _target.set(target)
    try:
        yield
    finally:
        _target.reset(token)


def run(cpu: Body, gpu: Body, inputs: Tensors) -> Tensors:
    """Computes by the implementation for the device at hand.

    Args:
        cpu: takes the inputs as they are; depends on no other tensor or variable.
        gpu: the same for a GPU; its results are of the same types and shapes.
        inputs: tensors.

    Returns:
        What either returns.
    """
    if _target.get() == "server" and not tf.executing_eagerly():
        return _exchangeable(cpu, gpu, inputs)
    return (gpu if on_gpu() else cpu)(*inputs)


def on_gpu() -> bool:
    """Whether what is computed or traced now is for a GPU of this process.

    XLA counts as no GPU here, since it compiles none of its libraries' kernels.
    """
    if _target.get() != "here" or not tf.config.list_logical_devices("GPU"):
        return False
    if tf.executing_eagerly():
        return "GPU" in tf.zeros([]).device
    graph = tf.compat.v1.get_default_graph()
    if GraphOrParentsInXlaContext(graph):
        return False
    # Without a device scope an operation has no device yet, and will get the GPU.
    return "CPU" not in tf.no_op().device


def _exchangeable(cpu: Body, gpu: Body, inputs: Tensors) -> Tensors:
    # Functions of one name are taken for each other wherever a process meets them, so
    # that each pair in the world needs a name of its own.
    name = f"nlp_speech_{uuid.uuid4().hex}"
    specs = [tf.TensorSpec(x.shape, x.dtype) for x in inputs]
    other = _implementation(gpu, name, "GPU").get_concrete_function(*specs)
    other.add_to_graph(tf.compat.v1.get_default_graph())
    return _implementation(cpu, name, "CPU")(*inputs)


def _implementation(body: Body, name: str, device: str) -> Any:
    return tf.function(
        body,
        autograph=False,
        experimental_attributes={
            "api_implements": name,
            "api_preferred_device": device,
        },
    )
