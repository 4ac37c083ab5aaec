"""Streams: any chunks, many at once, segments equal to the same sound offline."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    rule,
    run_state_machine_as_test,
)

from nlp_speech.decoding.fusion import Fusion, FusionOptions
from nlp_speech.decoding.ngram import estimate
from nlp_speech.errors import UserError
from nlp_speech.runtime.keras import KerasPredictor
from nlp_speech.tasks.speech_recognition import Assets, after
from nlp_speech.tasks.speech_recognition.endpoints import Recognizer, endpoints
from nlp_speech.tasks.speech_recognition.streaming import StreamingRecognizer

LONG = {"silence_seconds": 50.0, "max_seconds": 60.0}


def model_of(small: Any, **changes: Any) -> Any:
    config = small.config(**{"streaming": LONG, **changes})
    assets, model = small.recognizer(config)
    found = endpoints(config, assets, model)
    wanted = {n: found[n] for n in ("recognize_labels", "recognize_stream")}
    assert Recognizer(config, assets, model).state_size() == config.state_size
    return SimpleNamespace(predictor=KerasPredictor(wanted), assets=assets)


@pytest.fixture(scope="module")
def model(small: Any) -> Any:
    return model_of(small)


def offline(model: Any, samples: np.ndarray) -> Any:
    least = model.assets.config.step_samples
    padded = np.zeros([1, max(least, len(samples))], np.float32)
    padded[0, : len(samples)] = samples
    arrays = {"samples": padded, "lengths": np.array([len(samples)], np.int32)}
    outputs = model.predictor("recognize_labels", arrays)
    return after("recognize_labels", outputs, [""], model.assets)[0]


def listen(recognizer: StreamingRecognizer, parts: list[np.ndarray]) -> list[Any]:
    found = []
    for part in parts:
        found += recognizer.accept(part)
    return found + recognizer.finish()


def split(sound: np.ndarray, cuts: list[int]) -> list[np.ndarray]:
    """Parts of a sound; equal cuts give empty ones."""
    edges = [0, *sorted(min(cut, len(sound)) for cut in cuts), len(sound)]
    return [sound[start:end] for start, end in pairwise(edges)]


@settings(max_examples=15)
@given(
    st.integers(0, 900), st.lists(st.integers(0, 900), max_size=8), st.integers(0, 9)
)
def test_any_chunks_give_the_offline_text(
    model: Any, small: Any, length: int, cuts: list[int], seed: int
) -> None:
    sound = small.sounds(length, seed=seed)[0][0, :length]
    recognizer = StreamingRecognizer(model)
    recognizer.accept(sound[:77])
    recognizer.partial()
    recognizer.reset()
    found = listen(recognizer, split(sound, cuts))
    expected = offline(model, sound)
    assert "".join(segment.text for segment in found) == expected.text
    for segment in found:
        assert (segment.start, segment.end) == (0, length / small.rate)
        assert [w.text for w in segment.words] == [w.text for w in expected.words]
        for word, wanted in zip(segment.words, expected.words, strict=True):
            assert word.start == pytest.approx(wanted.start)
            assert word.end == pytest.approx(wanted.end)
            assert word.confidence == pytest.approx(wanted.confidence, abs=1e-3)
    # As new: the same again.
    assert listen(recognizer, [sound]) == found


def test_integers_are_heard_like_floats(model: Any, small: Any) -> None:
    sound = (small.sounds(800, seed=2)[0][0] * 32767).astype(np.int16)
    expected = offline(model, sound.astype(np.float32) / 32768).text
    [segment] = listen(StreamingRecognizer(model), [sound])
    assert segment.text == expected != ""


def test_streams_that_share_a_model_do_not_mix(model: Any, small: Any) -> None:
    sounds = [small.sounds(700, seed=seed)[0][0] for seed in (3, 4, 5)]
    alone = [listen(StreamingRecognizer(model), [sound]) for sound in sounds]
    streams = [StreamingRecognizer(model) for _ in sounds]
    for start in range(0, 700, 50):
        for stream, sound in zip(streams, sounds, strict=True):
            assert stream.accept(sound[start : start + 50]) == []
    assert [stream.finish() for stream in streams] == alone
    assert len({segments[0].text for segments in alone}) == 3


def test_a_partial_result_grows_into_the_final_one(model: Any, small: Any) -> None:
    sound = small.sounds(1500, seed=6)[0][0]
    recognizer, seen = StreamingRecognizer(model), []
    for start in range(0, 1500, 60):
        recognizer.accept(sound[start : start + 60])
        partial = recognizer.partial()
        assert not partial.final
        assert partial.end <= (start + 60) / small.rate
        seen.append(partial.text)
    [final] = recognizer.finish()
    assert final.final
    assert len(set(seen)) > 3
    assert seen[0] == "" != final.text


@pytest.mark.parametrize("language", [False, True])
def test_segments_equal_their_samples_offline(
    small: Any, monkeypatch: pytest.MonkeyPatch, language: bool
) -> None:
    model = model_of(small, streaming={"silence_seconds": 60.0, "max_seconds": 0.5})
    if language:
        fusion = Fusion(estimate([["ab", "c"], ["de"]], 2), FusionOptions(0.3, 1.0))
        found = model.assets
        model.assets = Assets(found.config, found.labels, found.front_end, fusion)
    sound = small.sounds(1730, seed=7)[0][0]
    found = listen(StreamingRecognizer(model), split(sound, [13, 700, 701, 1600]))
    assert len(found) >= 3
    for segment in found:
        start, end = (round(t * small.rate) for t in (segment.start, segment.end))
        assert segment.text == offline(model, sound[start:end]).text
        assert all(
            segment.start <= w.start < w.end <= segment.end for w in segment.words
        )
    # A segment ends with the chunk that makes it long enough.
    size = model.assets.config.chunk_samples
    assert round(found[0].end * small.rate) == -(-500 // size) * size


class Scripted:
    """A predictor that hears a letter in loud chunks, and nothing in silent ones."""

    runtime = "keras"
    max_batch_size = 1

    def __init__(self, assets: Assets, delay: float = 0.0) -> None:
        self.config = assets.config
        self.size = assets.labels.size
        step = self.config.step_samples / self.config.frontend.sample_rate
        self.ahead = self.config.model.look_ahead + round(delay / step)

    def __call__(self, endpoint: str, arrays: Any) -> dict[str, np.ndarray]:
        steps = self.config.streaming.chunk_steps
        loud = np.abs(arrays["samples"][0]).reshape(steps, -1).max(axis=1) > 0.5
        state = arrays["state"].copy()
        waiting = [*state[0, : self.ahead], *loud.astype(np.float32)]
        log_probs = np.full([1, steps, self.size], -20.0, np.float32)
        for step, heard in enumerate(waiting[:steps]):
            log_probs[0, step, 2 if heard else 0] = -1e-6
        state[0, : self.ahead] = waiting[steps:]
        return {"log_probs": log_probs, "state": state}


def test_silence_after_speech_ends_a_segment(small: Any) -> None:
    config = small.config(streaming={"silence_seconds": 0.3, "max_seconds": 20})
    assets, _ = small.recognizer(config)
    stub: Any = SimpleNamespace(predictor=Scripted(assets), assets=assets)
    loud, silent = np.ones(120, np.float32), np.zeros(600, np.float32)
    parts = [
        silent,
        silent,
        loud,
        silent[:100],
        loud,
        silent,
        silent,
        loud,
        silent[:60],
    ]
    found = listen(StreamingRecognizer(stub), parts)
    assert [segment.text for segment in found] == ["aa", "a"]
    first, second = found
    assert first.start == 0
    assert [w.start for w in first.words] == [pytest.approx(1.2)]
    # In the middle of the silence, the look-ahead and the rest of a chunk later.
    spoken = (1200 + 120 + 100 + 120) / small.rate
    assert spoken + 0.15 <= first.end <= spoken + 0.15 + config.latency_seconds + 0.02
    assert second.start == first.end
    assert second.end == sum(map(len, parts)) / small.rate


def test_a_word_that_begins_before_the_end_is_known_is_heard_whole(small: Any) -> None:
    """Labels come 0.25 s late, so that the end is known when the next word is said."""
    config = small.config(streaming={"silence_seconds": 0.3, "max_seconds": 20})
    assets, _ = small.recognizer(config)
    stub: Any = SimpleNamespace(predictor=Scripted(assets, delay=0.25), assets=assets)
    loud, silent = np.ones(120, np.float32), np.zeros(550, np.float32)
    parts = [loud, silent] * 3
    segments = listen(StreamingRecognizer(stub), parts)
    assert [segment.text for segment in segments] == ["a", "a", "a"]
    for number, segment in enumerate(segments[:-1]):
        spoken, following = 670 * number + 120, 670 * (number + 1)
        assert spoken < segment.end * small.rate < following
    assert segments[-1].end == sum(map(len, parts)) / small.rate


def test_silence_alone_is_no_segment(small: Any) -> None:
    config = small.config(streaming={"silence_seconds": 0.3, "max_seconds": 0.5})
    assets, _ = small.recognizer(config)
    stub: Any = SimpleNamespace(predictor=Scripted(assets), assets=assets)
    assert listen(StreamingRecognizer(stub), [np.zeros(3000, np.float32)]) == []
    assert listen(StreamingRecognizer(stub), []) == []


class Listening(RuleBasedStateMachine):
    """A stream that is given anything in any order, and one given the same at once."""

    model: Any  # what both run

    def __init__(self) -> None:
        super().__init__()
        self.recognizer = StreamingRecognizer(self.model)
        self.forget()

    def forget(self) -> None:
        self.sound = np.zeros([0], np.float32)
        self.segments: list[Any] = []

    @rule(
        size=st.integers(0, 250),
        loud=st.sampled_from([0.0, 1e-3, 0.4]),
        whole=st.booleans(),
        seed=st.integers(0, 9),
    )
    def accept(self, size: int, loud: float, whole: bool, seed: int) -> None:
        part = np.random.default_rng(seed).normal(0, loud, size).clip(-1, 0.999)
        numbers = (part * 32768).astype(np.int16)
        given = numbers if whole else (numbers / 32768).astype(np.float32)
        self.segments += self.recognizer.accept(given)
        self.sound = np.append(self.sound, (numbers / 32768).astype(np.float32))

    @rule(
        bad=st.sampled_from(
            [
                np.zeros([3, 2]),
                np.array([0.1, np.nan]),
                np.zeros([]),
                np.zeros(3, int),
                np.zeros(3, np.uint16),
            ]
        )
    )
    def refuse(self, bad: np.ndarray) -> None:
        with pytest.raises(UserError):
            self.recognizer.accept(bad)

    @rule()
    def partial(self) -> None:
        partial = self.recognizer.partial()
        assert not partial.final
        assert partial == self.recognizer.partial()
        begin = self.segments[-1].end if self.segments else 0
        assert begin <= partial.start <= partial.end <= self.seconds

    @rule()
    def reset(self) -> None:
        self.recognizer.reset()
        self.forget()

    @rule()
    def finish(self) -> None:
        found = [*self.segments, *self.recognizer.finish()]
        assert found == listen(StreamingRecognizer(self.model), [self.sound])
        for segment in found:
            assert segment.final
            start, end = (round(t * self.rate) for t in (segment.start, segment.end))
            assert segment.text == offline(self.model, self.sound[start:end]).text
        if self.model.assets.config.streaming.silence_seconds > self.seconds:
            assert bool(found) == bool(offline(self.model, self.sound).text)
        edges = [t for segment in found for t in (segment.start, segment.end)]
        assert edges == sorted(edges)
        assert not edges or edges[-1] <= self.seconds
        self.forget()

    @property
    def rate(self) -> int:
        return self.recognizer.sample_rate

    @property
    def seconds(self) -> float:
        return len(self.sound) / self.rate

    def teardown(self) -> None:
        self.finish()


@pytest.mark.parametrize(
    "streaming",
    [LONG, {"silence_seconds": 0.06, "max_seconds": 0.4}],
    ids=["whole", "cut"],
)
def test_a_stream_bears_anything(small: Any, streaming: dict[str, float]) -> None:
    class Machine(Listening):
        model = model_of(small, streaming=streaming)

    steps = settings(max_examples=12, stateful_step_count=25)
    run_state_machine_as_test(Machine, settings=steps)


def test_bad_samples_and_models_are_errors(model: Any, small: Any) -> None:
    recognizer = StreamingRecognizer(model)
    with pytest.raises(UserError, match="one channel"):
        recognizer.accept(np.zeros([10, 2], np.float32))
    with pytest.raises(UserError, match="finite"):
        recognizer.accept(np.array([0.1, np.nan]))
    config = small.config(model={"bidirectional": True, "layers": 1})
    assets, _ = small.recognizer(config)
    stub: Any = SimpleNamespace(predictor=None, assets=assets)
    with pytest.raises(UserError, match="cannot read a stream"):
        StreamingRecognizer(stub)


def test_latency_is_computed_from_the_config(small: Any) -> None:
    # A chunk of 3 steps and 2 steps ahead, of 2 frames of 10 ms each.
    assert small.config().latency_seconds == pytest.approx(0.1)
