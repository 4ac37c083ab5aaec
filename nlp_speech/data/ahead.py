"""Epochs that are made in the background while the one before is used."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")


class EpochsAhead(Generic[T]):
    """Makes each epoch once, in one thread, and keeps it while it may be needed.

    Args:
        make: what makes an epoch from its number, counted from 0.
        first: epoch 0, which has been made already.
    """

    def __init__(self, make: Callable[[int], T], first: T) -> None:
        self._make = make
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="next-epoch")
        self._epochs: dict[int, Future[T]] = {0: Future()}
        self._epochs[0].set_result(first)

    def __getitem__(self, epoch: int) -> T:
        """An epoch; waits until it is made."""
        self.prepare(epoch)
        return self._epochs[epoch].result()

    def prepare(self, epoch: int) -> None:
        """Starts to make an epoch, and forgets those before the previous one."""
        if epoch not in self._epochs:
            self._epochs = {n: e for n, e in self._epochs.items() if n == epoch - 1}
            self._epochs[epoch] = self._worker.submit(self._make, epoch)
