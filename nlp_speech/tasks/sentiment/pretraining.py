"""What a classifier takes from a language model that was trained before."""

from __future__ import annotations

from pathlib import Path

from nlp_speech.errors import UserError
from nlp_speech.pretrained import Pretrained, read_pretrained
from nlp_speech.tasks.sentiment import PRETRAINED_FILE, TOKENIZER_FILE
from nlp_speech.tasks.sentiment.config import ModelSection
from nlp_speech.text.tokenizer import Tokenizer
from nlp_speech.weights import write_arrays

_TASK = "language_model"


def copy_pretrained(section: ModelSection, directory: Path) -> None:
    """Copies vocabulary, embedding and LSTMs of a language model to `directory`.

    Args:
        section: names the model.
        directory: of the run's assets.

    Raises:
        UserError: there is no such model, or its sizes are not those of the config.
    """
    assert section.pretrained is not None
    found = read_pretrained(section.pretrained, _TASK)
    _check_sizes(section, found)
    Tokenizer.load(found.assets / TOKENIZER_FILE).save(directory / TOKENIZER_FILE)
    stacks = ("forward/", "backward/") if section.bidirectional else ("forward/",)
    weights = {
        path: values
        for path, values in found.weights.items()
        if path == "table" or path.startswith(stacks)
    }
    write_arrays(weights, directory / PRETRAINED_FILE)


def _check_sizes(section: ModelSection, found: Pretrained) -> None:
    theirs = found.config.model
    for name in ("embedding_units", "units", "layers"):
        if getattr(section, name) != getattr(theirs, name):
            raise UserError.at(
                found.path,
                None,
                f"this language model has model.{name} {getattr(theirs, name)} and the "
                f"config {getattr(section, name)}; give both the same",
            )
    if section.bidirectional and theirs.directions != "both":
        raise UserError.at(
            found.path,
            None,
            "this language model reads forward only; set model.bidirectional to false, "
            "or train one with model.directions both",
        )
