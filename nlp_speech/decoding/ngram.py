"""Estimates an n-gram model from text: interpolated modified Kneser-Ney.

For small texts such as the transcripts of a training set; `lmplz` of KenLM makes such
models of large ones. Source: Chen and Goodman 1998, "An Empirical Study of Smoothing
Techniques for Language Modeling", section 3; Heafield et al. 2013 for the edge cases.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set

from nlp_speech.decoding.arpa import END, START, UNKNOWN, Entry, NGrams
from nlp_speech.errors import UserError

Words = tuple[str, ...]
Counts = Mapping[Words, int]
# Discounts where a text is too small to estimate them, as in KenLM.
_FALLBACK = (0.5, 1.0, 1.5)
_NEVER = -99.0


def estimate(
    sentences: Iterable[Sequence[str]], order: int, prune: Sequence[int] = ()
) -> NGrams:
    """Learns a model of sentences.

    Args:
        sentences: the words of each; an empty one counts as a sentence.
        order: the most words of an n-gram.
        prune: for each order a count; n-grams that do not appear more often are left
            out, and their mass goes to shorter ones (`lmplz --prune`). The last value
            holds for longer ones too; words are always kept, whatever the first.

    Returns:
        The model with the n-grams of the text, and ``<unk>``. After each context the
        probabilities of all words, ``</s>`` and ``<unk>`` add up to 1.

    Raises:
        UserError: there are no words, or one of them is a mark of sentences.
    """
    if order < 1:
        raise UserError(f"the order of an n-gram model must be 1 or more, not {order}")
    seen = _count(sentences, order)
    kept = _kept(seen, prune)
    counts = _adjusted(seen, order)
    if not any(words[0] != END for words in counts[0]):
        raise UserError("there are no words to learn a language model from")
    lower: dict[Words, float] | None = None
    tables: list[dict[Words, Entry]] = []
    for table, keep in zip(counts, kept, strict=True):
        values, left_over = _smoothed(table, keep, lower)
        _add_back_off(tables, left_over)
        tables.append({words: (math.log10(p), 0.0) for words, p in values.items()})
        lower = values
    tables[0][START,] = (_NEVER, tables[0].get((START,), (0.0, 0.0))[1])
    return NGrams(tables)


def _count(sentences: Iterable[Sequence[str]], order: int) -> list[Counter[Words]]:
    """The n-grams of each order; <s> is counted as a context only."""
    counts: list[Counter[Words]] = [Counter() for _ in range(order)]
    for sentence in sentences:
        for mark in {START, END, UNKNOWN} & set(sentence):
            raise UserError(f"the text has the word {mark}, which marks sentences")
        words = (START, *sentence, END)
        for size, table in enumerate(counts, start=1):
            table.update(words[n : n + size] for n in range(len(words) - size + 1))
    del counts[0][START,]
    return counts


def _adjusted(counts: list[Counter[Words]], order: int) -> list[Counts]:
    """Below the highest order, in how many different contexts an n-gram appears.

    What begins a sentence has but one context, and is counted as it is.
    """
    adjusted: list[Counts] = []
    for size in range(1, order):
        contexts = Counter(words[1:] for words in counts[size])
        starts = {w: n for w, n in counts[size - 1].items() if w[0] == START}
        adjusted.append({**contexts, **starts})
    return [*adjusted, counts[-1]]


def _kept(seen: Sequence[Counts], prune: Sequence[int]) -> list[Set[Words]]:
    """The n-grams of each order that are not pruned, by how often each was seen.

    Whatever a longer one that is kept begins or ends with is kept as well, for its
    probability is made of theirs.
    """
    if not any(prune):
        return [table.keys() for table in seen]
    kept: list[Set[Words]] = []
    needed: Set[Words] = frozenset()
    for size in range(len(seen), 0, -1):
        table, least = seen[size - 1], _threshold(prune, size)
        keep = {words for words, n in table.items() if n > least or words in needed}
        needed = {words[:-1] for words in keep} | {words[1:] for words in keep}
        kept.append(keep)
    return kept[::-1]


def _threshold(prune: Sequence[int], size: int) -> int:
    """How often an n-gram that is pruned is seen at most; words never are."""
    if size == 1:
        return 0
    return prune[min(size, len(prune)) - 1]


def _smoothed(
    counts: Counts, keep: Set[Words], lower: Mapping[Words, float] | None
) -> tuple[dict[Words, float], dict[Words, float]]:
    """The probability of each n-gram kept, and what is left over after each context."""
    discounts = _discounts(counts)
    totals: dict[Words, int] = defaultdict(int)
    taken: dict[Words, float] = defaultdict(float)
    for words, count in counts.items():
        totals[words[:-1]] += count
        pruned = words not in keep
        taken[words[:-1]] += count if pruned else discounts[min(count, 3) - 1]
    left_over = {context: taken[context] / totals[context] for context in totals}
    values = {}
    uniform = 1 / (len(counts) + 1)  # of every word, </s> and <unk>
    for words in keep:
        context, count = words[:-1], counts[words]
        below = uniform if lower is None else lower[words[1:]]
        kept = (count - discounts[min(count, 3) - 1]) / totals[context]
        values[words] = kept + left_over[context] * below
    if lower is None:
        values[UNKNOWN,] = left_over[()] * uniform
        return values, left_over
    # A context that is pruned has nothing kept after it; <s> is no n-gram itself.
    known = lower.keys() | {(START,)}
    return values, {c: left for c, left in left_over.items() if c in known}


def _discounts(counts: Counts) -> tuple[float, float, float]:
    """What is taken from n-grams seen once, twice and more often."""
    seen = Counter(counts.values())
    if not all(seen[n] for n in (1, 2, 3, 4)):
        return _FALLBACK
    share = seen[1] / (seen[1] + 2 * seen[2])
    found = tuple(n - (n + 1) * share * seen[n + 1] / seen[n] for n in (1, 2, 3))
    if all(0 < discount <= n for n, discount in enumerate(found, start=1)):
        return found[0], found[1], found[2]
    return _FALLBACK


def _add_back_off(
    tables: list[dict[Words, Entry]], left_over: Mapping[Words, float]
) -> None:
    """Gives the contexts of an order, n-grams of the one below, what they left over."""
    if not tables:
        return
    for context, weight in left_over.items():
        value = tables[-1].get(context, (_NEVER, 0.0))[0]
        tables[-1][context] = (value, math.log10(weight))
