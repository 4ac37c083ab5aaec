"""An answer shown while it is being written."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import numpy as np

from nlp_speech.errors import UserError
from nlp_speech.runtime import Model


def growing_answers(model: Model, given: str, step: int = 2) -> Iterator[Any]:
    """The beginnings of the answer to an input, as it is written.

    Each is the best text of at most so many pieces: what the search would answer if it
    had to end there. So a later one may say something else, and the last one need not
    be the whole answer; that is what `model` answers.

    Args:
        model: of a task that can stop early, such as summarization.
        given: the input.
        step: pieces that each may have more than the one before.

    Raises:
        UserError: the task's answers come at once.
    """
    endpoint = partial_endpoint(model)
    arrays = model.task.before(endpoint, [given], model.assets)
    for most in count(step, step):
        limit = {"most": np.array([most], np.int32)}
        outputs = model.predictor(endpoint, {**arrays, **limit})
        yield model.task.after(endpoint, outputs, [given], model.assets)[0]
        if outputs["lengths"][0, 0] < most:
            return


def partial_endpoint(model: Model) -> str:
    """The endpoint that stops early.

    Raises:
        UserError: there is none.
    """
    endpoint = model.task.EXTRAS.partial_endpoint
    if endpoint is None:
        raise UserError(
            f"the answers of a {model.task.NAME} model come at once; leave out "
            "--progressive"
        )
    if endpoint not in model.predictor.endpoints:
        raise UserError(
            f"{model.bundle.path}: this bundle has no endpoint {endpoint!r}; export it "
            "again"
        )
    return endpoint
