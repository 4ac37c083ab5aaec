"""Inputs that are cut into pieces, and inputs that cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nlp_speech.contract import Extras
from nlp_speech.errors import UserError
from nlp_speech.runtime import answer
from nlp_speech.runtime.examples import examples_of


class Lengths:
    """Gives the lengths of texts."""

    runtime: str = "none"
    max_batch_size: int | None = None
    endpoints: tuple[str, ...] = ()

    def __call__(self, endpoint: str, arrays: Any) -> dict[str, np.ndarray]:
        return {"lengths": np.array([len(text) for text in arrays["text"]])}


def before(endpoint: str, inputs: Sequence[str], assets: Any) -> dict[str, Any]:
    if bad := [text for text in inputs if "?" in text]:
        raise UserError(f"{bad[0]}: what is this")
    return {"text": np.array(inputs, dtype=object)}


def pieces(given: str, assets: Any) -> list[str]:
    if not given:
        raise UserError("there is nothing")
    return [given[n : n + 3] for n in range(0, len(given), 3)]


TASK: Any = SimpleNamespace(
    before=before,
    after=lambda endpoint, outputs, inputs, assets: outputs["lengths"].tolist(),
    EXTRAS=Extras(),
)
CUTTING: Any = SimpleNamespace(
    before=before,
    after=TASK.after,
    EXTRAS=Extras(pieces=pieces, joined=lambda parts, found: [*parts, sum(found)]),
)


@pytest.mark.parametrize("batch_size", [1, 2, 9])
def test_pieces_are_joined_in_order(batch_size: int) -> None:
    inputs = ["abcdefgh", "ab", "abcdef"]
    run = {"endpoint": "", "batch_size": batch_size}
    found = answer(CUTTING, None, Lengths(), inputs, **run)
    assert found == [["abc", "def", "gh", 8], 2, ["abc", "def", 6]]
    assert answer(TASK, None, Lengths(), inputs, **run) == [8, 2, 6]


@pytest.mark.parametrize("batch_size", [1, 2, 9])
@pytest.mark.parametrize("task", [TASK, CUTTING])
def test_what_cannot_be_read_is_named_once(task: Any, batch_size: int) -> None:
    inputs = ["ab", "????????", "a", "cd?"]
    told: list[str] = []
    run = {"endpoint": "", "batch_size": batch_size}
    found = answer(
        task, None, Lengths(), inputs, on_bad=lambda x, _: told.append(x), **run
    )
    assert found == [2, None, 1, None]
    assert told == ["????????", "cd?"]
    with pytest.raises(UserError, match="what is this"):
        answer(task, None, Lengths(), inputs, **run)


@pytest.mark.parametrize("batch_size", [1, 2, 9])
def test_each_input_counts_once(batch_size: int) -> None:
    # One of three pieces, one that cannot be cut, one that cannot be read.
    inputs = ["abcdefgh", "", "abcdef", "abc", "cd?"]
    counted: list[int] = []
    run: Any = {"endpoint": "", "batch_size": batch_size, "on_bad": lambda *_: None}
    answer(CUTTING, None, Lengths(), inputs, advance=counted.append, **run)
    assert sum(counted) == len(inputs)
    assert len(counted) == 1 + -(-7 // batch_size)


def test_what_cannot_be_cut() -> None:
    told: list[str] = []
    found = answer(
        CUTTING,
        None,
        Lengths(),
        ["", "ab"],
        endpoint="",
        on_bad=lambda _, error: told.append(str(error)),
    )
    assert found == [None, 2]
    assert told == ["there is nothing"]
    with pytest.raises(UserError, match="nothing"):
        answer(CUTTING, None, Lengths(), [""], endpoint="")


@pytest.mark.parametrize("skip", [False, True])
def test_examples_are_those_that_can_be_read(
    skip: bool, caplog: pytest.LogCaptureFixture
) -> None:
    config = SimpleNamespace(data=SimpleNamespace(skip_bad=skip), seed=1)
    texts = {"some": ["a", "b?", "c"], "none": ["?"]}
    task: Any = SimpleNamespace(
        **vars(TASK),
        DEVICE_ENDPOINT="",
        references=lambda config, split, files: (texts[split], list(texts[split])),
    )
    found = examples_of(task, config, None, "some")
    if not skip:
        assert found == (["a", "b?", "c"], ["a", "b?", "c"])
        return
    assert found == (["a", "c"], ["a", "c"])
    assert caplog.messages == ["some: 1 of 3 inputs cannot be read and are left out"]
    with pytest.raises(UserError, match="none: none of 1 inputs can be read"):
        examples_of(task, config, None, "none")
