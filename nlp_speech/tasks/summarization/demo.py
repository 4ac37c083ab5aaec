"""A small corpus of notes that the library makes for itself.

A note says who did what where, among sentences that say nothing; its headline is who
did what, where. Names of people and places are invented syllable by syllable, and no
name stands in two splits: whoever writes the headlines of validation and test must
copy.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from pathlib import Path

from nlp_speech.data.documents import Document
from nlp_speech.files import write_text

SIZES = {"train": 4000, "val": 200, "test": 200}

_STARTS = "Ba Do Fe Gu Ka Li Mo Na Pe Ro Sa Ti Vu Za Bri Kle Tro Sla".split()
_MIDDLES = "la ri no me du ka ti so ve ba".split()
_ENDS = "n r s l m x th nd rk ll".split()
# What a note says, and how a headline says it.
_DEEDS = (
    ("opened a bakery", "opens bakery"),
    ("won the chess match", "wins chess match"),
    ("sold an old boat", "sells old boat"),
    ("painted the town hall", "paints town hall"),
    ("found a gold coin", "finds gold coin"),
    ("gave a long concert", "gives long concert"),
    ("built a stone bridge", "builds stone bridge"),
    ("lost a race", "loses race"),
)
_FILLERS = (
    "It rained for most of the day.",
    "Nobody had expected it.",
    "The mayor was there too.",
    "Many people came to see it.",
    "A second report will follow.",
    "The weather was fine.",
    "There was music until midnight.",
)
_FRAMES = (
    "On {day} {who} {did} in {where}.",
    "In {where}, {who} {did} on {day}.",
    "Last {day} it became known that {who} of {where} {did}.",
)
_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()


def write_corpus(directory: Path, seed: int) -> None:
    """Writes ``train.jsonl``, ``val.jsonl`` and ``test.jsonl``.

    Args:
        directory: made if it is not there.
        seed: the same seed writes the same bytes.
    """
    for split, documents in make_corpus(seed).items():
        write_text(directory / f"{split}.jsonl", _lines(documents))


def make_corpus(seed: int) -> dict[str, list[Document]]:
    """The notes of each split; every name stands in one note only."""
    rng = random.Random(seed)
    names: set[str] = set()

    def name() -> str:
        while True:
            parts = [rng.choice(_STARTS)]
            parts += rng.choices(_MIDDLES, k=rng.randint(1, 2))
            made = "".join([*parts, rng.choice(_ENDS)])
            if made not in names:
                names.add(made)
                return made

    return {
        split: [_note(rng, name(), name()) for _ in range(size)]
        for split, size in SIZES.items()
    }


def _note(rng: random.Random, who: str, where: str) -> Document:
    did, does = rng.choice(_DEEDS)
    frame = rng.choice(_FRAMES)
    news = frame.format(day=rng.choice(_DAYS), who=who, did=did, where=where)
    sentences = [news, *rng.sample(_FILLERS, rng.randint(1, 3))]
    rng.shuffle(sentences)
    return Document(" ".join(sentences), (f"{who} {does} in {where}",))


def _lines(documents: Iterable[Document]) -> str:
    return "".join(
        json.dumps({"document": d.text, "summary": d.summaries[0]}) + "\n"
        for d in documents
    )
