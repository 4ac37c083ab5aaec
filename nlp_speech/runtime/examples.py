"""The examples that a bundle is run on: those of a split, or some of them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nlp_speech.contract import Task
from nlp_speech.errors import UserError


def draw(count: int, limit: int | None, seed: int) -> list[int]:
    """Chooses rows that stand for all of them, in their order.

    The first ones of a file may all be of one kind: of one class, from one speaker.

    Args:
        count: of all rows.
        limit: so many at most, or None for all.
        seed: of the draw.
    """
    if limit is None or limit >= count:
        return list(range(count))
    order = np.random.default_rng(seed).permutation(count)
    return sorted(order[:limit].tolist())


def examples_of(
    task: Task,
    config: Any,
    assets: Any,
    split: str,
    files: Sequence[Path] = (),
    limit: int | None = None,
) -> tuple[list[str], list[Any]]:
    """The inputs of a split and their references; see `Task.references`.

    Where the config skips what is bad, inputs that cannot be read are left out.

    Args:
        task: the light side of a task.
        config: of the experiment.
        assets: what the task learned from the data.
        split: of the config.
        files: read instead of the split, if there are any.
        limit: so many examples at most, drawn by the config's seed; None for all.

    Raises:
        UserError: as `Task.references`, or no input can be read.
    """
    inputs, references = task.references(config, split, files)
    some = draw(len(inputs), limit, config.seed)
    inputs, references = [inputs[n] for n in some], [references[n] for n in some]
    if not getattr(config.data, "skip_bad", False):
        return inputs, references
    kept = [n for n, given in enumerate(inputs) if _can_be_read(task, given, assets)]
    bad, place = len(inputs) - len(kept), split or files[0]
    if not kept:
        raise UserError(f"{place}: none of {bad} inputs can be read; mend the data")
    if bad:
        message = "%s: %d of %d inputs cannot be read and are left out"
        logging.getLogger(__name__).warning(message, place, bad, len(inputs))
    return [inputs[n] for n in kept], [references[n] for n in kept]


def _can_be_read(task: Task, given: str, assets: Any) -> bool:
    try:
        task.before(task.DEVICE_ENDPOINT, [given], assets)
    except UserError:
        return False
    return True
