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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nlp_speech.audio.features import FrontEnd, Statistics
from nlp_speech.audio.inputs import GENERATED, PART, read_frames, read_sound
from nlp_speech.contract import Extras
from nlp_speech.data.manifests import tell_left_out
from nlp_speech.decoding.ctc_host import confidences
from nlp_speech.decoding.fusion import Fusion
from nlp_speech.errors import UserError
from nlp_speech.pretrained import PRETRAINED_FILE
from nlp_speech.tasks.speech_recognition.config import (
    SpeechRecognitionConfig,
    SplitSection,
)
from nlp_speech.tasks.speech_recognition.drawing import picture
from nlp_speech.tasks.speech_recognition.labels import LABELS_FILE as LABELS_FILE
from nlp_speech.tasks.speech_recognition.labels import TOKENIZER_FILE as TOKENIZER_FILE
from nlp_speech.tasks.speech_recognition.labels import load_labels
from nlp_speech.tasks.speech_recognition.language import (
    load_fusion,
    search_of,
    with_hot_words,
)
from nlp_speech.tasks.speech_recognition.long_sounds import joined, pieces, size
from nlp_speech.tasks.speech_recognition.results import (
    HeardLabels,
    Transcript,
    characters_of_labels,
    words_of_labels,
)
from nlp_speech.tasks.speech_recognition.utterances import readable_rows
from nlp_speech.text.hypotheses import Hypothesis, found_texts
from nlp_speech.text.labels import Labels, clean, text_of

if TYPE_CHECKING:
    from nlp_speech.contract import Arrays, Predictor, Way

NAME = "speech_recognition"
Config = SpeechRecognitionConfig
SERVER_ENDPOINT = "recognize"
DEVICE_ENDPOINT = "recognize_labels"
STREAM_ENDPOINT = "recognize_stream"
WAV_ENDPOINT = "recognize_wav"
TEXT_ENDPOINT = None
METRIC = "wer"
COUNTED = "labels"

STATISTICS_FILE = "features.npz"

_TIMES = ("starts", "ends", "confidence")


@dataclass(frozen=True)
class Assets:
    """What was learned from the training data, and the config that it belongs to.

    Attributes:
        config: the experiment.
        labels: the vocabulary.
        front_end: the constants of the front end, with the training set's statistics.
        fusion: what the language adds to the search on the host, or None.
        pretrained: the file of the weights that a new model begins with, if any.
    """

    config: SpeechRecognitionConfig
    labels: Labels
    front_end: FrontEnd
    fusion: Fusion | None = None
    pretrained: Path | None = None

    @property
    def seconds_per_step(self) -> float:
        """The time that a step of the model stands for."""
        section = self.config.frontend
        return self.config.model.subsampling * section.frame_seconds


def load_assets(config: SpeechRecognitionConfig, directory: Path) -> Assets:
    """Opens the vocabulary, the statistics of the front end and the language."""
    statistics = Statistics.load(directory / STATISTICS_FILE)
    weights = directory / PRETRAINED_FILE
    return Assets(
        config,
        load_labels(config, directory),
        FrontEnd(config.frontend, statistics),
        load_fusion(config, directory),
        weights if weights.is_file() else None,
    )


def expecting(assets: Assets, words: Mapping[str, float]) -> Assets:
    """Assets that expect some words besides those of the config.

    Raises:
        UserError: what is given is not one word of the recognizer's letters.
    """
    symbols = assets.labels.symbols
    fusion = with_hot_words(assets.fusion, assets.config, symbols, words)
    return replace(assets, fusion=fusion)


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
    """A transcript for each input; of a part of a long sound, without probabilities."""
    found = [_transcript(n, outputs, assets) for n in range(len(inputs))]
    return [
        replace(transcript, log_probs=None) if given.startswith(PART) else transcript
        for given, transcript in zip(inputs, found, strict=True)
    ]


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
    parts = (_given(files, config),) if files else _split(config, split)
    found, bad = readable_rows(config, parts)
    tell_left_out(bad)
    case = config.vocabulary.case
    return [u.input for u in found], [clean(u.text, case) for u in found]


def score(
    results: Sequence[Transcript], references: Sequence[str]
) -> tuple[dict[str, float], dict[str, str]]:
    """Word and character error rate, in per cent."""
    from nlp_speech import metrics

    scorers = [metrics.wer, metrics.cer]
    return metrics.score([r.text for r in results], references, scorers)


def errors(
    inputs: Sequence[str],
    results: Sequence[Transcript],
    references: Sequence[str],
    count: int,
) -> dict[str, Any]:
    """The word errors of each kind, and the utterances with the most of them."""
    from nlp_speech.word_errors import error_report

    return error_report(inputs, [r.text for r in results], references, count)


def facts(config: SpeechRecognitionConfig) -> list[str]:
    """What the model card says of times."""
    step = config.model.subsampling * config.frontend.frame_seconds
    found = [f"A step, in which outputs count, is {step:g} s"]
    if config.streams:
        rate = config.frontend.sample_rate
        found.append(
            f"Streams: {config.chunk_samples} samples a chunk at {rate} Hz; an answer "
            f"has heard all but the last {config.latency_seconds:g} s at most"
        )
    return found


def ways(predictor: Predictor, assets: Assets) -> dict[str, Way]:
    """The WAV endpoint and the stream, where they are offered."""
    # Streaming itself is made of this module.
    from nlp_speech.tasks.speech_recognition.further import further_ways

    return further_ways(predictor, assets)


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


def _transcript(n: int, outputs: Arrays, assets: Assets) -> Transcript:
    """The transcript of row n, decoded again with the language if there is one."""
    steps, unit = int(outputs["steps"][n]), assets.seconds_per_step
    log_probs = outputs["log_probs"][n, :steps]
    read = _from_graph if assets.fusion is None else _with_language
    n_best, best = read(n, outputs, log_probs, assets)
    symbols = assets.labels.symbols
    return Transcript(
        text=n_best[0].text,
        score=n_best[0].score,
        n_best=n_best,
        words=words_of_labels(best, symbols, unit),
        characters=characters_of_labels(best, symbols, unit),
        seconds=steps * unit,
        truncated=(steps + 1) * unit > assets.config.decoding.max_seconds,
        log_probs=log_probs.copy(),  # not a view, which would keep the whole batch
    )


def _from_graph(
    n: int, outputs: Arrays, log_probs: np.ndarray, assets: Assets
) -> tuple[tuple[Hypothesis, ...], HeardLabels]:
    """What the search in the graph found."""
    symbols, scores = assets.labels.symbols, outputs["score"][n]
    rows = zip(outputs["ids"][n], outputs["lengths"][n], strict=True)
    n_best = found_texts([text_of(ids[:k], symbols) for ids, k in rows], scores)
    length = int(outputs["lengths"][n, 0])
    parts = (outputs["ids"][n, 0], *(outputs[k][n] for k in _TIMES))
    return n_best, HeardLabels(*(part[:length] for part in parts))


def _with_language(
    n: int, outputs: Arrays, log_probs: np.ndarray, assets: Assets
) -> tuple[tuple[Hypothesis, ...], HeardLabels]:
    """What a search with a language finds in the log-probabilities."""
    symbols = assets.labels.symbols
    search = search_of(assets.config, symbols, assets.fusion)
    search.advance(log_probs)
    found = search.best(assets.config.decoding.beam_size)
    texts = [text_of(h.labels, symbols) for h in found]
    n_best = found_texts(texts, np.array([h.score for h in found]))
    best = found[0]
    confidence = confidences(log_probs, best).tolist()
    return n_best, HeardLabels(best.labels, best.starts, best.ends, confidence)


def _split(config: SpeechRecognitionConfig, split: str) -> tuple[SplitSection, ...]:
    tests = {name: (part,) for name, part in config.data.test.items()}
    splits = {"validation": config.data.validation, **tests}
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
    return SplitSection(manifest=path, column=config.data.validation[0].column)


# Here, where all of it is defined.
EXTRAS = Extras(
    ways=ways,
    expecting=expecting,
    picture=picture,
    pieces=pieces,
    joined=joined,
    size=size,
    errors=errors,
    facts=facts,
    scorers=("jiwer",),
)
