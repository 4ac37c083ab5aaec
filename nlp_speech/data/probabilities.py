"""Probabilities of classes in a table: what a model or several people say of a text."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from nlp_speech.data.tables import Row

Names = Mapping[str, str]
"""What each value of a column of labels means."""

_ROUNDED = 0.05  # how far from 1 the sum of rounded ones may be


def probabilities_of(row: Row, names: Names | None) -> dict[str, float]:
    """The probabilities of a row whose second cell is a JSON object of them.

    Args:
        row: of a table. All keys of the object are names of classes, or all are labels.
        names: the name of the class that each label means, or None: itself.

    Returns:
        The probability of each class by name; they are brought to a sum of 1.

    Raises:
        UserError: there is no such object, or a key of it is no class.
    """
    given = _read(row)
    found: dict[str, float] = {}
    meaning = _meaning(row, [key.strip() for key in given], names)
    total = sum(given.values())
    for key, value in given.items():
        name = meaning[key.strip()]
        found[name] = found.get(name, 0.0) + value / total
    return found


def _read(row: Row) -> dict[str, float]:
    try:
        given = json.loads(row.cells[1])
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict) or not all(map(_is_share, given.values())):
        raise row.error(
            f"{row.cells[1][:40]!r} is no JSON object of probabilities such as "
            '{"bad": 0.2, "good": 0.8}; mend the row'
        )
    total = sum(given.values())
    if abs(total - 1) > _ROUNDED:
        raise row.error(f"the probabilities sum to {total:.3g}, not to 1; mend the row")
    return given


def _is_share(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 <= value <= 1 + _ROUNDED  # which NaN is not


def _meaning(row: Row, keys: Collection[str], names: Names | None) -> dict[str, str]:
    """The class of each key: its own name, or else what it means as a label."""
    if "" in keys:
        raise row.error("a probability has no class; mend the row")
    own = {key: key for key in keys}
    if names is None:
        return own
    meant = {key: names[key] for key in keys if key in names}
    are_names = own.keys() <= set(names.values())
    are_labels = len(meant) == len(own)
    told = ", ".join(map(repr, keys))
    if are_names and are_labels and meant != own:
        raise row.error(
            f"{told} are labels and also names of other classes in data.labels; rename "
            "the classes there"
        )
    if not are_names and not are_labels:
        choices = ", ".join(map(repr, dict.fromkeys(names.values())))
        raise row.error(
            f"{told} are not all names of data.labels, nor all labels; mend the row, "
            f"or add to these names: {choices}"
        )
    return own if are_names else meant
