"""Subword sampling over whole corpora: the same draw in every process.

Pieces of a unigram model do not cross spaces, so a sampled segmentation of a text is a
sampled segmentation of each of its words. Here the segmentations of each distinct word
are listed once; an epoch is then drawn for all words at once with NumPy. Where words
are not spaced, as in Japanese, each few pieces of the best segmentation are a word: the
places between them stay, and memory stays bounded.

SentencePiece can sample too, but what it draws with one seed differs from process to
process: a run that is resumed would not be the run that was killed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from nlp_speech.text.flat import FlatIds
from nlp_speech.text.tokenizer import Tokenizer

_SPACE = "\u2581"
_CHUNK = 1000  # texts between which other threads may work, or words listed at once
_LONGEST_WORD = 12  # pieces
_MOST_OF_ALL = 1 << 24  # segmentations of all words together, roughly
_LEAST = 8  # of each word all the same


class SubwordSampler:
    """Draws segmentations of a corpus (Kudo 2018, "Subword Regularization").

    Args:
        tokenizer: a unigram model.
        texts: the corpus.
        alpha: smoothing of the distribution; towards 0 all segmentations of a word are
            equally likely.
        end: an id to add to each text, or None.
        most: segmentations of a word that are considered, the most likely ones.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        texts: Sequence[str],
        alpha: float,
        end: int | None = None,
        most: int = 256,
    ) -> None:
        self._words, self._offsets, words = _split(tokenizer, texts, end is not None)
        fair = _MOST_OF_ALL // max(len(words), 1)
        most = max(min(_LEAST, most), min(most, fair))
        self._pieces, counts = _segmentations(tokenizer, words, most, end)
        self._choices = _choices(self._pieces, counts, tokenizer.scores * alpha)

    def __call__(self, seed: Sequence[int]) -> FlatIds:
        """The ids of all texts; the same for the same seed, everywhere.

        Args:
            seed: numbers such as run and epoch.
        """
        random = np.random.default_rng(list(seed))
        draws = self._words + random.random(len(self._words))
        # Of a large number and almost 1, the sum may be rounded to the next number.
        draws = np.minimum(draws, np.nextafter(self._words + 1.0, 0))
        chosen = np.searchsorted(self._choices, draws, side="right")
        begins, ends = self._pieces.offsets[chosen], self._pieces.offsets[chosen + 1]
        totals = np.concatenate([[0], np.cumsum(ends - begins)])
        # Where each id of the result stands among the pieces of all segmentations.
        places = np.arange(totals[-1]) + np.repeat(begins - totals[:-1], ends - begins)
        return FlatIds(self._pieces.ids[places], totals[self._offsets])


def _split(
    tokenizer: Tokenizer, texts: Sequence[str], ended: bool
) -> tuple[np.ndarray, np.ndarray, list[tuple[int, ...]]]:
    """Texts as numbers of words, and each word by its most likely pieces.

    Returns:
        The numbers, one text after the other, int64; where each text begins; and the
        words. With `ended`, each text ends with one more word.
    """
    numbers: dict[tuple[int, ...], int] = {}
    found: list[int] = []
    offsets = [0]
    end = -1
    for begin in range(0, len(texts), _CHUNK):
        for ids in tokenizer.encode(texts[begin : begin + _CHUNK]):
            found += [
                numbers.setdefault(word, len(numbers))
                for word in _words(ids, tokenizer)
            ]
            found += [end] * ended
            offsets.append(len(found))
    array = np.array(found, np.int64)
    array[array == end] = len(numbers)
    return array, np.array(offsets, np.int64), list(numbers)


def _words(ids: Sequence[int], tokenizer: Tokenizer) -> Iterable[tuple[int, ...]]:
    """The pieces of a text, word by word, long ones in parts."""
    starts = tokenizer.starts_word
    begin = 0
    for n in range(1, len(ids)):
        if starts[ids[n]] or n - begin == _LONGEST_WORD:
            yield tuple(ids[begin:n])
            begin = n
    if ids:
        yield tuple(ids[begin:])


def _segmentations(
    tokenizer: Tokenizer, words: Sequence[tuple[int, ...]], most: int, end: int | None
) -> tuple[FlatIds, np.ndarray]:
    """The most likely segmentations of each word, always with its best one.

    Returns:
        All of them, word by word, and how many each word has. The end of a text, if
        any, is the last word.
    """
    parts = [FlatIds.of([])]
    counts: list[int] = []
    for begin in range(0, len(words), _CHUNK):
        listed = []
        for word in words[begin : begin + _CHUNK]:
            options = tokenizer.best_splits("".join(tokenizer.pieces(word)), most)
            # A word that does not come back, such as one of unknown characters, stays.
            options = options if word in options else [word]
            counts.append(len(options))
            listed += options
        parts.append(FlatIds.of(listed))
    if end is not None:
        parts.append(FlatIds.of([(end,)]))
        counts.append(1)
    return FlatIds.joined(parts), np.array(counts, np.int64)


def _choices(pieces: FlatIds, counts: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Where to look a draw up.

    Args:
        pieces: of all segmentations, word by word.
        counts: the segmentations of each word, [words].
        scores: the logarithm of each piece's weight.

    Returns:
        For each segmentation of word n, n plus the share of it and of those before it.
    """
    if not len(counts):
        return np.zeros(0)
    logs = np.add.reduceat(scores[pieces.ids], pieces.offsets[:-1])
    ends = np.cumsum(counts)
    begins = ends - counts
    logs -= np.repeat(np.maximum.reduceat(logs, begins), counts)
    sums = np.cumsum(np.exp(logs))
    before = np.concatenate([[0.0], sums])[begins]
    shares = (sums - np.repeat(before, counts)) / np.repeat(
        sums[ends - 1] - before, counts
    )
    shares[ends - 1] = 1.0
    return np.repeat(np.arange(len(counts)), counts) + np.minimum(shares, 1.0)
