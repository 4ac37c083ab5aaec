"""Summarization data: one vocabulary from the training text, batches from all text."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from pathlib import Path

from nlp_speech.data.documents import pairs_of
from nlp_speech.data.encoding import PairEncoder
from nlp_speech.data.pipeline import PairBatches
from nlp_speech.data.texts import spread
from nlp_speech.files import write_text
from nlp_speech.tasks.summarization import TOKENIZER_FILE, Assets
from nlp_speech.tasks.summarization.config import SummarizationConfig
from nlp_speech.tasks.summarization.corpus import read_split, read_training
from nlp_speech.text.normalization import clean
from nlp_speech.text.tokenizer import train_tokenizer


def prepare(config: SummarizationConfig, directory: Path) -> None:
    """Trains the vocabulary on the training text and writes it to `directory`.

    The counts of what was read and left out go to ``data.json`` and the log.
    """
    training = read_training(config)
    directory.mkdir(parents=True, exist_ok=True)
    texts = dict.fromkeys(text for pair in _clean(training.pairs) for text in pair)
    some = spread(list(texts), config.tokenizer.learned_from, config.seed)
    train_tokenizer(some, config.tokenizer).save(directory / TOKENIZER_FILE)
    report = {"pairs": len(training.pairs), "excluded": training.excluded}
    write_text(directory / "data.json", json.dumps(report, indent=1))
    logging.getLogger(__name__).info(
        "%d training pairs; %d documents were left out: they stand in another split",
        len(training.pairs),
        training.excluded,
    )


def training_data(
    config: SummarizationConfig, assets: Assets, split: str
) -> PairBatches:
    """The batches of the split ``train`` or ``validation``; long documents are cut."""
    training = split == "train"
    if training:
        pairs = read_training(config).pairs
    else:
        documents = read_split(config, split)
        pairs = [pair for pair in pairs_of(documents) if pair[0].strip()]
    encoder = PairEncoder(
        _clean(pairs),
        assets.tokenizer,
        assets.tokenizer,
        config.tokenizer,
        config.seed,
        training,
        assets.max_source_length,
    )
    return PairBatches(encoder, config.batch, config.seed)


def _clean(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Documents and summaries without HTML tags."""
    return [(clean(document), clean(summary)) for document, summary in pairs]
