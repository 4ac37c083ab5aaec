"""The search space of a config: which keys it may name, and what to try them with."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from nlp_speech.errors import UserError
from nlp_speech.sections import Experiment, ParameterSection, TuneSection

# What all trials must share, or their scores could not be compared. The seed draws
# the validation split and the examples of it that are decoded.
_FIXED = (
    "task",
    "seed",
    "tune",
    "data.validation",
    "data.validation_share",
    "training.updates",
    "training.minutes",
    "training.evaluate_every",
    "training.evaluation_limit",
    "training.average_best",
)


def is_fixed(key: str) -> bool:
    """Whether a key must be the same in all trials."""
    return any(key == fixed or key.startswith(f"{fixed}.") for fixed in _FIXED)


def budget(section: TuneSection) -> dict[str, Any]:
    """The values that every trial has instead of the experiment's own, by key."""
    given = {
        "training.updates": section.updates,
        "training.minutes": section.minutes,
        "training.evaluate_every": section.evaluate_every,
    }
    return {
        **{key: value for key, value in given.items() if value is not None},
        # A trial is judged by its best checkpoint: averages would only cost time.
        "training.average_best": 1,
        # A change of how trials are chosen is no change of a trial.
        "tune": {},
    }


def extremes(parameter: ParameterSection) -> tuple[Any, ...]:
    """The values that a key must accept for all in between to be right."""
    if parameter.choices:
        return parameter.choices
    return parameter.low, parameter.high


def probes(config: Experiment) -> Iterator[tuple[str, Any]]:
    """The keys of the search space with the values that they must accept."""
    for key, parameter in config.tune.space.items():
        for value in extremes(parameter):
            yield key, value


def place(data: dict[str, Any], key: str) -> tuple[Any, int | str]:
    """Where in a config the value of a key is.

    Args:
        data: the config as plain data.
        key: such as ``model.units`` or ``data.train.0.source``.

    Returns:
        The section or list that holds the value, and the value's name in it.

    Raises:
        UserError: there is no such key.
    """
    holder: Any = None
    here: Any = data
    last: int | str = key
    for part in key.split("."):
        in_list = isinstance(here, list) and part.isascii() and part.isdigit()
        holder, last = here, int(part) if in_list else part
        try:
            here = holder[last]
        except (KeyError, IndexError, TypeError):
            # the search space's own keys look most like the wrong one
            keys = [k for k in _keys(data) if not k.startswith("tune.")]
            close = [k for k in keys if k.endswith(f".{key}")]
            close += difflib.get_close_matches(key, keys, n=1)
            meant = f"; did you mean {close[0]!r}?" if close else ""
            raise UserError(f"there is no key {key!r}{meant}") from None
    return holder, last


def _keys(data: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in data.items():
        yield f"{prefix}{name}"
        if isinstance(value, dict):
            yield from _keys(value, f"{prefix}{name}.")
