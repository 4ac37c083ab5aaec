"""Speech data: labels and statistics from the training set, batches from all sets."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from nlp_speech.audio.decode import read_samples
from nlp_speech.audio.features import FrontEnd, Statistics, statistics_of
from nlp_speech.audio.graph import GraphFrontEnd
from nlp_speech.audio.inputs import read_frames, read_sound, split_parts
from nlp_speech.audio.sections import FrontEndSection
from nlp_speech.data.manifests import Utterance, tell_left_out
from nlp_speech.data.paths import resolve
from nlp_speech.data.sound_batches import Budget, Examples, SoundBatches
from nlp_speech.data.sound_store import SoundStore, quantized, restored
from nlp_speech.errors import UserError
from nlp_speech.files import write_text
from nlp_speech.tasks.speech_recognition import (
    STATISTICS_FILE,
    Assets,
)
from nlp_speech.tasks.speech_recognition.alignment import can_align
from nlp_speech.tasks.speech_recognition.config import (
    SpeechRecognitionConfig,
    SplitSection,
)
from nlp_speech.tasks.speech_recognition.labels import (
    learn_labels,
    load_labels,
    save_labels,
)
from nlp_speech.tasks.speech_recognition.language import (
    prepare_language,
    same_model,
)
from nlp_speech.tasks.speech_recognition.pretraining import (
    begin_pretrained,
    open_pretrained,
)
from nlp_speech.tasks.speech_recognition.utterances import readable_rows
from nlp_speech.text.flat import FlatIds
from nlp_speech.text.labels import Labels, clean

_FOR_STATISTICS = 500  # utterances are enough for the mean and deviation of features


def prepare(config: SpeechRecognitionConfig, directory: Path) -> None:
    """Learns the labels and the statistics of the features of the training set.

    Those of a recognizer that the model begins with are copied instead, so that the run
    does not need that recognizer again.

    The counts of what was read and left out go to ``data.json`` and the log.

    Raises:
        UserError: the data are bad.
    """
    begins = open_pretrained(config)  # at once, before every sound is decoded
    directory.mkdir(parents=True, exist_ok=True)
    case = config.vocabulary.case
    sounds = _Sounds(config)
    found = sounds.readable(config.data.train)
    texts = [clean(u.text, case) for u in found]
    if begins is not None:
        begin_pretrained(config, begins, directory, texts)
    else:
        save_labels(learn_labels(config, texts), directory)
        _statistics(config, sounds, found).save(directory / STATISTICS_FILE)
    prepare_language(config, texts, load_labels(config, directory), directory)
    frames = sum(map(sounds.frames, found))
    report = {
        "utterances": len(found),
        "bad": len(sounds.bad),
        "hours": round(frames * config.frontend.frame_seconds / 3600, 3),
    }
    write_text(directory / "data.json", json.dumps(report, indent=1))
    logging.getLogger(__name__).info(
        "%(utterances)d training utterances, %(hours)g hours; %(bad)d left out",
        report,
    )


def renewal(
    config: SpeechRecognitionConfig, before: SpeechRecognitionConfig
) -> Callable[[Path], None] | None:
    """What makes the language model of a changed config; see `contract.TrainingTask`.

    It reads the transcripts of the training set, if they are part of the model, and no
    sound. It raises a UserError if a manifest or a text is missing or bad.
    """
    if same_model(config.language, before.language):
        return None

    def renew(directory: Path) -> None:
        parts = config.data.train if config.language.order else ()
        found, _ = readable_rows(config, parts, check_files=False)
        texts = [clean(u.text, config.vocabulary.case) for u in found]
        prepare_language(config, texts, load_labels(config, directory), directory)

    return renew


def training_data(
    config: SpeechRecognitionConfig, assets: Assets, split: str
) -> SoundBatches:
    """The batches of the split ``train`` (augmented) or ``validation``."""
    training = split == "train"
    parts = config.data.train if training else config.data.validation
    on_samples = training and config.augmentation.on_samples
    joined = any(part.join is not None for part in parts)
    sounds = _Sounds(config, None if on_samples or joined else assets.front_end)
    frame, batch = config.frontend.frame_seconds, config.batch
    return SoundBatches(
        _Epochs(config, parts, sounds, assets.labels, training),
        GraphFrontEnd(assets.front_end),
        config.augmentation if training else None,
        Budget(
            round(batch.seconds / frame),
            round(batch.max_seconds / frame),
            batch.buckets,
        ),
        config.seed,
        sounds.gives_samples,
    )


class _Sounds:
    """Reads utterances as samples or as features, each file decoded once.

    Args:
        config: of the experiment.
        front_end: computes features, which are kept; None keeps and gives samples,
            unless the data are features.

    Attributes:
        bad: what is wrong with the rows and files that were left out, by row or file.
        gives_samples: whether an utterance is samples and not features.
    """

    def __init__(
        self, config: SpeechRecognitionConfig, front_end: FrontEnd | None = None
    ) -> None:
        self._config = config
        self._section = config.frontend
        self._given = config.frontend.source == "features"
        self.gives_samples = front_end is None and not self._given
        self.bad: dict[Path | str, UserError] = {}
        cache = None if config.data.cache is None else resolve(config.data.cache)
        make = _samples_of if front_end is None else _features_of
        self._store = make(config.frontend, cache)

    def readable(
        self, parts: Sequence[SplitSection], epoch: int = 0
    ) -> list[Utterance]:
        """The utterances of splits that can be read; their files are decoded.

        Raises:
            UserError: a row or a file is bad, and bad ones are not to be skipped.
        """
        found, rows = readable_rows(self._config, parts, epoch)
        self._leave_out({str(error): error for error in rows})
        if self._given:
            return found
        files = {u.input: _files(u.input) for u in found}
        bad = self._store.add(f for part in files.values() for f in part)
        if bad and not self._config.data.skip_bad:
            path, error = next(iter(bad.items()))
            place = next(u.place for u in found if path in files[u.input])
            raise UserError(f"{place}: {error} (or set data.skip_bad)")
        self._leave_out(bad)
        return [u for u in found if not any(f in self.bad for f in files[u.input])]

    def _leave_out(self, bad: Mapping[Any, UserError]) -> None:
        """Tells of what is bad, once."""
        new = {key: error for key, error in bad.items() if key not in self.bad}
        tell_left_out(new.values())
        self.bad |= new

    def length(self, utterance: Utterance) -> int:
        """The samples of an utterance, or its frames."""
        if self._given:
            return len(read_frames(utterance.input, self._section.n_mfcc))
        rate = self._section.sample_rate
        return sum(
            self._store.lengths[part] if isinstance(part, Path) else round(part * rate)
            for part in split_parts(utterance.input)
        )

    def frames(self, utterance: Utterance) -> int:
        """The frames of an utterance."""
        length = self.length(utterance)
        return length // self._section.hop_length if self.gives_samples else length

    def __call__(self, utterance: Utterance) -> np.ndarray:
        """The samples of an utterance, or its features before normalization."""
        if self._given:
            return read_frames(utterance.input, self._section.n_mfcc)
        if not self.gives_samples:
            return self._store[Path(utterance.input)].astype(np.float32)
        rate = self._section.sample_rate
        return read_sound(
            utterance.input, rate, read=lambda path: restored(self._store[path])
        )


class _Epochs:
    """The examples of each epoch: other ones where strings are drawn anew."""

    def __init__(
        self,
        config: SpeechRecognitionConfig,
        parts: Sequence[SplitSection],
        sounds: _Sounds,
        labels: Labels,
        training: bool,
    ) -> None:
        self._config = config
        self._training = training
        self._parts = parts
        self._sounds = sounds
        self._labels = labels
        self._fixed: Examples | None = None

    def __call__(self, epoch: int) -> Examples:
        if self._fixed is not None:
            return self._fixed
        examples = self._read(epoch)
        if not any(p.join is not None and p.join.fresh for p in self._parts):
            self._fixed = examples
        return examples

    def _read(self, epoch: int) -> Examples:
        found = self._sounds.readable(self._parts, epoch)
        case = self._config.vocabulary.case
        ids = self._labels.encode([clean(u.text, case) for u in found])
        kept = [n for n, u in enumerate(found) if self._can_align(u, ids[n])]
        if len(kept) < len(found):
            logging.getLogger(__name__).warning(
                "%d utterances are too short for their transcripts and are left out",
                len(found) - len(kept),
            )
        found, ids = [found[n] for n in kept], [ids[n] for n in kept]
        return Examples(
            np.array([self._sounds.length(u) for u in found], np.int64),
            FlatIds.of(ids),
            lambda number: self._sounds(found[number]),
        )

    def _can_align(self, utterance: Utterance, ids: Sequence[int]) -> bool:
        """Says whether CTC finds a path: a step for each label, a blank between equals.

        Its loss would be a large number, not infinity, and spoil the weights.
        """
        frames = self._sounds.frames(utterance)
        return can_align(ids, frames, self._config, self._training)


def _statistics(
    config: SpeechRecognitionConfig, sounds: _Sounds, found: Sequence[Utterance]
) -> Statistics:
    """Of the features before normalization, over some of the training utterances."""
    if config.frontend.normalization in ("none", "utterance"):
        return Statistics.neutral(config.frontend.features)
    plain = config.frontend.model_copy(update={"normalization": "none"})
    front_end = GraphFrontEnd(FrontEnd(plain))
    run: Any = front_end if sounds.gives_samples else front_end.finish
    run = tf.function(run, reduce_retracing=True, autograph=False)
    features = []
    for utterance in found[:: -(-len(found) // _FOR_STATISTICS)]:
        read = sounds(utterance)[np.newaxis]
        values, count = run(tf.constant(read), tf.constant([read.shape[1]]))
        features.append(values[0, : int(count[0])].numpy())
    return statistics_of(features)


def _samples_of(section: FrontEndSection, cache: Path | None) -> SoundStore:
    """A store of samples as 16-bit numbers."""
    rate = section.sample_rate
    recipe = {"kind": "samples", "sample_rate": rate}
    return SoundStore(lambda path: quantized(read_samples(path, rate)), cache, recipe)


def _features_of(section: FrontEndSection, cache: Path | None) -> SoundStore:
    """A store of features before normalization as 16-bit floats."""
    graph = GraphFrontEnd(FrontEnd(section))
    signature = [tf.TensorSpec([1, None], tf.float32)]
    run = tf.function(graph.raw, input_signature=signature, autograph=False)

    def make(path: Path) -> np.ndarray:
        samples = read_samples(path, section.sample_rate)
        return run(samples[np.newaxis])[0].numpy().astype(np.float16)

    later = {"deltas", "normalization", "running_seconds"}
    return SoundStore(make, cache, section.model_dump(exclude=later))


def _files(given: str) -> list[Path]:
    return [part for part in split_parts(given) if isinstance(part, Path)]
