"""Prefix beam search over log-probabilities on the host: NumPy and Python only.

Without a language it is the search of `decoding.ctc.prefix_beam_search`, prefix by
prefix; with one it is the same for every runtime, for all of them return the
log-probabilities. It reads one step after another, so that a stream is decoded while it
is heard.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from nlp_speech.decoding.fusion import Fusion, FusionState

_NEVER = -1e9
# The best alignment of a prefix: first step of its last label, step after its last one
# (None while it is heard), and the alignment of the prefix without it.
Alignment = tuple[int, int | None, Any] | None


@dataclass(frozen=True)
class Hypothesis:
    """What was heard, and when.

    Attributes:
        labels: without blanks.
        starts: the first step of each label.
        ends: the step after its last one.
        acoustic: the log-probability of the labels, summed over alignments.
        score: with what the language adds: what hypotheses are ranked by.
    """

    labels: tuple[int, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    acoustic: float
    score: float


class _Prefix:
    """A prefix; there is one object for each, as long as it or a longer one is kept."""

    __slots__ = ("children", "label", "language", "parent")

    def __init__(
        self, label: int, parent: _Prefix | None, language: FusionState | None
    ) -> None:
        self.label = label
        self.parent = parent
        self.language = language
        self.children: dict[int, _Prefix] = {}

    @property
    def bonus(self) -> float:
        return self.language.total if self.language else 0.0

    def labels(self) -> tuple[int, ...]:
        found, prefix = [], self
        while prefix.parent is not None:
            found.append(prefix.label)
            prefix = prefix.parent
        return tuple(reversed(found))


class _Scores:
    """Log-probabilities of a prefix, by how its alignments end."""

    __slots__ = (
        "best_blank",
        "best_label",
        "blank",
        "blank_path",
        "label",
        "label_path",
    )

    def __init__(
        self,
        blank: float = _NEVER,
        label: float = _NEVER,
        best_blank: float = _NEVER,
        best_label: float = _NEVER,
        blank_path: Alignment = None,
        label_path: Alignment = None,
    ) -> None:
        self.blank, self.label = blank, label
        self.best_blank, self.best_label = best_blank, best_label
        self.blank_path, self.label_path = blank_path, label_path

    @property
    def total(self) -> float:
        return _log_add(self.blank, self.label)

    def ended(self, step: int, with_blank: bool) -> tuple[float, Alignment]:
        """The best alignment up to `step`, and its score.

        Args:
            step: the first one that is not of it.
            with_blank: whether it must end with a blank.
        """
        if with_blank or self.best_label <= self.best_blank:
            return self.best_blank, self.blank_path
        assert self.label_path is not None
        start, _, before = self.label_path
        return self.best_label, (start, step, before)


class PrefixSearch:
    """A search that is given one step after another.

    Args:
        symbols: what each label adds to the text; label 0 is the blank.
        beam_size: prefixes kept at each step.
        labels_per_step: how many labels, the most likely ones of a step, may go on.
        fusion: a language model and hot words, or None.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        beam_size: int,
        labels_per_step: int,
        fusion: Fusion | None = None,
    ) -> None:
        self._symbols = symbols
        self._spaced = {n for n, symbol in enumerate(symbols) if " " in symbol}
        self._beam_size = beam_size
        self._labels_per_step = min(labels_per_step, len(symbols) - 1)
        self._fusion = fusion
        self.reset()

    def reset(self) -> None:
        """Forgets all that was heard."""
        language = self._fusion.start() if self._fusion else None
        root = _Prefix(0, None, language)
        self._beam = {root: _Scores(blank=0.0, best_blank=0.0)}
        self.steps = 0

    def copied(self) -> PrefixSearch:
        """The search as it is now, to go back to; neither changes the other."""
        return copy(self)  # a step makes a new beam and leaves the old one as it is

    def advance(self, log_probs: np.ndarray) -> None:
        """Reads the next steps, [steps, labels] log-probabilities."""
        if not len(log_probs):
            return
        log_probs = np.maximum(log_probs, _NEVER)  # a probability of 0
        order = np.argsort(-log_probs[:, 1:], axis=1, kind="stable") + 1
        likely = order[:, : self._labels_per_step].tolist()
        for row, labels in zip(log_probs.tolist(), likely, strict=True):
            self._step(row, labels)
            self.steps += 1

    def best(self, count: int = 1, partial: bool = False) -> list[Hypothesis]:
        """The best hypotheses for all that was read.

        Args:
            count: how many at most.
            partial: whether more may follow: then the last word is not complete.
        """
        found = [self._answer(*item, partial) for item in self._beam.items()]
        return sorted(found, key=lambda h: -h.score)[:count]

    def _step(self, row: list[float], likely: list[int]) -> None:
        beam = self._beam
        stayed = {prefix: self._stay(prefix, s, row) for prefix, s in beam.items()}
        for prefix, scores in stayed.items():
            if prefix.parent in beam:
                self._arrive(prefix, scores, beam[prefix.parent], row)
        ranked = [(s.total + p.bonus, p, s) for p, s in stayed.items()]
        least = _NEVER
        if len(ranked) >= self._beam_size:
            least = sorted((r[0] for r in ranked), reverse=True)[self._beam_size - 1]
        for prefix, scores in beam.items():
            ranked += self._extend(prefix, scores, row, likely, least)
        ranked.sort(key=lambda item: -item[0])
        self._beam = {prefix: scores for _, prefix, scores in ranked[: self._beam_size]}

    def _stay(self, prefix: _Prefix, old: _Scores, row: list[float]) -> _Scores:
        """The same prefix after a blank, or its last label again."""
        best, path = old.ended(self.steps, with_blank=False)
        again = row[prefix.label] if prefix.parent else _NEVER
        return _Scores(
            blank=old.total + row[0],
            label=old.label + again,
            best_blank=best + row[0],
            best_label=old.best_label + again,
            blank_path=path,
            label_path=old.label_path,
        )

    def _arrive(
        self, prefix: _Prefix, scores: _Scores, parent: _Scores, row: list[float]
    ) -> None:
        """Adds the alignments of the parent that go on with the prefix's last label."""
        assert prefix.parent is not None
        value, repeats = row[prefix.label], prefix.label == prefix.parent.label
        mass = parent.blank if repeats else parent.total
        scores.label = _log_add(scores.label, mass + value)
        best, path = parent.ended(self.steps, with_blank=repeats)
        if best + value > scores.best_label:
            scores.best_label = best + value
            scores.label_path = (self.steps, None, path)

    def _extend(
        self,
        prefix: _Prefix,
        scores: _Scores,
        row: list[float],
        likely: list[int],
        least: float,
    ) -> list[tuple[float, _Prefix, _Scores]]:
        """The prefix with each likely label, as far as it can be among the best."""
        found, total = [], scores.total
        gain = most = prefix.bonus
        if self._fusion and prefix.language:
            gain += self._fusion.largest_gain
            # A word that is complete may have a better score than was looked ahead to.
            most = gain - min(0.0, prefix.language.ahead)
        for label in likely:
            if total + row[label] + most < least:
                break  # the labels that follow are less likely still
            child = prefix.children.get(label)
            if child in self._beam:
                continue
            if total + row[label] + gain < least and label not in self._spaced:
                continue
            repeats = label == prefix.label
            mass = scores.blank if repeats else total
            if mass < _NEVER / 2:
                continue
            child = child or self._child(prefix, label)
            best, path = scores.ended(self.steps, with_blank=repeats)
            new = _Scores(
                label=mass + row[label],
                best_label=best + row[label],
                label_path=(self.steps, None, path),
            )
            found.append((new.label + child.bonus, child, new))
        return found

    def _child(self, prefix: _Prefix, label: int) -> _Prefix:
        language = prefix.language
        if self._fusion and language:
            language = self._fusion.extend(language, self._symbols[label])
        child = _Prefix(label, prefix, language)
        prefix.children[label] = child
        return child

    def _answer(self, prefix: _Prefix, scores: _Scores, partial: bool) -> Hypothesis:
        _, path = scores.ended(self.steps, with_blank=False)
        times = []
        while path is not None:
            start, end, path = path
            times.append((start, end))
        times.reverse()
        bonus = prefix.bonus
        if self._fusion and prefix.language and not partial:
            bonus = self._fusion.finish(prefix.language)
        return Hypothesis(
            labels=prefix.labels(),
            starts=tuple(start for start, _ in times),
            ends=tuple(end for _, end in times),
            acoustic=scores.total,
            score=scores.total + bonus,
        )


def confidences(log_probs: np.ndarray, found: Hypothesis) -> np.ndarray:
    """The mean probability of each label in its steps, [labels] float64.

    Args:
        log_probs: [steps, vocabulary].
        found: a hypothesis of them.
    """
    rows = zip(found.labels, found.starts, found.ends, strict=True)
    means = [np.exp(log_probs[a:b, label]).mean() for label, a, b in rows]
    return np.clip(np.array(means, np.float64), 0.0, 1.0)


def _log_add(a: float, b: float) -> float:
    if a < b:
        a, b = b, a
    return a + math.log1p(math.exp(b - a))
