"""Translation data: vocabularies from the training text, batches from all text."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path

from nlp_speech.data.encoding import PairEncoder
from nlp_speech.data.parallel import read_pairs
from nlp_speech.data.pipeline import PairBatches
from nlp_speech.data.texts import spread
from nlp_speech.files import write_text
from nlp_speech.tasks.translation import Assets, parallel_text, tokenizer_files
from nlp_speech.tasks.translation.config import TranslationConfig
from nlp_speech.text.tokenizer import train_tokenizer


def prepare(config: TranslationConfig, directory: Path) -> None:
    """Trains the vocabularies on the training text and writes them to `directory`.

    The counts of what was read and left out go to ``data.json`` and the log.
    """
    pairs, report = read_pairs(parallel_text(part) for part in config.data.train)
    sources = [source for source, _ in pairs]
    targets = [target for _, target in pairs]
    directory.mkdir(parents=True, exist_ok=True)
    source_file, target_file = tokenizer_files(config)
    if config.tokenizer.shared:
        _train([*sources, *targets], config, directory / source_file)
    else:
        _train(sources, config, directory / source_file)
        _train(targets, config, directory / target_file)
    write_text(directory / "data.json", json.dumps(vars(report), indent=1))
    logging.getLogger(__name__).info(
        "%d training pairs; %d with a blank side were left out",
        report.pairs,
        report.blank,
    )


def training_data(config: TranslationConfig, assets: Assets, split: str) -> PairBatches:
    """The batches of the split ``train`` (sampled pieces) or ``validation``."""
    training = split == "train"
    parts = config.data.train if training else [config.data.validation]
    pairs, _ = read_pairs(parallel_text(part) for part in parts)
    encoder = PairEncoder(
        pairs, assets.source, assets.target, config.tokenizer, config.seed, training
    )
    return PairBatches(encoder, config.batch, config.seed)


def _train(texts: Sequence[str], config: TranslationConfig, path: Path) -> None:
    some = spread(texts, config.tokenizer.learned_from, config.seed)
    train_tokenizer(some, config.tokenizer).save(path)
