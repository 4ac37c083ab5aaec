"""A small parallel corpus that the library makes for itself.

English phrases of number, date, time, price and quantity, with their German. Every
phrase belongs to a combination (this number of these things, this day of this month);
a combination belongs to one split only, so that validation and test ask for
combinations never seen, made of words that were.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from nlp_speech.files import write_text
from nlp_speech.tasks.translation import demo_words as words
from nlp_speech.tasks.translation.demo_words import (
    english_number,
    german_number,
)

SIZES = {"train": 8000, "val": 400, "test": 500}
_HELD_OUT = 0.08  # of the combinations, for each of validation and test


@dataclass(frozen=True)
class Phrase:
    """A phrase, its translation and the combination that it is an example of."""

    combination: str
    english: str
    german: str


def write_corpus(directory: Path, seed: int) -> None:
    """Writes ``train``, ``val`` and ``test``, each as ``.en`` and ``.de``.

    Args:
        directory: made if it is not there.
        seed: the same seed writes the same bytes.
    """
    for split, phrases in make_corpus(seed).items():
        _write(directory / f"{split}.en", (p.english for p in phrases))
        _write(directory / f"{split}.de", (p.german for p in phrases))


def make_corpus(seed: int) -> dict[str, list[Phrase]]:
    """The phrases of each split, shuffled; no English phrase occurs twice."""
    rng = random.Random(seed)
    splits: dict[str, list[Phrase]] = {split: [] for split in SIZES}
    pool = _draw(rng, seed)
    known: set[str] = set()
    for split, size in SIZES.items():
        for family, share in _FAMILIES.items():
            phrases = pool[family, split]
            if split != "train":
                phrases = [p for p in phrases if known.issuperset(split_words(p))]
            splits[split] += phrases[: round(size * share)]
        if split == "train":
            known = {word for p in splits[split] for word in split_words(p)}
        rng.shuffle(splits[split])
    return splits


def split_words(phrase: Phrase) -> list[str]:
    """The English words of a phrase, those inside "twenty-one" one by one."""
    return re.findall(r"[\w']+", phrase.english.lower())


def _draw(
    rng: random.Random, seed: int
) -> dict[tuple[Callable[[random.Random], Phrase], str], list[Phrase]]:
    """Draws more different phrases of every family and split than are needed."""
    pool = {(family, split): [] for family in _FAMILIES for split in SIZES}
    for family, share in _FAMILIES.items():
        seen: set[str] = set()
        wanted = {s: round(size * share * 1.2) + 5 for s, size in SIZES.items()}
        for _ in range(100 * SIZES["train"]):
            phrase = family(rng)
            drawn = pool[family, _split_of(phrase.combination, seed)]
            if phrase.english not in seen:
                seen.add(phrase.english)
                drawn.append(phrase)
            if all(len(pool[family, s]) >= wanted[s] for s in SIZES):
                break
    return pool


def _split_of(combination: str, seed: int) -> str:
    point = random.Random(f"{seed} {combination}").random()
    if point < _HELD_OUT:
        return "test"
    return "val" if point < 2 * _HELD_OUT else "train"


def _write(path: Path, lines: Iterable[str]) -> None:
    write_text(path, "".join(f"{line}\n" for line in lines))


def _fill(pair: tuple[str, str], combination: str, **slots: tuple[str, str]) -> Phrase:
    """Puts each slot's English and German into a pair of patterns.

    ``{slot}`` is the text; a phrase that begins a sentence is capitalized.
    """
    english = pair[0].format(**{k: v[0] for k, v in slots.items()})
    german = pair[1].format(**{k: v[1] for k, v in slots.items()})
    if english.endswith((".", "?")):
        english = english[0].upper() + english[1:]
        german = german[0].upper() + german[1:]
    return Phrase(combination, english, german)


# Numbers


def _number(rng: random.Random) -> Phrase:
    digits = rng.choices((2, 3, 4), (1, 5, 2))[0]
    n = rng.randrange(0 if digits == 2 else 10 ** (digits - 1), 10**digits)
    patterns = (
        ("{n}", "{n}"),
        ("number {n}", "Nummer {n}"),
        ("room {n}", "Zimmer {n}"),
        ("page {n}", "Seite {n}"),
        ("My number is {n}.", "Meine Nummer ist {n}."),
    )
    pattern = rng.choice(patterns)
    return _fill(pattern, f"number {n}", n=(english_number(n), german_number(n)))


# Quantities

_OBJECTS = (
    ("{x}", "nom", "{x}"),
    ("I see {x}.", "acc", "Ich sehe {x}."),
    ("we need {x}.", "acc", "Wir brauchen {x}."),
    ("she buys {x}.", "acc", "Sie kauft {x}."),
    ("he has {x}.", "acc", "Er hat {x}."),
    ("do you have {x}?", "acc", "Haben Sie {x}?"),
    ("I am looking for {x}.", "acc", "Ich suche {x}."),
    ("a picture of {x}", "dat", "ein Bild von {x}"),
    ("he comes with {x}.", "dat", "Er kommt mit {x}."),
    ("we dream of {x}.", "dat", "Wir träumen von {x}."),
)


def _things(rng: random.Random) -> Phrase:
    noun = rng.choice(words.NOUNS)
    english, german = rng.choice((("", ""), *words.ADJECTIVES))
    n = 1 if rng.random() < 0.25 else rng.randrange(2, 100)
    english_pattern, case, german_pattern = rng.choice(_OBJECTS)
    things = (noun.english_counted(n, english), noun.counted(n, case, german))
    combination = f"things {n} {english} {noun.english}"
    return _fill((english_pattern, german_pattern), combination, x=things)


def _measure(rng: random.Random) -> Phrase:
    liquid = rng.random() < 0.5
    stuff = rng.choice(words.LIQUIDS if liquid else words.SOLIDS)
    units = (
        (words.BOTTLE, words.GLASS, words.CUP, words.CAN, words.LITRE)
        if liquid
        else (words.KILO, words.CRATE, words.PACKET)
    )
    unit = rng.choice(units)
    halves = unit in (words.LITRE, words.KILO) and rng.random() < 0.3
    n = 1 if rng.random() < 0.15 else rng.randrange(2, 13 if halves else 40)
    patterns = (
        ("{q}", "nom", "{q}"),
        ("I would like {q}, please.", "acc", "Ich hätte gern {q}, bitte."),
        ("we still need {q}.", "acc", "Wir brauchen noch {q}."),
        ("please bring us {q}.", "acc", "Bringen Sie uns bitte {q}."),
        ("here you are, {q}.", "nom", "Bitte sehr, {q}."),
    )
    english, case, german = rng.choice(patterns)
    if halves:
        amount = (
            f"{english_number(n)} and a half {unit.english_plural}",
            f"{'ein' if n == 1 else german_number(n)}einhalb {unit.german_plural}",
        )
    else:
        amount = (unit.english_counted(n), unit.counted(n, case))
    slot = (f"{amount[0]} of {stuff[0]}", f"{amount[1]} {stuff[1]}")
    combination = f"measure {amount[0]} {stuff[0]}"
    return _fill((english, german), combination, q=slot)


def _duration(rng: random.Random) -> Phrase:
    period = rng.choice(words.PERIODS)
    n = 1 if rng.random() < 0.1 else rng.randrange(2, 60)
    patterns = (
        ("in {t}", "dat", "in {t}"),
        ("{t} ago", "dat", "vor {t}"),
        ("after {t}", "dat", "nach {t}"),
        ("we have been waiting for {t}.", "dat", "Wir warten seit {t}."),
        ("she stayed for {t}.", "acc", "Sie blieb {t}."),
        ("it takes {t}.", "acc", "Es dauert {t}."),
        ("I arrived {t} ago.", "dat", "Ich bin vor {t} angekommen."),
    )
    english, case, german = rng.choice(patterns)
    slot = (period.english_counted(n), period.counted(n, case))
    return _fill((english, german), f"duration {slot[0]}", t=slot)


# Prices


def _amount(rng: random.Random, case: str) -> tuple[str, str]:
    """A price; cents follow the currency, as one says it."""
    if rng.random() < 0.15:
        cents = rng.randrange(2, 100)
        return f"{english_number(cents)} cents", f"{german_number(cents)} Cent"
    currency = rng.choice((words.EURO, words.DOLLAR, words.POUND, words.FRANC))
    n = 1 if rng.random() < 0.05 else rng.randrange(2, 100)
    english, german = currency.english_counted(n), currency.counted(n, case)
    if rng.random() < 0.5:
        return english, german
    cents = rng.randrange(10, 100)
    return f"{english} {english_number(cents)}", f"{german} {german_number(cents)}"


def _price(rng: random.Random) -> Phrase:
    noun = rng.choice(words.NOUNS)
    patterns = (
        ("{p}", "nom", "{p}"),
        ("for {p}", "acc", "für {p}"),
        ("that is {p}.", "acc", "Das macht {p}."),
        ("the {n} costs {p}.", "acc", "{n} kostet {p}."),
        ("I paid {p} for the {n}.", "acc", "Ich habe {p} für {n} bezahlt."),
        ("she sells the {n} for {p}.", "acc", "Sie verkauft {n} für {p}."),
    )
    english, case, german = rng.choice(patterns)
    price = _amount(rng, case)
    item = (noun.english, noun.the("nom" if german.startswith("{n}") else "acc"))
    return _fill((english, german), f"price {price[0]}", p=price, n=item)


# Dates


def _date(rng: random.Random) -> Phrase:
    month, german_month, days = rng.choice(words.MONTHS)
    day = rng.randrange(1, days + 1)
    patterns = (
        ("the {d}", "e", "der {d}"),
        ("on the {d}", "en", "am {d}"),
        ("on {w}, the {d}", "en", "am {w}, dem {d}"),
        ("since the {d}", "en", "seit dem {d}"),
        ("until the {d}", "en", "bis zum {d}"),
        ("today is the {d}.", "e", "Heute ist der {d}."),
        ("the shop is closed on the {d}.", "en", "Der Laden ist am {d} geschlossen."),
        ("my birthday is on the {d}.", "en", "Ich habe am {d} Geburtstag."),
        ("she was born on the {y}.", "en", "Sie wurde am {y} geboren."),
        ("he came on the {y}.", "en", "Er kam am {y}."),
        ("the course ends on {w}, the {d}.", "en", "Der Kurs endet am {w}, dem {d}."),
    )
    english, ending, german = rng.choice(patterns)
    year = rng.randrange(1900, 2030)
    date = (
        f"{words.english_ordinal(day)} of {month}",
        f"{words.german_ordinal(day, ending)} {german_month}",
    )
    with_year = (
        f"{date[0]} {words.english_year(year)}",
        f"{date[1]} {words.german_year(year)}",
    )
    weekday = rng.choice(words.WEEKDAYS)
    slots = {"d": date, "y": with_year, "w": weekday}
    return _fill((english, german), f"date {date[0]}", **slots)


# Times

_PAST = (
    ("five past {h}", "fünf nach {h}"),
    ("ten past {h}", "zehn nach {h}"),
    ("a quarter past {h}", "Viertel nach {h}"),
    ("twenty past {h}", "zwanzig nach {h}"),
)
_TO = (
    ("twenty-five past {h}", "fünf vor halb {next}"),
    ("half past {h}", "halb {next}"),
    ("twenty-five to {next}", "fünf nach halb {next}"),
    ("twenty to {next}", "zwanzig vor {next}"),
    ("a quarter to {next}", "Viertel vor {next}"),
    ("ten to {next}", "zehn vor {next}"),
    ("five to {next}", "fünf vor {next}"),
)
_PARTS_OF_DAY = (
    ("in the morning", "morgens", range(5, 12)),
    ("in the afternoon", "nachmittags", range(1, 6)),
    ("in the evening", "abends", range(6, 12)),
)


def _clock(rng: random.Random) -> tuple[str, str]:
    """A time of day, as one says it or as a timetable does."""
    kind = rng.random()
    if kind < 0.4:
        hour, minute = rng.randrange(13, 24), rng.randrange(1, 60)
        oh = "oh " if minute < 10 else ""
        return (
            f"{english_number(hour)} {oh}{english_number(minute)}",
            f"{german_number(hour)} Uhr {german_number(minute)}",
        )
    if kind < 0.6:
        part = rng.choice(_PARTS_OF_DAY)
        hour = rng.choice(part[2])
        clock = f"{english_number(hour)} o'clock", f"{_hour(hour)} Uhr"
        return f"{clock[0]} {part[0]}", f"{clock[1]} {part[1]}"
    hour = rng.randrange(1, 13)
    later = hour % 12 + 1
    english, german = rng.choice((("{h} o'clock", "{h} Uhr"), *_PAST, *_TO))
    before_uhr = german.endswith("Uhr")
    return (
        english.format(h=english_number(hour), next=english_number(later)),
        german.format(
            h=_hour(hour) if before_uhr else german_number(hour),
            next=german_number(later),
        ),
    )


def _hour(hour: int) -> str:
    """An hour before "Uhr": "ein Uhr", not "eins Uhr"."""
    return "ein" if hour == 1 else german_number(hour)


def _time(rng: random.Random) -> Phrase:
    patterns = (
        ("at {t}", "um {t}"),
        ("it is {t}.", "Es ist {t}."),
        ("we eat at {t}.", "Wir essen um {t}."),
        ("the shop opens at {t}.", "Der Laden öffnet um {t}."),
        ("the film begins at {t}.", "Der Film beginnt um {t}."),
        ("the meeting on {w} is at {t}.", "Die Besprechung am {w} ist um {t}."),
        ("on {w} at {t}", "am {w} um {t}"),
        ("on {w} I get up at {t}.", "Am {w} stehe ich um {t} auf."),
        ("the train to {c} leaves at {t}.", "Der Zug nach {c} fährt um {t} ab."),
        ("the bus from {c} arrives at {t}.", "Der Bus aus {c} kommt um {t} an."),
        (
            "the train to {c} leaves on {w} at {t}.",
            "Der Zug nach {c} fährt am {w} um {t} ab.",
        ),
    )
    clock = _clock(rng)
    slots = {
        "t": clock,
        "w": rng.choice(words.WEEKDAYS),
        "c": rng.choice(words.CITIES),
    }
    return _fill(rng.choice(patterns), f"time {clock[0]}", **slots)


_FAMILIES: dict[Callable[[random.Random], Phrase], float] = {
    _number: 0.17,
    _things: 0.28,
    _measure: 0.12,
    _duration: 0.08,
    _price: 0.13,
    _date: 0.10,
    _time: 0.12,
}
