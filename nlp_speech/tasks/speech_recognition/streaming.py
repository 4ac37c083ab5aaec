"""Recognizes sound while it is heard: partial results, and finals at pauses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from nlp_speech.contract import Predictor
from nlp_speech.decoding.ctc_host import PrefixSearch, confidences
from nlp_speech.errors import UserError
from nlp_speech.tasks.speech_recognition import STREAM_ENDPOINT, Assets, expecting
from nlp_speech.tasks.speech_recognition.language import search_of
from nlp_speech.tasks.speech_recognition.results import (
    HeardLabels,
    Word,
    words_of_labels,
)
from nlp_speech.text.labels import text_of


class StreamingModel(Protocol):
    """What `nlp_speech.load` returns for a bundle of a recognizer."""

    @property
    def predictor(self) -> Predictor:
        """What runs it."""
        ...

    @property
    def assets(self) -> Assets:
        """What it learned besides weights."""
        ...


@dataclass(frozen=True)
class Segment:
    """A stretch of a stream, and what was said in it.

    Attributes:
        text: the transcript.
        start: in seconds from the beginning of the stream.
        end: in seconds.
        words: with their times in the stream; the confidence of a partial one is 0.
        final: whether it will not change any more.
    """

    text: str
    start: float
    end: float
    words: tuple[Word, ...]
    final: bool

    def as_dict(self) -> dict[str, Any]:
        """The segment as plain JSON data."""
        return {
            "text": self.text,
            "start": self.start,
            "end": self.end,
            "words": [word.as_dict() for word in self.words],
            "final": self.final,
        }

    def as_text(self) -> str:
        """The segment as one line: its start, its end or dots, and the text."""
        end = f"{self.end:8.2f}" if self.final else f"{'...':>8}"
        return f"{self.start:8.2f} {end}  {self.text}"


@dataclass(frozen=True)
class _Place:
    """A place in a segment, and all that was known there."""

    state: np.ndarray
    lag: int
    samples: int
    search: PrefixSearch
    heard: int  # arrays of log-probabilities


class StreamingRecognizer:
    """Recognizes one stream; any number of them may share a model.

    A segment ends after `streaming.silence_seconds` of silence that follow speech, or
    after `streaming.max_seconds`: in the middle of the silence, since the next word may
    have begun before the model writes it, or where there is none, at once. What came
    after the end is heard again, with all as at the beginning. So the text of a segment
    is the one that the model gives to the samples from its start to its end, however
    they came in.

    Args:
        model: of a bundle whose model is not bidirectional; not changed.
        hot_words: to expect besides those of the config, and what is added for each to
            the score in nats.

    Raises:
        UserError: the model cannot read a stream, or a hot word is none.
    """

    def __init__(
        self, model: StreamingModel, hot_words: Mapping[str, float] | None = None
    ) -> None:
        if not isinstance(getattr(model, "assets", None), Assets):
            raise UserError("only a loaded model of speech_recognition reads streams")
        config = model.assets.config
        if not config.streams:
            raise UserError(
                "this model cannot read a stream: that needs sound, "
                "model.bidirectional false, frontend.deltas 0, and no normalization "
                "by the utterance"
            )
        self._predictor = model.predictor
        self._assets = expecting(model.assets, hot_words or {})
        self._config = config
        symbols = model.assets.labels.symbols
        self._audible = np.array([bool(symbol.strip(" ")) for symbol in symbols])
        self._search = search_of(config, symbols, self._assets.fusion)
        self.reset()

    @property
    def sample_rate(self) -> int:
        """The samples a second that `accept` takes."""
        return self._config.frontend.sample_rate

    @property
    def latency_seconds(self) -> float:
        """The longest time from a sound to the answer that has heard it.

        Without the time that computing takes.
        """
        return self._config.latency_seconds

    def reset(self) -> None:
        """Forgets the stream: what comes next begins at 0 seconds."""
        self._begin = 0
        self._waiting = np.zeros([0], np.float32)
        self._restart()

    def accept(self, samples: np.ndarray) -> list[Segment]:
        """Hears the next samples.

        Args:
            samples: [n] of the model's sample rate, any number of them: floats with a
                full scale of 1, or 16-bit integers.

        Returns:
            The segments that ended, without those in which nothing was said.

        Raises:
            UserError: the samples are not of one channel, or not finite.
        """
        self._waiting = np.concatenate([self._waiting, _checked(samples)])
        size, found = self._config.chunk_samples, []
        while len(self._waiting) >= size:
            chunk, self._waiting = self._waiting[:size], self._waiting[size:]
            self._read(chunk)
            self._look_for_end(chunk)
            if self._has_ended():
                found += self._end_in_silence()
        return found

    def partial(self) -> Segment:
        """What was said since the last segment's end, as far as it is clear yet."""
        return self._segment(final=False)

    def finish(self) -> list[Segment]:
        """Ends the stream.

        Returns:
            The last segment, unless nothing was said in it. The recognizer is as new.
        """
        self._read(self._waiting)
        found = self._end()
        self.reset()
        return found

    def _restart(self) -> None:
        """Makes all as at the beginning, but for the position in the stream."""
        self._state = np.zeros([1, self._config.state_size], np.float32)
        self._lag = self._config.model.look_ahead  # steps that mean nothing yet
        self._samples = 0
        self._log_probs: list[np.ndarray] = []
        self._search.reset()
        self._note_label(None)

    def _note_label(self, step: int | None) -> None:
        """Remembers the step of the last label: any silence begins anew."""
        self._last_heard = step
        self._silence: _Place | None = None  # its middle
        self._since_then: list[np.ndarray] = []

    def _read(self, chunk: np.ndarray) -> None:
        """Runs the model on a chunk; one that is not full is the last of a segment."""
        size = self._config.chunk_samples
        arrays = {
            "samples": np.pad(chunk, (0, size - len(chunk)))[np.newaxis],
            "lengths": np.array([len(chunk)], np.int32),
            "state": self._state,
        }
        outputs = self._predictor(STREAM_ENDPOINT, arrays)
        self._state = outputs["state"]
        self._samples += len(chunk)
        steps = outputs["log_probs"][0]
        skipped = min(self._lag, len(steps))
        self._lag -= skipped
        real = self._samples // self._config.step_samples - self._search.steps
        self._hear(steps[skipped:][:real])

    def _hear(self, log_probs: np.ndarray) -> None:
        heard = np.flatnonzero(self._audible[log_probs.argmax(axis=1)])
        if len(heard):
            self._note_label(self._search.steps + int(heard[-1]))
        self._search.advance(log_probs)
        self._log_probs.append(log_probs)

    def _has_ended(self) -> bool:
        streaming, unit = self._config.streaming, self._assets.seconds_per_step
        if self._samples >= streaming.max_seconds * self._config.frontend.sample_rate:
            return True
        if self._last_heard is None:
            return False
        silence = (self._search.steps - 1 - self._last_heard) * unit
        return silence >= streaming.silence_seconds

    def _look_for_end(self, chunk: np.ndarray) -> None:
        """Keeps the middle of a silence and the chunks after it."""
        if self._silence is not None:
            self._since_then.append(chunk)
            return
        if self._last_heard is None:
            return
        config = self._config
        half = config.streaming.silence_seconds * config.frontend.sample_rate / 2
        if self._samples >= (self._last_heard + 1) * config.step_samples + half:
            search, heard = self._search.copied(), len(self._log_probs)
            self._silence = _Place(self._state, self._lag, self._samples, search, heard)

    def _end_in_silence(self) -> list[Segment]:
        """Ends the segment where its last silence has its middle."""
        place, again = self._silence, self._since_then
        if place is not None:
            self._state, self._lag = place.state, place.lag
            self._samples, self._search = place.samples, place.search
            del self._log_probs[place.heard :]
        found = self._end()
        self._waiting = np.concatenate([*again, self._waiting])
        return found

    def _end(self) -> list[Segment]:
        """Hears the steps that were looked ahead for, and begins a new segment."""
        while self._search.steps < self._samples // self._config.step_samples:
            self._read(np.zeros([0], np.float32))
        segment = self._segment(final=True)
        self._begin += self._samples
        self._restart()
        return [segment] if segment.text else []

    def _segment(self, final: bool) -> Segment:
        symbols, unit = self._assets.labels.symbols, self._assets.seconds_per_step
        rate = self._config.frontend.sample_rate
        best = self._search.best(partial=not final)[0]
        confidence = np.zeros(len(best.labels))
        if final and best.labels:
            confidence = confidences(np.concatenate(self._log_probs), best)
        start = self._begin / rate
        heard = HeardLabels(best.labels, best.starts, best.ends, confidence.tolist())
        words = words_of_labels(heard, symbols, unit, start)
        text = text_of(best.labels, symbols)
        end = (self._begin + self._samples) / rate
        return Segment(text, start, end, words, final)


def _checked(samples: np.ndarray) -> np.ndarray:
    samples = np.asarray(samples)
    if samples.ndim != 1:
        raise UserError(
            f"a stream takes samples of one channel, not of shape {samples.shape}; "
            "average the channels"
        )
    if np.issubdtype(samples.dtype, np.integer):
        if samples.dtype.itemsize != 2 or samples.dtype.kind != "i":
            raise UserError(
                f"a stream takes floats or 16-bit integers, not {samples.dtype}; "
                "divide by full scale"
            )
        return samples.astype(np.float32) / 32768
    samples = samples.astype(np.float32)
    if not np.isfinite(samples).all():
        raise UserError("a stream takes finite samples; one of them is not a number")
    return samples
