"""What can be wrong with recordings and their transcripts; no TensorFlow."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nlp_speech.audio.decode import sample_blocks, sound_info
from nlp_speech.audio.inputs import read_frames, split_parts
from nlp_speech.contract import Finding
from nlp_speech.data.manifests import Utterance
from nlp_speech.errors import UserError
from nlp_speech.pretrained import check_same, find_trained
from nlp_speech.tasks.speech_recognition import NAME
from nlp_speech.tasks.speech_recognition.alignment import can_align
from nlp_speech.tasks.speech_recognition.config import (
    SpeechRecognitionConfig,
    SplitSection,
)
from nlp_speech.tasks.speech_recognition.labels import learn_labels, load_labels
from nlp_speech.tasks.speech_recognition.utterances import utterances
from nlp_speech.text.labels import Characters, Labels, clean

_SHOWN = 3
_SILENT = 10 ** (-60 / 20)  # of full scale, the loudest sample
_FULL = 0.999
_CLIPPED = 1e-3  # share of samples at full scale


@dataclass(frozen=True)
class _Heard:
    """An utterance, and what was measured of it."""

    utterance: Utterance
    text: str
    frames: int = 0
    peak: float = 1.0
    clipped: float = 0.0
    sample_rate: int = 0
    digest: str = ""
    error: str = ""

    @property
    def name(self) -> str:
        place = self.utterance.place
        return (
            place
            if place == self.utterance.input
            else (f"{place} {Path(self.utterance.input).name}")
        )

    @property
    def problem(self) -> str:
        """What is wrong; the error of a row that names nothing has its place."""
        place = self.utterance.place
        return f"{place}: {self.error}" if place else self.error


def findings(config: SpeechRecognitionConfig, quick: bool = False) -> Iterator[Finding]:
    """Reads all data that a config names, and tells what is wrong.

    Args:
        config: the experiment.
        quick: read only the headers of sound files, and learn no pieces: what is
            silent, clipped, cut short or the same sound in two files is not found then,
            nor what pieces cannot be aligned with.

    Raises:
        UserError: a manifest cannot be read at all, or all of its rows are bad.
    """
    splits = {
        name: [
            heard
            for part in parts
            for heard in _listen(config, _without_join(part), quick)
        ]
        for name, parts in _splits(config).items()
    }
    for name, heard in splits.items():
        yield from _of_sounds(config, name, heard)
    labels = _labels(config, [h.text for h in splits["train"]], quick)
    for name, heard in splits.items():
        yield from _of_texts(name, heard)
        if labels is not None:
            yield from _of_labels(config, labels, name, heard)
            yield from _of_characters(config, labels, name, heard)
        yield from _of_copies(name, heard)
    yield from _between(splits)


def _splits(config: SpeechRecognitionConfig) -> Mapping[str, Sequence[SplitSection]]:
    data = config.data
    tests = {name: (part,) for name, part in data.test.items()}
    return {"train": data.train, "validation": data.validation, **tests}


def _without_join(section: SplitSection) -> SplitSection:
    return section.model_copy(update={"join": None})


def _listen(
    config: SpeechRecognitionConfig, section: SplitSection, quick: bool
) -> list[_Heard]:
    """Measures every utterance of a split, in parallel; bad rows as well."""
    given = config.frontend.source == "features"
    from_samples = _measure_header if quick else _measure_samples
    measure = _measure_frames if given else from_samples

    def heard(utterance: Utterance) -> _Heard:
        text = clean(utterance.text, config.vocabulary.case)
        try:
            return measure(config, utterance, text)
        except UserError as error:
            return _Heard(utterance, text, error=str(error))

    bad: list[UserError] = []
    found = utterances(section, check_files=False, on_bad=bad.append)
    rows = [_Heard(Utterance("", ""), "", error=str(error)) for error in bad]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return [*rows, *pool.map(heard, found)]


def _measure_frames(
    config: SpeechRecognitionConfig, utterance: Utterance, text: str
) -> _Heard:
    frames = read_frames(utterance.input, config.frontend.n_mfcc)
    digest = hashlib.sha256(frames.tobytes()).hexdigest()
    return _Heard(utterance, text, len(frames), digest=digest)


def _measure_header(
    config: SpeechRecognitionConfig, utterance: Utterance, text: str
) -> _Heard:
    parts, section = split_parts(utterance.input), config.frontend
    infos = [sound_info(part) for part in parts if isinstance(part, Path)]
    pauses = sum(part for part in parts if not isinstance(part, Path))
    seconds = pauses + sum(info.seconds for info in infos)
    return _Heard(
        utterance,
        text,
        frames=round(seconds * section.sample_rate) // section.hop_length,
        sample_rate=min(info.sample_rate for info in infos),
        digest=" ".join(str(p.resolve() if isinstance(p, Path) else p) for p in parts),
    )


def _measure_samples(
    config: SpeechRecognitionConfig, utterance: Utterance, text: str
) -> _Heard:
    section, header = config.frontend, _measure_header(config, utterance, text)
    count, clipped, peak, digest = 0, 0, 0.0, hashlib.sha256()
    for part in split_parts(utterance.input):
        if not isinstance(part, Path):
            count += round(part * section.sample_rate)
            digest.update(str(part).encode())
            continue
        for block in sample_blocks(part, section.sample_rate):
            loudness = np.abs(block)
            count += len(block)
            clipped += int(np.count_nonzero(loudness >= _FULL))
            peak = max(peak, float(loudness.max(initial=0.0)))
        with part.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return replace(
        header,
        frames=count // section.hop_length,
        peak=peak,
        clipped=clipped / max(count, 1),
        digest=digest.hexdigest(),
    )


def _finding(
    split: str,
    problem: str,
    found: Sequence[_Heard],
    is_error: bool = False,
    tell: Callable[[_Heard], str] = lambda heard: heard.name,
) -> Iterator[Finding]:
    if found:
        examples = tuple(tell(heard) for heard in found[:_SHOWN])
        yield Finding(split, problem, len(found), examples, is_error)


def _of_sounds(
    config: SpeechRecognitionConfig, split: str, heard: Sequence[_Heard]
) -> Iterator[Finding]:
    section, batch = config.frontend, config.batch
    yield from _finding(
        split,
        "cannot be read",
        [h for h in heard if h.error],
        not config.data.skip_bad,
        lambda h: h.problem,
    )
    heard = [h for h in heard if not h.error]
    silent = [h for h in heard if h.peak < _SILENT]
    yield from _finding(split, "are silent", silent)
    clipped = [h for h in heard if h.clipped > _CLIPPED]
    yield from _finding(
        split, "are clipped", clipped, tell=lambda h: f"{h.name}: {h.clipped:.1%}"
    )
    slow = [h for h in heard if 0 < h.sample_rate < section.sample_rate]
    yield from _finding(
        split,
        f"have a lower sample rate than {section.sample_rate} Hz",
        slow,
        tell=lambda h: f"{h.name}: {h.sample_rate} Hz",
    )
    most = batch.max_seconds / section.frame_seconds
    if split == "train":
        yield from _finding(
            split,
            f"are longer than batch.max_seconds {batch.max_seconds:g}, left out",
            [h for h in heard if h.frames > most],
            tell=lambda h: f"{h.name}: {h.frames * section.frame_seconds:.1f} s",
        )


def _labels(
    config: SpeechRecognitionConfig, texts: Sequence[str], quick: bool
) -> Labels | None:
    """What the recognizer will write; None: it would take long to learn.

    Raises:
        UserError: there is no such recognizer to begin with, it writes otherwise, or
            the labels cannot be learned.
    """
    pieces = config.vocabulary.kind == "pieces"
    if config.model.pretrained is not None:
        found = find_trained(config.model.pretrained, NAME)
        check_same(found, "recognizer", config, "vocabulary", ("kind", "case"))
        theirs = load_labels(config, found.assets)
        return theirs if pieces else Characters({*theirs.symbols[1:]}.union(*texts))
    if pieces:
        return None if quick else learn_labels(config, texts)
    return Characters(set().union(*texts))


def _of_texts(split: str, heard: Sequence[_Heard]) -> Iterator[Finding]:
    empty = [h for h in heard if h.utterance.input and not h.text]
    yield from _finding(split, "have an empty transcript", empty)


def _of_labels(
    config: SpeechRecognitionConfig, labels: Labels, split: str, heard: Sequence[_Heard]
) -> Iterator[Finding]:
    """What cannot be aligned with its labels."""
    ids = labels.encode([h.text for h in heard])
    rows = [(h, row) for h, row in zip(heard, ids, strict=True) if not h.error]
    short = [(h, row) for h, row in rows if not can_align(row, h.frames, config, False)]
    counts = {id(h): len(row) for h, row in short}
    at = f"at model.subsampling {config.model.subsampling}"
    yield from _finding(
        split,
        f"are too short for their transcripts {at}",
        [h for h, _ in short],
        is_error=True,
        tell=lambda h: f"{h.name}: {h.frames} frames, {counts[id(h)]} labels",
    )
    if split == "train":
        faster = [h for h, row in rows if not can_align(row, h.frames, config, True)]
        yield from _finding(
            split,
            f"are too short when they are made faster {at}, left out",
            [h for h in faster if id(h) not in counts],
        )


def _of_characters(
    config: SpeechRecognitionConfig, labels: Labels, split: str, heard: Sequence[_Heard]
) -> Iterator[Finding]:
    """What cannot be written with the labels."""
    unknown = labels.unknown("".join(set().union(*(h.text for h in heard))))
    begins = config.model.pretrained is not None
    yield from _finding(
        split,
        "have characters that "
        + ("have no label" if begins else "no training transcript has"),
        [h for h in heard if set(h.text) & unknown],
        tell=lambda h: f"{h.name}: {''.join(sorted(set(h.text) & unknown))!r}",
    )


def _of_copies(split: str, heard: Sequence[_Heard]) -> Iterator[Finding]:
    first: dict[str, _Heard] = {}
    copies, liars = [], []
    for h in heard:
        if h.digest and h.digest in first:
            same = first[h.digest].text == h.text
            (copies if same else liars).append(h)
        first.setdefault(h.digest, h)
    yield from _finding(split, "are copies of another sound", copies)
    yield from _finding(
        split,
        "are copies of another sound with another transcript",
        liars,
        is_error=True,
        tell=lambda h: f"{h.name}: {h.text!r} and {first[h.digest].text!r}",
    )


def _between(splits: Mapping[str, Sequence[_Heard]]) -> Iterator[Finding]:
    """What occurs in training and in another split."""
    train = splits["train"]
    digests = {h.digest for h in train if h.digest}
    speakers = {h.utterance.speaker for h in train if h.utterance.speaker}
    for split, heard in splits.items():
        if split == "train":
            continue
        yield from _finding(
            split,
            "are sounds of the training set",
            [h for h in heard if h.digest in digests],
            is_error=True,
        )
        shared = sorted({h.utterance.speaker for h in heard} & speakers)
        if shared:
            problem = "speakers speak in the training set too"
            yield Finding(split, problem, len(shared), tuple(shared[:_SHOWN]))
