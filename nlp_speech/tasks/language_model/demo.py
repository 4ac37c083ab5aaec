"""A small corpus of sentences that the library makes for itself.

What a model can learn from it is more than neighbours: the verb agrees with a subject
that stands some words before it, and the pronoun at the end with the subject too.
"""

from __future__ import annotations

import random
from pathlib import Path

from nlp_speech.files import write_text

SIZES = {"train": 4000, "val": 300, "test": 300}

_ONE = (
    ("the woman", "her"),
    ("the old man", "his"),
    ("my sister", "her"),
    ("our teacher", "his"),
    ("the farmer", "his"),
    ("a young girl", "her"),
)
_MANY = ("the children", "two men", "my friends", "the neighbours", "some students")
_PLACES = (
    "in the garden",
    "near the old bridge",
    "behind the station",
    "from the village",
    "with the blue car",
    "at the window",
)
_VERBS = (
    "watches/watch",
    "paints/paint",
    "looks for/look for",
    "often visits/often visit",
    "never forgets/never forget",
    "sells/sell",
)
_THINGS = "dog horse boat house bicycle letter picture basket garden song".split()
_TIMES = ("", "", " every day", " in the evening", " on Sunday", " in winter")


def write_corpus(directory: Path, seed: int) -> None:
    """Writes ``train.txt``, ``val.txt`` and ``test.txt``, a text on each line.

    Args:
        directory: made if it is not there.
        seed: the same seed writes the same bytes.
    """
    for split, texts in make_corpus(seed).items():
        write_text(directory / f"{split}.txt", "".join(f"{text}\n" for text in texts))


def make_corpus(seed: int) -> dict[str, list[str]]:
    """The texts of each split; none occurs twice."""
    rng = random.Random(seed)
    texts: dict[str, None] = {}
    while len(texts) < sum(SIZES.values()):
        count = rng.choice((1, 1, 2, 3))
        texts[" ".join(_sentence(rng) for _ in range(count))] = None
    rows = list(texts)
    splits = {}
    for split, size in SIZES.items():
        splits[split], rows = rows[:size], rows[size:]
    return splits


def _sentence(rng: random.Random) -> str:
    verb = rng.choice(_VERBS).split("/")
    if rng.random() < 0.5:
        subject, owner = rng.choice(_ONE)
        does = verb[0]
    else:
        subject, owner = rng.choice(_MANY), "their"
        does = verb[1]
    place = f" {rng.choice(_PLACES)}" if rng.random() < 0.6 else ""
    thing, time = rng.choice(_THINGS), rng.choice(_TIMES)
    text = f"{subject}{place} {does} {owner} {thing}{time}."
    return text[0].upper() + text[1:]
