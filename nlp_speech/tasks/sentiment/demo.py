"""A small corpus of reviews that the library makes for itself.

Short reviews of films, hotels and restaurants. What a review says hangs on negation
("the plot is not dull") and contrast ("although the plot is dull, the acting is
superb": the main clause counts), so that counting words is not enough. A combination
of clauses belongs to one split only: validation and test ask for combinations never
seen, made of words that were.
"""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from nlp_speech.files import write_text

SIZES = {"train": 4000, "val": 300, "test": 400}
LABELS = ("negative", "positive")
_HELD_OUT = 0.1  # of the combinations, for each of validation and test

_DOMAINS = {
    "film": "plot acting music camera dialogue humour ending cast story pace".split(),
    "hotel": "room bed breakfast view service lobby pool garden staff shower".split(),
    "restaurant": "soup bread wine menu service kitchen dessert fish salad tea".split(),
}
_GOOD = (
    "superb wonderful charming excellent lovely brilliant delightful perfect great "
    "pleasant fine impressive"
).split()
_BAD = (
    "dull awful terrible poor dreadful boring weak disappointing horrible tedious bad "
    "shabby"
).split()
_DEGREES = ("", "", "really ", "quite ", "very ", "simply ")
_NEGATIONS = ("is not {a}", "isn't {a}", "was never {a}", "is by no means {a}")
_PLAIN = ("is {d}{a}", "was {d}{a}", "is {d}{a} indeed", "seems {d}{a}")
_VERDICTS = (
    ("I would come again", True),
    ("I loved it", True),
    ("what a joy", True),
    ("I want my money back", False),
    ("I hated it", False),
    ("what a waste of time", False),
)
_OPENINGS = ("", "", "We were there in May. ", "My sister chose it. ", "It rained. ")


@dataclass(frozen=True)
class Review:
    """A review, its label and the combination that it is an example of."""

    combination: str
    text: str
    label: str


@dataclass(frozen=True)
class _Clause:
    """A statement about something, such as "the plot is not dull"."""

    text: str
    good: bool
    key: str


def write_corpus(directory: Path, seed: int) -> None:
    """Writes ``train.csv``, ``val.csv`` and ``test.csv``, with text and label.

    Args:
        directory: made if it is not there.
        seed: the same seed writes the same bytes.
    """
    for split, reviews in make_corpus(seed).items():
        write_text(directory / f"{split}.csv", _table(reviews))


def make_corpus(seed: int) -> dict[str, list[Review]]:
    """The reviews of each split, half of each label; no text occurs twice."""
    rng = random.Random(seed)
    splits: dict[str, list[Review]] = {split: [] for split in SIZES}
    wanted = {
        (split, label): size // len(LABELS)
        for split, size in SIZES.items()
        for label in LABELS
    }
    seen: set[str] = set()
    while any(wanted.values()):
        review = _review(rng)
        place = _split_of(review.combination, seed), review.label
        if wanted[place] and review.text not in seen:
            seen.add(review.text)
            wanted[place] -= 1
            splits[place[0]].append(review)
    return splits


def _review(rng: random.Random) -> Review:
    domain, subjects = rng.choice(list(_DOMAINS.items()))
    form = rng.choice(_FORMS)
    first, second = rng.sample(subjects, 2)
    return form(rng, domain, first, second)


def _single(rng: random.Random, domain: str, first: str, second: str) -> Review:
    del domain, second
    clause = _clause(rng, first)
    return _made(rng, f"{clause.text}.", clause.good, clause.key)


def _agreeing(rng: random.Random, domain: str, first: str, second: str) -> Review:
    good = rng.random() < 0.5
    a, b = _clause(rng, first, good), _clause(rng, second, good)
    text = rng.choice(("{a}, and {b}.", "{a}. Besides, {b}.", "At this {c}, {a}; {b}."))
    return _made(
        rng, text.format(a=a.text, b=b.text, c=domain), good, f"{a.key} {b.key}"
    )


def _contrast(rng: random.Random, domain: str, first: str, second: str) -> Review:
    del domain
    good = rng.random() < 0.5
    minor, major = _clause(rng, first, not good), _clause(rng, second, good)
    text = rng.choice(
        (
            "although {minor}, {major}.",
            "{minor}, but {major}.",
            "{major}, although {minor}.",
            "{minor}. Still, {major}.",
        )
    )
    filled = text.format(minor=minor.text, major=major.text)
    return _made(rng, filled, good, f"{minor.key} {major.key}")


def _doubted(rng: random.Random, domain: str, first: str, second: str) -> Review:
    del domain, second
    clause = _clause(rng, first, plain=True)
    text = rng.choice(
        ("I do not think that {c}.", "nobody can say that {c}.", "I doubt that {c}.")
    )
    return _made(rng, text.format(c=clause.text), not clause.good, f"no {clause.key}")


def _verdict(rng: random.Random, domain: str, first: str, second: str) -> Review:
    del second
    words, good = rng.choice(_VERDICTS)
    minor = _clause(rng, first, not good)
    text = f"{minor.text}, but all in all: a {domain} like this, {words}!"
    return _made(rng, text, good, f"{minor.key} {words}")


# Single clauses are where negation is learned: there have to be enough of them.
_FORMS: tuple[Callable[[random.Random, str, str, str], Review], ...] = (
    _single,
    _single,
    _single,
    _agreeing,
    _contrast,
    _contrast,
    _doubted,
    _verdict,
)


def _clause(
    rng: random.Random, subject: str, good: bool | None = None, plain: bool = False
) -> _Clause:
    """A statement that is good, or bad, or either."""
    good = rng.random() < 0.5 if good is None else good
    negated = not plain and rng.random() < 0.35
    adjective = rng.choice(_GOOD if good != negated else _BAD)
    pattern = rng.choice(_NEGATIONS if negated else _PLAIN)
    said = pattern.format(a=adjective, d=rng.choice(_DEGREES))
    key = f"{subject} {'not ' if negated else ''}{adjective}"
    return _Clause(f"the {subject} {said}", good, key)


def _made(rng: random.Random, text: str, good: bool, combination: str) -> Review:
    sentence = text[0].upper() + text[1:]
    return Review(combination, rng.choice(_OPENINGS) + sentence, LABELS[good])


def _split_of(combination: str, seed: int) -> str:
    point = random.Random(f"{seed} {combination}").random()
    if point < _HELD_OUT:
        return "test"
    return "val" if point < 2 * _HELD_OUT else "train"


def _table(reviews: Iterable[Review]) -> str:
    file = io.StringIO()
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(["text", "label"])
    rows.writerows([r.text, r.label] for r in reviews)
    return file.getvalue()
