"""The names under which a checkpoint keeps variables."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from nlp_speech.training.checkpoint import assign, variables_by_path


def generators(count: int, name: str | None = None) -> list[Any]:
    return [keras.random.SeedGenerator(n, name=name).state for n in range(count)]


def test_random_generators_are_numbered_by_name() -> None:
    found = variables_by_path([*generators(3, "drawn"), *generators(2)])
    assert list(found) == [
        "drawn/seed_generator_state",
        "drawn_1/seed_generator_state",
        "drawn_2/seed_generator_state",
        "seed_generator/seed_generator_state",
        "seed_generator_1/seed_generator_state",
    ]


def test_no_variable_is_lost_to_another_one_of_its_name() -> None:
    twice = [keras.Variable([0.0], name="same") for _ in range(2)]
    with pytest.raises(ValueError, match="two variables have the path 'same'"):
        variables_by_path(twice)


def test_a_checkpoint_with_one_state_for_all_generators_of_a_name() -> None:
    """As older versions wrote it."""
    first, second = generators(2, "drawn")
    before = second.numpy()
    stored = np.array([7, 8], first.numpy().dtype)
    assign([first, second], {"drawn/seed_generator_state": stored})
    np.testing.assert_array_equal(first.numpy(), stored)
    np.testing.assert_array_equal(second.numpy(), before)
