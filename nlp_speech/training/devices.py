"""On which devices a run computes, and which rows of a batch each of them gets.

Every device computes the loss and the gradient of its rows; their sums over all devices
are those of the whole batch. So a run on n devices is the run on one, to float rounding
and up to the random masks of dropout.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

from nlp_speech.errors import PeerLostError, UserError

Batch = dict[str, Any]


def make_strategy() -> tf.distribute.Strategy:
    """The strategy for this process: several machines, several devices or one.

    Several machines if ``TF_CONFIG`` names a cluster of several workers, as TensorFlow
    has it (`nlp-speech train --workers` sets it; TensorFlow must not have been used in
    this process before). Several devices if there is more than one GPU, or no GPU and
    more than one virtual CPU device.

    Raises:
        UserError: ``TF_CONFIG`` is not what TensorFlow expects.
    """
    if _workers() > 1:
        return tf.distribute.MultiWorkerMirroredStrategy()
    devices = tf.config.list_logical_devices("GPU")
    devices = devices or tf.config.list_logical_devices("CPU")
    if len(devices) > 1:
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    return tf.distribute.get_strategy()


class Devices:
    """The devices of a run, of which this process has some or all.

    Args:
        strategy: from `make_strategy`.

    Attributes:
        strategy: under whose scope variables are made.
        count: devices of all machines.
        local: the numbers of those of this process.
        chief: whether this process writes the run's files.
        alone: whether there is no other process.
    """

    def __init__(self, strategy: tf.distribute.Strategy) -> None:
        self.strategy = strategy
        self.count = strategy.num_replicas_in_sync
        resolver: Any = strategy.cluster_resolver
        worker = (resolver.task_id or 0) if resolver else 0
        workers = max(_workers(), 1)
        each = self.count // workers
        self.local = range(worker * each, (worker + 1) * each)
        self.chief = worker == 0
        self.alone = workers == 1

    @property
    def may_compile(self) -> bool:
        """Whether XLA may compile an update: on one CPU.

        A GPU has cuDNN, which XLA knows nothing of, and sums over devices stay outside.
        """
        return len(self.local) == 1 and not tf.config.list_logical_devices("GPU")

    def shard(self, dataset: tf.data.Dataset) -> tf.data.Dataset:
        """Splits batches of the run into tuples of batches, one for each local device.

        Device n of N gets the n-th part of a batch's rows. If N does not divide them,
        rows of zeros fill the batch up: padding of length 0, which counts nothing.
        """
        if self.count == 1:
            return dataset.map(lambda batch: (batch,))
        return dataset.map(
            lambda batch: tuple(_rows(batch, n, self.count) for n in self.local)
        )

    def place(self, shards: tuple[Batch, ...]) -> Any:
        """Gives each local device its part of a batch, as `Strategy.run` takes it."""
        if len(self.local) == 1:
            return shards[0]
        first = self.local.start
        distribute: Any = self.strategy.experimental_distribute_values_from_function
        return distribute(lambda c: shards[c.replica_id_in_sync_group - first])

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Calls `function` on every device with its own part of the arguments."""
        return self.strategy.run(function, args=arguments)

    def first(self, values: Any) -> Any:
        """What the first local device has, of results that are equal on all."""
        results: Any = self.strategy.experimental_local_results(values)
        return results[0]

    def wait(self) -> None:
        """Returns when all machines have come here."""
        if _workers() > 1:
            self.run(lambda: sum_over_devices([tf.ones([])]))


@contextmanager
def noticing_lost_peers() -> Iterator[None]:
    """Tells that another machine has gone, where TensorFlow names its sockets.

    Raises:
        PeerLostError: the machines of a run could not go on together.
    """
    errors = tf.errors
    try:
        yield
    except (
        errors.UnavailableError,
        errors.AbortedError,
        errors.CancelledError,
        errors.DeadlineExceededError,
        errors.FailedPreconditionError,
        errors.InternalError,
    ) as error:
        if _workers() < 2:
            raise
        first = str(error).splitlines()[0]
        raise PeerLostError(
            f"another worker has gone ({first}); start all again with --resume"
        ) from error


def sum_over_devices(values: list[Any]) -> list[Any]:
    """The sums of tensors over all devices; to be called on each device."""
    context: Any = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return values
    # A tensor that was made elsewhere has no device to be summed on.
    here = [tf.identity(value) for value in values]
    return context.all_reduce(tf.distribute.ReduceOp.SUM, here)


def _rows(batch: Batch, number: int, count: int) -> Batch:
    def part(x: Any) -> Any:
        each = -(-(x.shape[0] or tf.shape(x)[0]) // count)
        rows = x[number * each : (number + 1) * each]
        missing = each - tf.shape(rows)[0]
        padding = [[0, missing]] + [[0, 0]] * (len(x.shape) - 1)
        return tf.ensure_shape(
            tf.pad(rows, padding),
            [each if isinstance(each, int) else None, *x.shape[1:]],
        )

    return {name: part(x) for name, x in batch.items()}


def _workers() -> int:
    text = os.environ.get("TF_CONFIG", "")
    if not text:
        return 0
    try:
        return len(json.loads(text)["cluster"]["worker"])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            "the environment variable TF_CONFIG is not a cluster's "
            '{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", '
            '"index": n}}; set it right, or use --workers'
        ) from error
