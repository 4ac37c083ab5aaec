"""Language model data: a vocabulary from the training texts, rows of one stream."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from nlp_speech.data.encoding import TextEncoder
from nlp_speech.data.streams import StreamBatches
from nlp_speech.data.texts import spread
from nlp_speech.files import write_text
from nlp_speech.tasks.language_model import TOKENIZER_FILE, Assets
from nlp_speech.tasks.language_model.config import LanguageModelConfig
from nlp_speech.tasks.language_model.corpus import read_corpus
from nlp_speech.text.tokenizer import EOS, train_tokenizer

_log = logging.getLogger(__name__)

# Evaluation compares every prediction with the whole vocabulary: in smaller batches.
_EVALUATED_ROWS = 16


def prepare(config: LanguageModelConfig, directory: Path) -> None:
    """Learns the vocabulary from the training texts; writes to `directory`.

    The counts of what was read and left out go to ``data.json`` and the log.
    """
    corpus = read_corpus(config)
    directory.mkdir(parents=True, exist_ok=True)
    some = list(spread(corpus.train, config.tokenizer.learned_from, config.seed))
    train_tokenizer(some, config.tokenizer).save(directory / TOKENIZER_FILE)
    report = {
        "train": len(corpus.train),
        "validation": len(corpus.validation),
        "excluded": corpus.excluded,
    }
    write_text(directory / "data.json", json.dumps(report, indent=1))
    _log.info(
        "%d training texts, %d for validation; %d were left out because they stand "
        "elsewhere too",
        *report.values(),
    )


def training_data(
    config: LanguageModelConfig, assets: Assets, split: str
) -> StreamBatches:
    """The batches of the split ``train`` or ``validation``; see `StreamBatches`."""
    training = split == "train"
    corpus = read_corpus(config)
    section = config.tokenizer
    encoder = TextEncoder(
        corpus.train if training else corpus.validation,
        assets.tokenizer,
        section.sampling_alpha if training and section.sample else None,
        (config.seed, 0),
    )
    rows = config.batch.rows
    return StreamBatches(
        encoder,
        rows if training else min(rows, _EVALUATED_ROWS),
        config.batch.steps,
        config.seed,
        EOS,
        shuffle=training,
    )
