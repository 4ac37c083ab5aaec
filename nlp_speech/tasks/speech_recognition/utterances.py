"""The utterances of an experiment's splits; no sound is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nlp_speech.audio.inputs import join_parts, split_parts
from nlp_speech.data import tfds
from nlp_speech.data.manifests import (
    OnBadRow,
    Selection,
    Utterance,
    read_feature_file,
    read_manifest,
)
from nlp_speech.data.paths import resolve
from nlp_speech.data.sound_store import joined as joined_clips
from nlp_speech.errors import UserError
from nlp_speech.tasks.speech_recognition.config import (
    JoinSection,
    SpeechRecognitionConfig,
    SplitSection,
)


def readable_rows(
    config: SpeechRecognitionConfig,
    sections: Sequence[SplitSection],
    epoch: int = 0,
    check_files: bool = True,
) -> tuple[list[Utterance], list[UserError]]:
    """The utterances of splits, and the errors of rows that `data.skip_bad` leaves out.

    Args:
        config: the experiment; where it skips what is bad, no file is checked.
        sections: of the config.
        epoch: see `utterances`.
        check_files: see `utterances`.

    Raises:
        UserError: a file is bad, or a row is and they are not skipped.
    """
    bad: list[UserError] = []
    skip = config.data.skip_bad
    on_bad = bad.append if skip else None
    checked = check_files and not skip
    found = [u for s in sections for u in utterances(s, epoch, checked, on_bad)]
    return found, bad


def utterances(
    section: SplitSection,
    epoch: int = 0,
    check_files: bool = True,
    on_bad: OnBadRow | None = None,
) -> list[Utterance]:
    """The utterances of a split.

    Args:
        section: of the config.
        epoch: decides what is joined, if that is other in each epoch.
        check_files: whether a sound file that is missing is an error here.
        on_bad: told of each bad row, which is left out then; None: it is an error.

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
        return selection.of(read_feature_file(path, on_bad), path)
    path, column = _manifest(section)
    found = selection.of(read_manifest(path, column, check_files, on_bad), path)
    return found if section.join is None else join(found, section.join, epoch)


def _manifest(section: SplitSection) -> tuple[Path, str]:
    """The manifest of a split, and its column of what is said."""
    name = section.manifest or ""
    if name.startswith(tfds.PREFIX):
        return tfds.manifest_of(name, section.split, section.column), "transcript"
    return resolve(name), section.column


def join(
    clips: Sequence[Utterance], section: JoinSection, epoch: int = 0
) -> list[Utterance]:
    """Strings of clips of one speaker, their transcripts joined by spaces."""
    seed = (section.seed, epoch if section.fresh else 0)
    pairs = [(clip.input, clip.speaker) for clip in clips]
    strings = joined_clips(pairs, section.count, section.clips, section.pause, seed)
    found = []
    for number, (chosen, pauses) in enumerate(strings):
        parts: list[Path | float] = []
        for clip, pause in zip(chosen, [*pauses, None], strict=True):
            parts += split_parts(clips[clip].input)
            parts += [] if pause is None else [pause]
        first = clips[chosen[0]]
        text = " ".join(clips[clip].text for clip in chosen)
        place = f"string {number} of {first.place}"
        found.append(
            Utterance(join_parts(parts), text, first.speaker, first.split, place)
        )
    return found
