"""Recordings of any length, recognized piece by piece in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nlp_speech.audio.decode import sample_blocks, sound_info
from nlp_speech.audio.inputs import GENERATED, PART, part_of, split_part, split_parts
from nlp_speech.audio.pauses import cut_at_pauses
from nlp_speech.errors import UserError
from nlp_speech.tasks.speech_recognition.results import Transcript, Word
from nlp_speech.text.hypotheses import Hypothesis

if TYPE_CHECKING:
    from nlp_speech.tasks.speech_recognition import Assets


def pieces(given: str, assets: Assets) -> list[str]:
    """The parts of a long sound file that are recognized one by one.

    Args:
        given: an input.
        assets: of the model.

    Returns:
        The input itself, unless it is a file that is longer than the config's pieces:
        then parts of it, cut at pauses.

    Raises:
        UserError: the file cannot be read.
    """
    section, decoding = assets.config.frontend, assets.config.decoding
    longest = min(decoding.piece_seconds, decoding.max_seconds)
    single = not given.lstrip().startswith(("[", GENERATED, PART))
    if section.source == "features" or not single:
        return [given]
    path, rate = Path(given), section.sample_rate
    if sound_info(path).seconds <= longest:
        return [given]
    cuts = cut_at_pauses(sample_blocks(path, rate), rate, longest)
    return [part_of(path, begin, end) for begin, end in cuts]


def size(given: str, assets: Assets) -> float:
    """The seconds of an input; 0 if only reading it would tell."""
    if assets.config.frontend.source == "features" or given.startswith(GENERATED):
        return 0.0
    if given.startswith(PART):
        _, begin, end = split_part(given)
        return end - begin
    try:
        parts = split_parts(given)
        return sum(
            sound_info(part).seconds if isinstance(part, Path) else part
            for part in parts
        )
    except UserError:
        return 0.0  # said when it is read


def joined(parts: Sequence[str], found: Sequence[Transcript]) -> Transcript:
    """The transcript of a sound from those of its `pieces`.

    Its score is their sum; log-probabilities are not kept.
    """
    words: list[Word] = []
    characters: list[Word] = []
    for part, result in zip(parts, found, strict=True):
        _, begin, _ = split_part(part)
        words += [word.later(begin) for word in result.words]
        characters += [label.later(begin) for label in result.characters]
    text = " ".join(result.text for result in found if result.text)
    score = sum(result.score for result in found)
    _, _, end = split_part(parts[-1])
    return Transcript(
        text,
        score,
        (Hypothesis(text, score),),
        tuple(words),
        tuple(characters),
        seconds=end,
    )
