"""A folder of synthesized speech with its manifest, made from sentences.

No TensorFlow.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile

from nlp_speech.audio.synthesis import SPEAKERS, Synthesizer, some_voice
from nlp_speech.errors import UserError
from nlp_speech.files import replacing, write_text
from nlp_speech.progress import shown
from nlp_speech.text.labels import spoken

MANIFEST = "manifest.tsv"
_RECIPE = "recipe.json"
_COLUMNS = ("path", "transcript", "speaker", "split", "seconds")
_SPLITS = ("train", "validation")


@dataclass(frozen=True)
class Recipe:
    """How a corpus is spoken.

    Attributes:
        languages: of espeak-ng; one is drawn for each sound.
        times: how often each sentence is spoken, by another voice each time.
        validation: share of the speakers whose sounds are for validation.
        sample_rate: Hz.
        seed: decides which voices.
    """

    languages: tuple[str, ...] = ("en-us",)
    times: int = 1
    validation: float = 0.0
    sample_rate: int = 16_000
    seed: int = 1


@dataclass(frozen=True)
class SpokenCorpus:
    """What was made.

    Attributes:
        manifest: the list of its sounds.
        sounds: how many.
        seconds: how long they are together.
        left_out: sentences that could not be transcribed.
    """

    manifest: Path
    sounds: int
    seconds: float
    left_out: int


def speak(texts: Sequence[str], directory: Path, recipe: Recipe) -> SpokenCorpus:
    """Speaks sentences into a folder; what an interrupted run has made is kept.

    A transcript is a sentence's words without punctuation. A sentence with digits is
    left out: nobody knows how its transcript would have them.

    Args:
        texts: the sentences, as people write them.
        directory: where ``manifest.tsv`` and the sounds (16-bit FLAC) go.
        recipe: who speaks, and how.

    Raises:
        UserError: a finished corpus or another one's beginning is there already, no
            sentence can be spoken, a voice is unknown or espeak-ng is not installed.
    """
    transcripts = _transcripts(texts)
    left_out = len(texts) - len(transcripts)
    if not transcripts:
        raise UserError("no sentence can be spoken; give sentences of words")
    synthesizer = Synthesizer(recipe.sample_rate)
    _begin(directory, recipe, transcripts)
    rows = ["\t".join(_COLUMNS)]
    total = 0.0
    count = len(transcripts) * recipe.times
    sides = _Sides(recipe, count)
    with shown("speaking", count, "sounds") as advance:
        for number in range(count):
            text = transcripts[number % len(transcripts)]
            path = Path("sounds") / f"{number:06d}.flac"
            split, speakers = sides(number)
            voice = some_voice(recipe.languages, speakers, (recipe.seed, number))
            if not (directory / path).is_file():
                samples = synthesizer(text, voice)
                _write(directory / path, samples, recipe.sample_rate)
            seconds = soundfile.info(directory / path).duration
            rows.append(f"{path}\t{text}\t{voice.name}\t{split}\t{seconds:.2f}")
            total += seconds
            if advance is not None:
                advance(1)
    manifest = directory / MANIFEST
    write_text(manifest, "\n".join(rows) + "\n")
    return SpokenCorpus(manifest, count, total, left_out)


def _transcripts(texts: Sequence[str]) -> list[str]:
    letters = {c for c in set().union(*texts) if c.isalpha()} | set(" '")
    found = (spoken(text, letters) for text in texts)
    return [text for text in found if text]


class _Sides:
    """Which sounds are for validation, and who speaks them and the others."""

    def __init__(self, recipe: Recipe, count: int) -> None:
        random = np.random.default_rng(recipe.seed)
        speakers = [str(name) for name in random.permutation(SPEAKERS)]
        apart = round(recipe.validation * len(speakers))
        sounds = round(recipe.validation * count)
        self._validation = set(random.permutation(count)[:sounds].tolist())
        self._speakers = (speakers[apart:], speakers[:apart])

    def __call__(self, number: int) -> tuple[str, list[str]]:
        """The split of a sound, and the speakers of that split."""
        side = number in self._validation
        return _SPLITS[side], self._speakers[side]


def _begin(directory: Path, recipe: Recipe, transcripts: Sequence[str]) -> None:
    """Claims a folder for a corpus, or goes on with the same one."""
    digest = hashlib.sha256("\n".join(transcripts).encode()).hexdigest()
    wanted = json.dumps({**asdict(recipe), "transcripts": digest}, indent=1)
    path = directory / _RECIPE
    if (directory / MANIFEST).exists():
        raise UserError.at(
            directory, None, "there is a corpus already; name another folder"
        )
    try:
        other = path.read_text(encoding="utf-8") != wanted
    except FileNotFoundError:
        write_text(path, wanted)
        return
    if other:
        raise UserError.at(
            directory,
            None,
            "another corpus was begun there (other sentences or options); name another "
            "folder, or delete this one",
        )


def _write(path: Path, samples: np.ndarray, sample_rate: int) -> None:
    sound = io.BytesIO()
    soundfile.write(sound, samples, sample_rate, format="FLAC", subtype="PCM_16")
    with replacing(path) as file:
        file.write(sound.getbuffer())
