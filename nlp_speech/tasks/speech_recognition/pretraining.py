"""What a recognizer takes from another one that was trained before."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nlp_speech.audio.features import FrontEnd, Statistics
from nlp_speech.pretrained import (
    PRETRAINED_FILE,
    Pretrained,
    check_same,
    read_pretrained,
)
from nlp_speech.tasks.speech_recognition import (
    LABELS_FILE,
    NAME,
    STATISTICS_FILE,
    TOKENIZER_FILE,
    Assets,
)
from nlp_speech.tasks.speech_recognition.config import SpeechRecognitionConfig
from nlp_speech.tasks.speech_recognition.model import build
from nlp_speech.text.labels import Characters
from nlp_speech.text.tokenizer import UNK, Tokenizer
from nlp_speech.weights import weights_by_path, write_arrays

_log = logging.getLogger(__name__)

_SIZES = (
    "units",
    "layers",
    "bidirectional",
    "look_ahead",
    "subsampling",
    "conv_channels",
    "layer_norm",
    "residual",
)
_SOFTMAX = ("kernel", "bias")  # their last dimension is the labels


def open_pretrained(config: SpeechRecognitionConfig) -> Pretrained | None:
    """The recognizer that the config's begins with, if any.

    Raises:
        UserError: there is no such recognizer, or it hears or is built otherwise.
    """
    if config.model.pretrained is None:
        return None
    found = read_pretrained(config.model.pretrained, NAME)
    what = "recognizer"
    check_same(found, what, config, "frontend", type(config.frontend).model_fields)
    check_same(found, what, config, "vocabulary", ("kind", "case"))
    if config.vocabulary.kind == "pieces":
        check_same(found, what, config, "vocabulary", ("size",))
    check_same(found, what, config, "model", _SIZES)
    return found


def begin_pretrained(
    config: SpeechRecognitionConfig,
    found: Pretrained,
    directory: Path,
    texts: Sequence[str],
) -> None:
    """Writes what a recognizer begins with: all weights of another one.

    Its labels and the statistics of its features belong to them. Characters of the
    transcripts that it does not know become labels as well, whose part of the softmax
    is random; what its pieces cannot spell is left out.

    Args:
        config: of the new recognizer.
        found: the other one.
        directory: of the run's assets, where labels, statistics and weights go.
        texts: the transcripts of the training set, clean.

    Raises:
        UserError: a part of the other recognizer is missing or damaged.
    """
    _log.info("it begins with the recognizer %s", found.path)
    Statistics.load(found.assets / STATISTICS_FILE).save(directory / STATISTICS_FILE)
    if config.vocabulary.kind == "pieces":
        tokenizer = Tokenizer.load(found.assets / TOKENIZER_FILE)
        tokenizer.save(directory / TOKENIZER_FILE)
        cut = sum(UNK in ids for ids in tokenizer.encode(texts))
        if cut:
            message = "%d transcripts lose characters that %s cannot spell"
            _log.warning(message, cut, found.path)
        write_arrays(found.weights, directory / PRETRAINED_FILE)
        return
    theirs = Characters.load(found.assets / LABELS_FILE).symbols
    ours = Characters({c for c in theirs if c}.union(*texts))
    new = set(ours.symbols) - set(theirs)
    if new:
        _log.warning("%s does not know: %s", found.path, " ".join(sorted(new)))
    ours.save(directory / LABELS_FILE)
    weights = dict(found.weights) | _softmax(config, found, ours, theirs)
    write_arrays(weights, directory / PRETRAINED_FILE)


def _softmax(
    config: SpeechRecognitionConfig,
    found: Pretrained,
    ours: Characters,
    theirs: Sequence[str],
) -> dict[str, np.ndarray]:
    """The weights of the labels: each symbol keeps its own, wherever it stands now."""
    places = [ours.symbols.index(symbol) for symbol in theirs]
    model = build(config, Assets(config, ours, FrontEnd(config.frontend)))
    weights = weights_by_path(model)
    softmax = {name: np.copy(weights[name].numpy()) for name in _SOFTMAX}
    for name, values in softmax.items():
        values[..., places] = found.weights[name]
    return softmax
