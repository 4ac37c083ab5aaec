"""The words of the demo corpus: numbers and inflected nouns, English and German."""

from __future__ import annotations

from dataclasses import dataclass

Gender = str  # "m", "f" or "n"
Case = str  # "nom", "acc" or "dat"

_ENGLISH_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen "
    "fourteen fifteen sixteen seventeen eighteen nineteen"
).split()
_ENGLISH_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_GERMAN_SMALL = (
    "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn "
    "vierzehn fünfzehn sechzehn siebzehn achtzehn neunzehn"
).split()
_GERMAN_TENS = (
    "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig"
).split()
_ENGLISH_ORDINALS = {
    1: "first",
    2: "second",
    3: "third",
    5: "fifth",
    8: "eighth",
    9: "ninth",
    12: "twelfth",
    20: "twentieth",
    30: "thirtieth",
}
_GERMAN_ORDINALS = {1: "erst", 3: "dritt", 7: "siebt", 8: "acht"}


def english_number(n: int) -> str:
    """Spells a number from 0 to 9999: "three hundred and forty-two"."""
    if n < 20:
        return _ENGLISH_SMALL[n]
    if n < 100:
        tens = _ENGLISH_TENS[n // 10 - 2]
        return tens if n % 10 == 0 else f"{tens}-{_ENGLISH_SMALL[n % 10]}"
    unit, name = (1000, "thousand") if n >= 1000 else (100, "hundred")
    head, rest = f"{english_number(n // unit)} {name}", n % unit
    if not rest:
        return head
    joint = " and " if rest < 100 else " "
    return head + joint + english_number(rest)


def german_number(n: int) -> str:
    """Spells a number from 0 to 9999: "dreihundertzweiundvierzig"."""
    if n < 20:
        return _GERMAN_SMALL[n]
    if n < 100:
        tens = _GERMAN_TENS[n // 10 - 2]
        return tens if n % 10 == 0 else f"{_german_stem(n % 10)}und{tens}"
    unit, name = (1000, "tausend") if n >= 1000 else (100, "hundert")
    rest = german_number(n % unit) if n % unit else ""
    return f"{_german_stem(n // unit)}{name}{rest}"


def _german_stem(n: int) -> str:
    """A digit inside a longer number: "ein", not "eins"."""
    return "ein" if n == 1 else german_number(n)


def english_ordinal(n: int) -> str:
    """Spells an ordinal from 1 to 31: "twenty-third"."""
    if n in _ENGLISH_ORDINALS:
        return _ENGLISH_ORDINALS[n]
    if n < 20:
        return f"{_ENGLISH_SMALL[n]}th"
    return f"{_ENGLISH_TENS[n // 10 - 2]}-{english_ordinal(n % 10)}"


def german_ordinal(n: int, ending: str) -> str:
    """Spells an ordinal from 1 to 31 with its ending: "dritten", "zwanzigste"."""
    if n < 20:
        stem = _GERMAN_ORDINALS.get(n, f"{german_number(n)}t")
    else:
        stem = f"{german_number(n)}st"
    return stem + ending


def english_year(year: int) -> str:
    """Spells a year from 1900 to 2099: "nineteen eighty-four"."""
    century, rest = divmod(year, 100)
    if century == 20 and rest < 10:
        return english_number(year)
    head = english_number(century)
    if rest == 0:
        return f"{head} hundred"
    return (
        f"{head} oh {english_number(rest)}"
        if rest < 10
        else (f"{head} {english_number(rest)}")
    )


def german_year(year: int) -> str:
    """Spells a year from 1900 to 2099: "neunzehnhundertvierundachtzig"."""
    if year >= 2000:
        return f"zweitausend{german_number(year - 2000) if year > 2000 else ''}"
    rest = german_number(year - 1900) if year > 1900 else ""
    return f"neunzehnhundert{rest}"


_ONE = {
    "nom": {"m": "ein", "f": "eine", "n": "ein"},
    "acc": {"m": "einen", "f": "eine", "n": "ein"},
    "dat": {"m": "einem", "f": "einer", "n": "einem"},
}
_THE = {
    "nom": {"m": "der", "f": "die", "n": "das"},
    "acc": {"m": "den", "f": "die", "n": "das"},
    "dat": {"m": "dem", "f": "der", "n": "dem"},
}
_AFTER_ONE = {
    "nom": {"m": "er", "f": "e", "n": "es"},
    "acc": {"m": "en", "f": "e", "n": "es"},
    "dat": {"m": "en", "f": "en", "n": "en"},
}


@dataclass(frozen=True)
class Noun:
    """A noun in both languages."""

    english: str
    english_plural: str
    german: str
    german_plural: str
    gender: Gender

    def german_many(self, case: Case) -> str:
        """The German plural: the dative adds an n where it can."""
        plural = self.german_plural
        return f"{plural}n" if case == "dat" and plural[-1] not in "ns" else plural

    def the(self, case: Case) -> str:
        """The German singular after its definite article."""
        return f"{_THE[case][self.gender]} {self.german}"

    def counted(self, n: int, case: Case, adjective: str = "") -> str:
        """The German noun after a number and, if given, the stem of an adjective.

        Args:
            n: how many; not 101, 201 and so on, where German has several forms.
            case: the case that the sentence asks for.
            adjective: its stem, such as "rot", or "".
        """
        if n == 1:
            number, noun = _ONE[case][self.gender], self.german
            ending = _AFTER_ONE[case][self.gender]
        else:
            number, noun = german_number(n), self.german_many(case)
            ending = "en" if case == "dat" else "e"
        middle = f" {adjective}{ending}" if adjective else ""
        return f"{number}{middle} {noun}"

    def english_counted(self, n: int, adjective: str = "") -> str:
        """The English noun after a number and, if given, an adjective."""
        noun = self.english if n == 1 else self.english_plural
        middle = f" {adjective}" if adjective else ""
        return f"{english_number(n)}{middle} {noun}"


def _nouns(table: str) -> tuple[Noun, ...]:
    """Reads lines of singular, plural, German singular, German plural, gender."""
    rows = [line.split() for line in table.strip().splitlines()]
    return tuple(Noun(*row) for row in rows)


NOUNS = _nouns("""
apple apples Apfel Äpfel m
book books Buch Bücher n
bag bags Tasche Taschen f
ball balls Ball Bälle m
bed beds Bett Betten n
bicycle bicycles Fahrrad Fahrräder n
bird birds Vogel Vögel m
car cars Auto Autos n
cat cats Katze Katzen f
chair chairs Stuhl Stühle m
dog dogs Hund Hunde m
door doors Tür Türen f
egg eggs Ei Eier n
flower flowers Blume Blumen f
garden gardens Garten Gärten m
hat hats Hut Hüte m
horse horses Pferd Pferde n
house houses Haus Häuser n
key keys Schlüssel Schlüssel m
lamp lamps Lampe Lampen f
letter letters Brief Briefe m
picture pictures Bild Bilder n
plate plates Teller Teller m
room rooms Zimmer Zimmer n
shirt shirts Hemd Hemden n
spoon spoons Löffel Löffel m
table tables Tisch Tische m
ticket tickets Fahrkarte Fahrkarten f
tree trees Baum Bäume m
window windows Fenster Fenster n
watch watches Uhr Uhren f
sofa sofas Sofa Sofas n
""")
ADJECTIVES = (
    ("red", "rot"),
    ("green", "grün"),
    ("blue", "blau"),
    ("black", "schwarz"),
    ("white", "weiß"),
    ("big", "groß"),
    ("small", "klein"),
    ("new", "neu"),
    ("old", "alt"),
    ("beautiful", "schön"),
)
BOTTLE, GLASS, CUP, CAN, LITRE, CRATE, KILO, PACKET = _nouns("""
bottle bottles Flasche Flaschen f
glass glasses Glas Gläser n
cup cups Tasse Tassen f
can cans Dose Dosen f
litre litres Liter Liter m
crate crates Kiste Kisten f
kilo kilos Kilo Kilo n
packet packets Packung Packungen f
""")
LIQUIDS = (
    ("water", "Wasser"),
    ("milk", "Milch"),
    ("coffee", "Kaffee"),
    ("tea", "Tee"),
    ("juice", "Saft"),
    ("lemonade", "Limonade"),
)
SOLIDS = (
    ("apples", "Äpfel"),
    ("potatoes", "Kartoffeln"),
    ("tomatoes", "Tomaten"),
    ("rice", "Reis"),
    ("flour", "Mehl"),
    ("sugar", "Zucker"),
    ("cherries", "Kirschen"),
)
EURO, DOLLAR, POUND, FRANC = _nouns("""
euro euros Euro Euro m
dollar dollars Dollar Dollar m
pound pounds Pfund Pfund n
franc francs Franken Franken m
""")
PERIODS = _nouns("""
minute minutes Minute Minuten f
hour hours Stunde Stunden f
day days Tag Tage m
week weeks Woche Wochen f
month months Monat Monate m
year years Jahr Jahre n
""")
MONTHS = tuple(
    zip(
        "January February March April May June July August September October "
        "November December".split(),
        "Januar Februar März April Mai Juni Juli August September Oktober "
        "November Dezember".split(),
        (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31),
        strict=True,
    )
)
WEEKDAYS = tuple(
    zip(
        "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split(),
        "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag".split(),
        strict=True,
    )
)
CITIES = (
    ("Berlin", "Berlin"),
    ("Munich", "München"),
    ("Vienna", "Wien"),
    ("Cologne", "Köln"),
    ("Hamburg", "Hamburg"),
    ("Zurich", "Zürich"),
    ("Prague", "Prag"),
    ("Paris", "Paris"),
)
