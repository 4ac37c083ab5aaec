"""How much a language model should count: tried on validation utterances."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import product
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from nlp_speech.decoding.fusion import Fusion, FusionOptions, WordModel
from nlp_speech.decoding.kenlm_model import read_model
from nlp_speech.errors import UserError
from nlp_speech.tasks.speech_recognition.config import SpeechRecognitionConfig
from nlp_speech.tasks.speech_recognition.language import options_of, search_of
from nlp_speech.text.labels import text_of


@dataclass(frozen=True)
class Grid:
    """The values that are tried, each with each.

    Attributes:
        weights: of the language model.
        bonuses: for each word.
        penalties: for an unknown word; empty: that of the config.
    """

    weights: Sequence[float]
    bonuses: Sequence[float]
    penalties: Sequence[float] = ()

    def options(self, config: SpeechRecognitionConfig) -> list[FusionOptions]:
        """Each combination, with the hot words of a config."""
        base = options_of(config)
        penalties = self.penalties or (base.unknown_penalty,)
        return [
            replace(base, weight=weight, word_bonus=bonus, unknown_penalty=penalty)
            for weight, bonus, penalty in product(self.weights, self.bonuses, penalties)
        ]


@dataclass(frozen=True)
class Heard:
    """What is searched with each combination.

    Attributes:
        log_probs: of validation utterances, [steps, labels] each.
        config: the experiment; gives all but the options.
        symbols: what each label adds to the text.
    """

    log_probs: Sequence[np.ndarray]
    config: SpeechRecognitionConfig
    symbols: Sequence[str]

    def texts(self, model: WordModel, options: FusionOptions) -> list[str]:
        """What is heard with a language model and options."""
        fusion = Fusion(model, options)
        found = []
        for log_probs in self.log_probs:
            search = search_of(self.config, self.symbols, fusion)
            search.advance(log_probs)
            found.append(text_of(search.best()[0].labels, self.symbols))
        return found


def tune(
    heard: Heard,
    references: Sequence[str],
    model: WordModel | Path,
    grid: Grid,
    processes: int = 1,
) -> Iterator[tuple[float, FusionOptions]]:
    """The word error rate of each combination of options, as soon as it is known.

    Args:
        heard: what is searched.
        references: what was said in each utterance.
        model: of words, or the ARPA file of it, which several processes need.
        grid: the values tried.
        processes: that search at the same time.

    Raises:
        UserError: the model cannot be read.
    """
    from nlp_speech import metrics

    options = grid.options(heard.config)
    for tried, texts in zip(
        options, _texts(heard, model, options, processes), strict=True
    ):
        yield metrics.wer(texts, references).value, tried


def _texts(
    heard: Heard, model: WordModel | Path, options: list[FusionOptions], processes: int
) -> Iterator[list[str]]:
    if processes == 1 or not isinstance(model, Path):
        if isinstance(model, Path):
            model = read_model(model)
        yield from (heard.texts(model, tried) for tried in options)
        return
    if not model.is_file():
        raise UserError.at(model, None, "there is no such language model")
    # TensorFlow's threads do not survive a fork.
    context = get_context("spawn")
    with ProcessPoolExecutor(processes, context, _begin, (heard, model)) as pool:
        yield from pool.map(_search, options)


_given: tuple[Heard, WordModel] | None = None


def _begin(heard: Heard, model: Path) -> None:
    """Gives a process what it searches in."""
    global _given
    _given = heard, read_model(model)


def _search(options: FusionOptions) -> list[str]:
    assert _given is not None
    heard, model = _given
    return heard.texts(model, options)
