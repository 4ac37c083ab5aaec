"""An answer shown while it is being written."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import numpy as np

from nlp_speech.errors import UserError
from nlp_speech.runtime import Model


def growing_answers(model: Model, given: str, step: int = 2) -> Iterator[Any]:
    """The answer to an input as it grows.

    Each is the best beginning that the search has found by then; a later one may say
    something else. The last one is what `model` answers at once.

    Args:
        model: of a task that can stop early, such as summarization.
        given: the input.
        step: pieces that each answer may have more than the one before.

    Raises:
        UserError: the task's answers come at once.
    """
    endpoint = getattr(model.task, "PARTIAL_ENDPOINT", None)
    if endpoint is None:
        raise UserError(f"the answers of a {model.task.NAME} model come at once")
    arrays = model.task.before(endpoint, [given], model.assets)
    for most in count(step, step):
        limit = {"most": np.array([most], np.int32)}
        outputs = model.predictor(endpoint, {**arrays, **limit})
        if outputs["lengths"][0, 0] < most:
            break
        yield model.task.after(endpoint, outputs, [given], model.assets)[0]
    yield model([given])[0]
