"""Texts with labels: read, checked, split, and cleared of what stands elsewhere."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nlp_speech.data.probabilities import Names, probabilities_of
from nlp_speech.data.splits import fingerprint, take_share
from nlp_speech.data.tables import Row, read_table
from nlp_speech.errors import UserError


class Example(NamedTuple):
    """A text and what it is taught as.

    Attributes:
        text: as the file has it.
        label: the name of its class; of several, the most probable one.
        probabilities: of classes by name, which sum to 1; empty: it is `label`.
    """

    text: str
    label: str
    probabilities: tuple[tuple[str, float], ...] = ()


def read_examples(
    path: Path,
    text: str,
    answer: str,
    names: Names | None = None,
    keep_blank: bool = False,
    taught: bool = False,
) -> list[Example]:
    """Reads the labelled texts of a table.

    Args:
        path: CSV, TSV or JSON lines; see `tables.read_table`.
        text: the column of texts.
        answer: the column of labels, or of probabilities.
        names: what each label means, or None: itself.
        keep_blank: keep rows whose text is white space, as a test set needs.
        taught: whether `answer` holds probabilities; see `example_of`.

    Raises:
        UserError: the table or an answer in it is bad.
    """
    examples = [
        example_of(row, names, taught)
        for row in read_table(path, (text, answer))
        if keep_blank or row.cells[0].strip()
    ]
    if not examples:
        raise UserError.at(
            path, None, "no row has a text; give a table that holds texts"
        )
    return examples


def example_of(row: Row, names: Names | None, taught: bool = False) -> Example:
    """The example of a row whose cells are a text and its answer.

    Args:
        row: of a table.
        names: what each label means, or None: itself.
        taught: the answer is not a label but a JSON object of probabilities by class,
            as `nlp-speech predict --json` writes it: what another model says of a text
            (Hinton et al. 2015), or the share of several people's votes.

    Raises:
        UserError: the label is empty or not in `names`, or the probabilities are none.
    """
    if not taught:
        return Example(row.cells[0], _label_of(row, names))
    found = probabilities_of(row, names)
    label = max(found, key=lambda name: found[name])
    return Example(row.cells[0], label, tuple(found.items()))


def _label_of(row: Row, names: Names | None) -> str:
    value = row.cells[1].strip()
    if not value:
        raise row.error("the label is empty; give the row one or delete it")
    if names is None:
        return value
    if value not in names:
        choices = ", ".join(map(repr, names))
        raise row.error(
            f"unknown label {value!r}; mend the row, or add it to data.labels, which "
            f"has: {choices}"
        )
    return names[value]


def classes_of(labels: Sequence[str], names: Names | None) -> tuple[str, ...]:
    """The classes of rows: in the order of `names`, or sorted, numbers as numbers.

    Raises:
        UserError: there is only one, or one of `names` has no example.
    """
    counts = Counter(labels)
    classes: tuple[str, ...]
    if names is not None:
        classes = tuple(dict.fromkeys(names.values()))
        for name in classes:
            if not counts[name]:
                raise UserError(
                    f"no training row has the label {name!r} of data.labels; add rows "
                    "or take it out"
                )
    else:
        numbers = all(re.fullmatch(r"-?\d+", label) for label in counts)
        classes = tuple(sorted(counts, key=int if numbers else str))
    if len(classes) < 2:
        raise UserError(
            f"all {len(labels)} training rows have the label {', '.join(classes)}; a "
            "classifier needs two classes at least"
        )
    return classes


def split_examples(
    examples: Sequence[Example], share: float, seed: int
) -> tuple[list[Example], list[Example]]:
    """Takes a part of each class away, at random but the same for the same seed.

    Equal texts stay together, and in the first part if their labels differ. A class of
    one text stays there, too; see `take_share`.

    Args:
        examples: of all classes.
        share: of each class, for the second part; one example at least.
        seed: of the draw.

    Returns:
        What is left, and what was taken, both in the order of `examples`.
    """
    random = np.random.default_rng([seed, len(examples)])
    prints = [fingerprint(e.text) for e in examples]
    labels: dict[str, set[str]] = {}
    classes: dict[str, list[int]] = {}
    for example, found in zip(examples, prints, strict=True):
        labels.setdefault(found, set()).add(example.label)
    for row, (example, found) in enumerate(zip(examples, prints, strict=True)):
        if len(labels[found]) == 1:
            classes.setdefault(example.label, []).append(row)
    taken: set[int] = set()
    for _, rows in sorted(classes.items()):
        drawn = take_share([prints[row] for row in rows], share, random)
        taken.update(rows[place] for place in drawn)
    first = [e for row, e in enumerate(examples) if row not in taken]
    return first, [examples[row] for row in sorted(taken)]


def without(examples: Iterable[Example], texts: Iterable[str]) -> list[Example]:
    """The examples whose text is none of `texts`, case and punctuation aside."""
    known = {fingerprint(text) for text in texts}
    return [e for e in examples if fingerprint(e.text) not in known]
