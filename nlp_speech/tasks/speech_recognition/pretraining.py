"""What a recognizer takes from another one that was trained before."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nlp_speech.audio.features import FrontEnd
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
from nlp_speech.weights import weights_by_path, write_arrays

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


def begin_pretrained(config: SpeechRecognitionConfig, directory: Path) -> None:
    """Writes what a recognizer begins with: all weights of another one.

    Its labels and the statistics of its features belong to them. Characters of the
    config's transcripts that it does not know become labels as well, whose part of the
    softmax is random.

    Args:
        config: names the other recognizer.
        directory: of the run's assets; characters as labels are there already.

    Raises:
        UserError: there is no such recognizer, or it hears or is built otherwise.
    """
    assert config.model.pretrained is not None
    found = read_pretrained(config.model.pretrained, NAME)
    _check(config, found)
    shutil.copyfile(found.assets / STATISTICS_FILE, directory / STATISTICS_FILE)
    if config.vocabulary.kind == "pieces":
        shutil.copyfile(found.assets / TOKENIZER_FILE, directory / TOKENIZER_FILE)
        write_arrays(found.weights, directory / PRETRAINED_FILE)
        return
    theirs = Characters.load(found.assets / LABELS_FILE).symbols
    transcripts = Characters.load(directory / LABELS_FILE).symbols
    ours = Characters(c for c in {*theirs, *transcripts} if c)
    ours.save(directory / LABELS_FILE)
    new = sorted(set(ours.symbols) - set(theirs))
    logging.getLogger(__name__).info(
        "it begins with the recognizer %s%s",
        found.path,
        f", which does not know {' '.join(new)}" if new else "",
    )
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


def _check(config: SpeechRecognitionConfig, found: Pretrained) -> None:
    what = "recognizer"
    check_same(found, what, config, "frontend", type(config.frontend).model_fields)
    check_same(found, what, config, "vocabulary", ("kind", "case"))
    check_same(found, what, config, "model", _SIZES)
