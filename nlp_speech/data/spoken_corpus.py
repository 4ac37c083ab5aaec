"""A folder of synthesized speech with its manifest, made from sentences.

No TensorFlow.
"""

from __future__ import annotations

import hashlib
import io
import json
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile

from nlp_speech.audio.decode import sound_info
from nlp_speech.audio.synthesis import SPEAKERS, Synthesizer, Voice, some_voice
from nlp_speech.errors import UserError
from nlp_speech.files import replacing, write_text
from nlp_speech.progress import shown
from nlp_speech.text.labels import clean, spoken

MANIFEST = "manifest.tsv"
_RECIPE = "recipe.json"
_COLUMNS = ("path", "transcript", "speaker", "split", "seconds")
_SPLITS = ("train", "validation")


@dataclass(frozen=True)
class Recipe:
    """How a corpus is spoken.

    Attributes:
        languages: of espeak-ng; one is drawn for each sound.
        times: how often each sentence is spoken; another speaker each time, as long as
            there are others.
        validation: share of sounds for validation, by speakers of their own; they say
            the same sentences.
        sample_rate: Hz.
        seed: decides which voices; what they say still differs a little each time.
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

    A transcript is a sentence's words without punctuation, in its own case. A sentence
    with digits is left out: nobody knows how its transcript would have them.

    Args:
        texts: the sentences, as people write them.
        directory: where ``manifest.tsv`` and the sounds (16-bit FLAC) go.
        recipe: who speaks, and how.

    Returns:
        Where it is, and how much.

    Raises:
        UserError: a finished corpus or another one's beginning is there already, no
            sentence can be spoken, a voice is unknown or espeak-ng is not installed.
    """
    transcripts = _transcripts(texts)
    if not transcripts:
        raise UserError("no sentence can be spoken; give sentences of words")
    synthesizer = Synthesizer(recipe.sample_rate)
    for language in recipe.languages:
        synthesizer.check(language)
    count = len(transcripts) * recipe.times
    cast = _Cast(recipe, len(transcripts))
    _begin(directory, recipe, transcripts)
    rows, total = ["\t".join(_COLUMNS)], 0.0
    with shown("speaking", count, "sounds") as advance:
        for number in range(count):
            text = transcripts[number % len(transcripts)]
            split, voice = cast(number)
            name = f"sounds/{number:06d}.flac"
            seconds = _spoken(directory / name, synthesizer, text, voice)
            rows.append(f"{name}\t{text}\t{voice.name}\t{split}\t{seconds:.2f}")
            total += seconds
            if advance is not None:
                advance(1)
    manifest = directory / MANIFEST
    write_text(manifest, "\n".join(rows) + "\n")
    return SpokenCorpus(manifest, count, total, len(texts) - len(transcripts))


def _transcripts(texts: Sequence[str]) -> list[str]:
    used = set().union(*map(clean, texts))
    letters = {c for c in used if c.isalpha() or unicodedata.category(c)[0] == "M"}
    found = (spoken(text, letters | set(" '")) for text in texts)
    return [text for text in found if text]


class _Cast:
    """Which sounds are for validation, and who speaks them and the others."""

    def __init__(self, recipe: Recipe, sentences: int) -> None:
        self._recipe = recipe
        self._sentences = sentences
        random = np.random.default_rng(recipe.seed)
        speakers = [str(name) for name in random.permutation(SPEAKERS)]
        count = sentences * recipe.times
        if recipe.validation and count < 2:
            raise UserError("one sound cannot be split; give more sentences or times")
        apart, sounds = (_part(recipe.validation, n) for n in (len(speakers), count))
        self._validation = set(random.permutation(count)[:sounds].tolist())
        self._speakers = (speakers[apart:], speakers[:apart])

    def __call__(self, number: int) -> tuple[str, Voice]:
        """The split and the voice of a sound."""
        recipe = self._recipe
        time, sentence = divmod(number, self._sentences)
        side = number in self._validation
        random = np.random.default_rng((recipe.seed, sentence))
        order = random.permutation(self._speakers[side])
        speaker = str(order[time % len(order)])
        voice = some_voice(recipe.languages, speaker, (recipe.seed, sentence, time))
        return _SPLITS[side], voice


def _part(share: float, count: int) -> int:
    """A share of a number, neither nothing nor all of it, or 0."""
    return min(max(1, round(share * count)), count - 1) if share else 0


def _spoken(path: Path, synthesizer: Synthesizer, text: str, voice: Voice) -> float:
    """Speaks a sentence into a file, if it is not there; gives the seconds.

    Raises:
        UserError: it cannot be spoken or written.
    """
    with suppress(UserError):
        return sound_info(path).seconds
    samples = synthesizer(text, voice)
    if not len(samples):
        raise UserError(f"espeak-ng says nothing to {text[:60]!r}; leave it out")
    sound = io.BytesIO()
    rate = synthesizer.sample_rate
    soundfile.write(sound, samples, rate, format="FLAC", subtype="PCM_16")
    with replacing(path) as file:
        file.write(sound.getbuffer())
    return len(samples) / rate


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
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError.at(
            directory, None, f"no folder can be there ({reason}); name another"
        ) from error
    if other:
        raise UserError.at(
            directory,
            None,
            "another corpus was begun there (other sentences or options); name another "
            "folder, or delete this one",
        )
