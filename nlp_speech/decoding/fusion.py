"""What a language model and hot words add to the score of labels: shallow fusion."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from nlp_speech.decoding.arpa import END

_LN_10 = math.log(10)


class WordModel(Protocol):
    """A language model of words; `arpa.NGrams` is one, `kenlm_model.KenLM` another."""

    def start(self) -> Any:
        """The context at the beginning of a sentence."""
        ...

    def score(self, context: Any, word: str) -> tuple[float, Any]:
        """The log10 probability of a word, and the context after it."""
        ...

    def words(self) -> Iterator[tuple[str, float]]:
        """Each word that can be said with its log10 probability without a context."""
        ...


@dataclass(frozen=True)
class FusionOptions:
    """How much the language counts.

    Attributes:
        weight: of the language model's log-probabilities; the acoustic ones count 1.
        word_bonus: added for each word, since a language model prefers few.
        unknown_penalty: taken for a word that the model does not know; its probability
            of such words does not count then.
        hot_words: added for each of these words, known or not.
    """

    weight: float = 0.5
    word_bonus: float = 0.0
    unknown_penalty: float = 5.0
    hot_words: Mapping[str, float] = field(default_factory=dict)


class FusionState(NamedTuple):
    """What was said so far.

    Attributes:
        context: of the language model, after the words that are complete.
        partial: the letters of the word that is not.
        done: the score of complete words.
        ahead: the most that the partial word can become, or nearly so.
    """

    context: Any
    partial: str
    done: float
    ahead: float

    @property
    def total(self) -> float:
        """What is added to the acoustic score."""
        return self.done + self.ahead


class Fusion:
    """Scores words as they are spelled.

    A word's score is known only when it is complete. Until then the best word that
    begins like it is counted without a context, so that a beam does not fill with words
    that do not exist.

    Args:
        model: of words, or None for hot words only.
        options: how much each counts.
    """

    def __init__(self, model: WordModel | None, options: FusionOptions) -> None:
        self.model = model
        self.options = options
        self._known: dict[str, float] = dict(model.words()) if model else {}
        self._begins = _best_by_beginning(self._known)
        # A word that is not wanted says nothing about others that begin like it.
        wanted = {word: gain for word, gain in options.hot_words.items() if gain > 0}
        self._hot_begins = _best_by_beginning(wanted)
        # To be unknown may cost less than the rarest word.
        rarest = options.weight * _LN_10 * min(self._known.values(), default=0.0)
        self._unknown_gain = max(0.0, -options.unknown_penalty - rarest)

    @property
    def largest_gain(self) -> float:
        """What one more label can add at most, beyond making up for `ahead`."""
        hot = max([0.0, *self.options.hot_words.values()])
        return max(0.0, self._word_bonus) + hot + self._unknown_gain

    @property
    def _word_bonus(self) -> float:
        """It makes up for what a model takes for a word: without one there is none."""
        return self.options.word_bonus if self.model is not None else 0.0

    def start(self) -> FusionState:
        """The state before the first label."""
        context = self.model.start() if self.model else None
        return FusionState(context, "", 0.0, 0.0)

    def extend(self, state: FusionState, symbol: str) -> FusionState:
        """The state after one more label.

        Args:
            state: before it.
            symbol: what the label adds to the text; a space in it ends a word.
        """
        # Half of a search's time goes here: for a letter only one state is made.
        *words, last = symbol.split(" ")
        for end in words:
            before = state._replace(partial=state.partial + end)
            state = self._complete(before)
        partial = state.partial + last
        return FusionState(state.context, partial, state.done, self._ahead(partial))

    def finish(self, state: FusionState) -> float:
        """The score of all that was said, with the last word and the end."""
        state = self._complete(state)
        if self.model is None:
            return state.done
        value, _ = self.model.score(state.context, END)
        return state.done + self.options.weight * _LN_10 * value

    def _complete(self, state: FusionState) -> FusionState:
        word, options = state.partial, self.options
        if not word:
            return state
        gain = self._word_bonus + options.hot_words.get(word, 0.0)
        context = state.context
        if self.model is not None:
            value, context = self.model.score(context, word)
            if word in self._known:
                gain += options.weight * _LN_10 * value
            else:
                gain -= options.unknown_penalty
        return FusionState(context, "", state.done + gain, 0.0)

    def _ahead(self, partial: str) -> float:
        if not partial:
            return 0.0
        gain = self._hot_begins.get(partial, 0.0)
        if self.model is None:
            return gain
        best = self._begins.get(partial)
        if best is None:
            return gain - self.options.unknown_penalty
        return gain + self.options.weight * _LN_10 * best


def _best_by_beginning(words: Mapping[str, float]) -> dict[str, float]:
    """For each beginning of a word the highest value of a word that begins so."""
    best: dict[str, float] = {}
    for word, value in words.items():
        for size in range(1, len(word) + 1):
            begin = word[:size]
            best[begin] = max(best.get(begin, -math.inf), value)
    return best
