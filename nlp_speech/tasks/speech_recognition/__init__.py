"""Speech recognition, the light side: config, result, and what surrounds the model.

Both endpoints take `samples` [batch, n] float32, padded with 0, and `lengths` [batch]
int32; where the config's `frontend.source` is features, `features` [batch, frames,
bands] float32 instead of samples. They return

- `ids` [batch, hypotheses, labels] int32, best first, padded with 0, and their
  `lengths` [batch, hypotheses] int32 and `score` [batch, hypotheses] float32 (-1e9:
  nothing found);
- of the best hypothesis `starts` and `ends` [batch, labels] int32, the step where a
  label begins and the one after its last, and its `confidence` [batch, labels] float32;
- `log_probs` [batch, steps, vocabulary] float32, and the real `steps` [batch] int32;

and the server's returns `text` [batch, hypotheses] besides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nlp_speech.audio.features import FrontEnd, Statistics
from nlp_speech.audio.inputs import GENERATED, join_parts, read_frames, read_sound
from nlp_speech.data.manifests import (
    Selection,
    Utterance,
    read_feature_file,
    read_manifest,
)
from nlp_speech.data.paths import resolve
from nlp_speech.data.sound_store import joined
from nlp_speech.errors import UserError
from nlp_speech.tasks.speech_recognition.config import (
    JoinSection,
    SpeechRecognitionConfig,
    SplitSection,
)
from nlp_speech.text.labels import Characters, Labels, Pieces, clean, text_of
from nlp_speech.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from nlp_speech.contract import Arrays

NAME = "speech_recognition"
Config = SpeechRecognitionConfig
SERVER_ENDPOINT = "recognize"
DEVICE_ENDPOINT = "recognize_labels"
STREAM_ENDPOINT = "recognize_stream"
WAV_ENDPOINT = "recognize_wav"
TEXT_ENDPOINT = None
METRIC = "wer"

LABELS_FILE = "labels.json"
TOKENIZER_FILE = "tokenizer.model"
STATISTICS_FILE = "features.npz"

# The search fills the slots for which it found nothing with a score far below this.
_NO_HYPOTHESIS = -1e8


@dataclass(frozen=True)
class Assets:
    """What was learned from the training data, and the config that it belongs to.

    Attributes:
        config: the experiment.
        labels: the vocabulary.
        front_end: the constants of the front end, with the training set's statistics.
    """

    config: SpeechRecognitionConfig
    labels: Labels
    front_end: FrontEnd

    @property
    def seconds_per_step(self) -> float:
        """The time that a step of the model stands for."""
        section = self.config.frontend
        return self.config.model.subsampling * section.frame_seconds


@dataclass(frozen=True)
class Word:
    """A word and when it was said.

    Attributes:
        text: the word.
        start: in seconds.
        end: in seconds.
        confidence: the least probable label's probability, 0 to 1.
    """

    text: str
    start: float
    end: float
    confidence: float

    def as_dict(self) -> dict[str, Any]:
        """The word as plain JSON data."""
        return {
            "text": self.text,
            "start": self.start,
            "end": self.end,
            "confidence": self.confidence,
        }


@dataclass(frozen=True)
class Hypothesis:
    """One of several transcripts of a sound.

    Attributes:
        text: the transcript.
        score: the log-probability that the search gave it; higher is better.
    """

    text: str
    score: float


@dataclass(frozen=True)
class Transcript:
    """What the recognizer answers to a sound.

    Attributes:
        text: the best transcript.
        score: its log-probability.
        n_best: the best transcripts, this one first.
        words: its words with their times.
        seconds: how much sound was read.
        truncated: whether the sound is as long as the config allows, or longer: then
            it was read in part.
        log_probs: of each label at each step, [steps, labels], or None.
    """

    text: str
    score: float
    n_best: tuple[Hypothesis, ...] = ()
    words: tuple[Word, ...] = ()
    seconds: float = 0.0
    truncated: bool = False
    log_probs: np.ndarray | None = None

    def as_dict(self) -> dict[str, Any]:
        """The result as plain JSON data, without the log-probabilities."""
        n_best = [{"text": h.text, "score": h.score} for h in self.n_best]
        return {
            "text": self.text,
            "score": self.score,
            "n_best": n_best,
            "words": [word.as_dict() for word in self.words],
            "seconds": self.seconds,
            "truncated": self.truncated,
        }

    def as_text(self) -> str:
        """The transcript."""
        return self.text

    def warning(self) -> str | None:
        """What the user should know about this answer, if anything."""
        if self.truncated:
            return "the sound is too long and was recognized in part"
        return None


def load_assets(config: SpeechRecognitionConfig, directory: Path) -> Assets:
    """Opens the vocabulary and the statistics of the front end."""
    statistics = Statistics.load(directory / STATISTICS_FILE)
    front_end = FrontEnd(config.frontend, statistics)
    return Assets(config, _load_labels(config, directory), front_end)


def before(endpoint: str, inputs: Sequence[str], assets: Assets) -> Arrays:
    """Inputs as the endpoint takes them: samples or features, padded, and lengths."""
    section, most = assets.config.frontend, assets.config.decoding.max_seconds
    least = assets.config.model.subsampling
    if section.source == "features":
        limit = round(most / section.frame_seconds)
        rows = [read_frames(given, section.n_mfcc)[:limit] for given in inputs]
        name, bands = "features", (section.n_mfcc,)
    else:
        rows = [read_sound(given, section.sample_rate, most) for given in inputs]
        name, bands = "samples", ()
        least *= section.hop_length
    # Never empty: a device cannot run on arrays without elements.
    size = max([least, *(len(row) for row in rows)])
    array = np.zeros([len(rows), size, *bands], np.float32)
    for n, row in enumerate(rows):
        array[n, : len(row)] = row
    return {name: array, "lengths": np.array([len(row) for row in rows], np.int32)}


def after(
    endpoint: str, outputs: Arrays, inputs: Sequence[str], assets: Assets
) -> list[Transcript]:
    """A transcript for each input."""
    return [_transcript(n, outputs, assets) for n in range(len(inputs))]


def references(
    config: SpeechRecognitionConfig, split: str, files: Sequence[Path] = ()
) -> tuple[list[str], list[str]]:
    """The inputs and the transcripts of a split, or of a given manifest.

    Args:
        config: names the splits: ``validation``, or one of `data.test`.
        split: which one.
        files: instead of a split, one manifest, or one file of features.

    Raises:
        UserError: there is no such split, or its files are bad.
    """
    section = _given(files, config) if files else _split(config, split)
    found = utterances(section)
    case = config.vocabulary.case
    return [u.input for u in found], [clean(u.text, case) for u in found]


def utterances(section: SplitSection, epoch: int = 0) -> list[Utterance]:
    """The utterances of a split.

    Args:
        section: of the config.
        epoch: decides what is joined, if that is other in each epoch.

    Raises:
        UserError: its files are bad.
    """
    selection = Selection(
        section.split,
        section.speakers,
        section.without_speakers,
        section.folds,
        section.fold,
    )
    if section.features is not None:
        path = resolve(section.features)
        return selection.of(read_feature_file(path), path)
    path = resolve(section.manifest or "")
    found = selection.of(read_manifest(path, section.column), path)
    return found if section.join is None else join(found, section.join, epoch)


def join(
    clips: Sequence[Utterance], section: JoinSection, epoch: int = 0
) -> list[Utterance]:
    """Strings of clips of one speaker, their transcripts joined by spaces."""
    seed = (section.seed, epoch if section.fresh else 0)
    pairs = [(clip.input, clip.speaker) for clip in clips]
    strings = joined(pairs, section.count, section.clips, section.pause, seed)
    found = []
    for number, (chosen, pauses) in enumerate(strings):
        parts: list[Path | float] = []
        for clip, pause in zip(chosen, [*pauses, None], strict=True):
            parts.append(Path(clips[clip].input))
            parts += [] if pause is None else [pause]
        first = clips[chosen[0]]
        text = " ".join(clips[clip].text for clip in chosen)
        place = f"string {number} of {first.place}"
        found.append(
            Utterance(join_parts(parts), text, first.speaker, first.split, place)
        )
    return found


def score(
    results: Sequence[Transcript], references: Sequence[str]
) -> tuple[dict[str, float], dict[str, str]]:
    """Word and character error rate, in per cent."""
    from nlp_speech import metrics

    scorers = [metrics.wer, metrics.cer]
    return metrics.score([r.text for r in results], references, scorers)


def samples(config: SpeechRecognitionConfig) -> list[str]:
    """A few generated sounds: no file is needed."""
    return [
        f"{GENERATED}tone:440:0.6",
        f"{GENERATED}tone:1500:1.2",
        f"{GENERATED}noise:0.7",
        f"{GENERATED}noise:1.5",
        f"{GENERATED}silence:0.5",
        f"{GENERATED}silence:0.01",
        f"{GENERATED}silence:0",
    ]


def _load_labels(config: SpeechRecognitionConfig, directory: Path) -> Labels:
    if config.vocabulary.kind == "characters":
        return Characters.load(directory / LABELS_FILE)
    return Pieces(Tokenizer.load(directory / TOKENIZER_FILE))


def _transcript(n: int, outputs: Arrays, assets: Assets) -> Transcript:
    symbols = assets.labels.symbols
    rows = zip(outputs["ids"][n], outputs["lengths"][n], strict=True)
    texts = [text_of(ids[:length], symbols) for ids, length in rows]
    scores = outputs["score"][n]
    n_best = tuple(
        Hypothesis(text, float(value))
        for text, value in zip(texts, scores, strict=True)
        if value > _NO_HYPOTHESIS
    )
    steps, unit = int(outputs["steps"][n]), assets.seconds_per_step
    return Transcript(
        text=n_best[0].text,
        score=n_best[0].score,
        n_best=n_best,
        words=_words(n, outputs, assets),
        seconds=steps * unit,
        truncated=(steps + 1) * unit > assets.config.decoding.max_seconds,
        log_probs=outputs["log_probs"][n, :steps],
    )


def _words(n: int, outputs: Arrays, assets: Assets) -> tuple[Word, ...]:
    """The words of the best hypothesis; a label may end one and begin the next."""
    symbols, unit = assets.labels.symbols, assets.seconds_per_step
    length = int(outputs["lengths"][n, 0])
    words: list[Word] = []
    text, first, last, least = "", 0, 0, 1.0
    for k in range(length):
        symbol = symbols[int(outputs["ids"][n, 0, k])]
        if symbol.startswith(" ") and text:
            words.append(Word(text, first * unit, last * unit, least))
            text, least = "", 1.0
        if letters := symbol.strip(" "):
            first = first if text else int(outputs["starts"][n, k])
            last = int(outputs["ends"][n, k])
            least = min(least, float(outputs["confidence"][n, k]))
            text += letters
    if text:
        words.append(Word(text, first * unit, last * unit, least))
    return tuple(words)


def _split(config: SpeechRecognitionConfig, split: str) -> SplitSection:
    splits = {"validation": config.data.validation, **config.data.test}
    if split not in splits:
        raise UserError(
            f"there is no split {split!r}; choose one of: {', '.join(splits)}"
        )
    return splits[split]


def _given(files: Sequence[Path], config: SpeechRecognitionConfig) -> SplitSection:
    if len(files) != 1:
        raise UserError("give one manifest, or one file of features")
    path = str(files[0].resolve())
    if config.frontend.source == "features":
        return SplitSection(features=path)
    return SplitSection(manifest=path, column=config.data.validation.column)
