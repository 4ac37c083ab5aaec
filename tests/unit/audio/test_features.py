"""The front end: against librosa, between executors, whole and chunk by chunk."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import librosa
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from nlp_speech.audio.features import (
    FrontEnd,
    Reference,
    Statistics,
    frame_count,
    statistics_of,
)
from nlp_speech.audio.graph import GraphFrontEnd
from nlp_speech.audio.sections import FrontEndSection
from nlp_speech.contract import Endpoint
from nlp_speech.errors import UserError
from nlp_speech.export.tflite import write_device_files
from nlp_speech.runtime.litert import LiteRTPredictor

GOLDEN = Path(__file__).parents[2] / "golden"
# Graph against float64, in units of normalized features.
CLOSE = 1e-3
# Graph against the golden vectors.
GRAPH: Any = {"rtol": 1e-4, "atol": 5e-4}

KINDS = [("log_mel", 0), ("log_mel", 1), ("mfcc", 0), ("mfcc", 2)]
NORMALIZATIONS = ["none", "global", "utterance", "running"]


def golden_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "make_front_end", GOLDEN / "make_front_end.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def front_end(**values: Any) -> FrontEnd:
    section = FrontEndSection(**values)
    level = np.linspace(-6, -4, section.features, dtype=np.float32)
    return FrontEnd(section, Statistics(level, np.full_like(level, 2.5)))


def on_graph(front: FrontEnd, samples: np.ndarray) -> np.ndarray:
    features, lengths = GraphFrontEnd(front)(
        tf.constant(samples[None]), tf.constant([len(samples)])
    )
    return features[0, : int(lengths[0])].numpy()


# Against librosa


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"sample_rate": 8000, "n_mels": 40, "f_min": 0.0, "n_fft": 256}
        | {"window_length": 200, "hop_length": 80},
        {"n_mels": 128, "f_max": 7000.0, "n_fft": 2048, "window_length": 1200},
    ],
)
def test_the_mel_filters_are_librosas(values: dict[str, Any]) -> None:
    section = FrontEndSection(**values)
    expected = librosa.filters.mel(
        sr=section.sample_rate,
        n_fft=section.n_fft,
        n_mels=section.n_mels,
        fmin=section.f_min,
        fmax=section.upper,
        dtype=np.float64,
    )
    found = FrontEnd(section).mel
    np.testing.assert_allclose(found.T, expected, atol=1e-7 * expected.max())


def golden(name: str) -> tuple[FrontEnd, np.ndarray, np.ndarray]:
    """A front end without normalization, samples and what librosa makes of them."""
    section = golden_script().SECTIONS[name]
    with np.load(GOLDEN / "front_end.npz") as data:
        samples, expected = data["samples"] / 32768, data[name]
    front = FrontEnd(FrontEndSection(normalization="none", **section))
    return front, samples, expected


@pytest.mark.parametrize("name", ["wide", "narrow", "cepstra"])
def test_every_executor_equals_the_golden_vectors(name: str) -> None:
    front, samples, expected = golden(name)
    found = Reference(front)(samples)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-5)
    graph = on_graph(front, samples.astype(np.float32))
    np.testing.assert_allclose(graph, expected, **GRAPH)


@pytest.mark.parametrize(
    ("variant", "close"),
    # Nothing of the front end is rounded to 8 bits, but its constants are to 16.
    [("float", GRAPH), ("dynamic", GRAPH), ("float16", {"atol": 0.2})],
)
@pytest.mark.parametrize("name", ["wide", "narrow", "cepstra"])
def test_device_files_equal_the_golden_vectors(
    tmp_path: Path, name: str, variant: str, close: Any
) -> None:
    front, samples, expected = golden(name)
    samples = samples.astype(np.float32)[None]
    size = 10 * front.section.hop_length
    run = LiteRTPredictor(device_file(front, size, variant, tmp_path))
    lengths = np.array([samples.shape[1]], np.int32)
    whole = run("whole", {"samples": samples, "lengths": lengths})
    assert whole["lengths"] == [len(expected)]
    found = whole["features"][0, : len(expected)]
    np.testing.assert_allclose(found, expected, **close)
    parts, tail = [], GraphFrontEnd(front).initial_state(1).samples.numpy()
    for begin in range(0, samples.shape[1] - size + 1, size):
        chunk = samples[:, begin : begin + size]
        outputs = run("step", {"samples": chunk, "tail": tail})
        parts.append(outputs["features"][0])
        tail = outputs["tail"]
    found = np.concatenate(parts)
    assert len(found) > len(expected) - 10
    np.testing.assert_allclose(found, expected[: len(found)], **close)


def device_file(front: FrontEnd, size: int, variant: str, folder: Path) -> Path:
    """A front end as it is in a device file, with chunks of so many samples."""
    graph = GraphFrontEnd(front)
    begin = graph.initial_state(1)

    def whole(samples: Any, lengths: Any) -> dict[str, Any]:
        features, frames = graph(samples, lengths)
        return {"features": features, "lengths": frames}

    def step(samples: Any, tail: Any) -> dict[str, Any]:
        features, state = graph.step(samples, begin._replace(samples=tail))
        return {"features": features, "tail": state.samples}

    def spec(*shape: int | None) -> tf.TensorSpec:
        return tf.TensorSpec(shape, tf.float32)

    lengths = tf.TensorSpec([1], tf.int32)
    signatures = {
        whole: {"samples": spec(1, None), "lengths": lengths},
        step: {"samples": spec(1, size), "tail": spec(*begin.samples.shape)},
    }
    endpoints = {f.__name__: Endpoint(f, s, s) for f, s in signatures.items()}
    path = folder / f"{variant}.tflite"
    none = keras.Sequential([keras.Input([1]), keras.layers.Dense(1)])
    write_device_files(none, endpoints, {variant: path}, folder)
    return path


def test_the_golden_vectors_are_what_the_script_makes() -> None:
    script = golden_script()
    with np.load(GOLDEN / "front_end.npz") as data:
        samples = script.make_samples()
        np.testing.assert_array_equal(data["samples"], samples)
        for name, section in script.SECTIONS.items():
            again = script.features(samples, section)
            np.testing.assert_allclose(data[name], again, rtol=1e-5, atol=1e-5)


def test_derivatives_are_librosas_inside(sound: np.ndarray) -> None:
    front = front_end(kind="mfcc", deltas=2, normalization="none")
    found = Reference(front)(sound)
    raw = Reference(front).raw(sound)
    first = librosa.feature.delta(raw.T, width=5, order=1).T
    np.testing.assert_allclose(found[:, 13:26][4:-4], first[4:-4], atol=1e-9)
    again = librosa.feature.delta(found[:, 13:26].T, width=5, order=1).T
    np.testing.assert_allclose(found[:, 26:][4:-4], again[4:-4], atol=1e-9)


# Between executors


@pytest.mark.parametrize(("kind", "deltas"), KINDS)
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_graph_equals_reference(
    sound: np.ndarray, kind: Any, deltas: int, normalization: Any
) -> None:
    front = front_end(kind=kind, deltas=deltas, normalization=normalization)
    expected = Reference(front)(sound)
    assert expected.shape == (106, front.section.features)
    np.testing.assert_allclose(on_graph(front, sound), expected, atol=CLOSE)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_rows_do_not_see_padding(sound: np.ndarray, normalization: Any) -> None:
    front = front_end(deltas=1, normalization=normalization)
    batch = np.full([4, 20_000], 0.7, np.float32)
    lengths = [17_000, 9_100, 161, 0]
    for row, length in enumerate(lengths):
        batch[row, :length] = sound[:length]
    graph = GraphFrontEnd(front)
    features, frames = graph(tf.constant(batch), tf.constant(lengths))
    assert frames.numpy().tolist() == [n // 160 for n in lengths]
    for row, length in enumerate(lengths):
        alone = Reference(front)(sound[:length])
        found = features[row].numpy()
        np.testing.assert_allclose(found[: len(alone)], alone, atol=CLOSE)
        assert not found[len(alone) :].any()


@pytest.mark.parametrize("length", [0, 1, 159, 160, 399, 400])
def test_short_sounds_have_so_many_frames(sound: np.ndarray, length: int) -> None:
    front = front_end(normalization="running")
    found = Reference(front)(sound[:length])
    assert len(found) == length // 160 == frame_count(length, front.section)
    np.testing.assert_allclose(on_graph(front, sound[:length]), found, atol=CLOSE)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_silence_and_full_scale_stay_finite(normalization: Any) -> None:
    front = front_end(normalization=normalization)
    square = np.where(np.arange(4000) % 50 < 25, 1, -1).astype(np.float32)
    for samples in (np.zeros(4000, np.float32), square, square * 1e-30):
        assert np.isfinite(on_graph(front, samples)).all()
        assert np.isfinite(Reference(front)(samples)).all()


# Streams


@pytest.mark.parametrize("kind", ["log_mel", "mfcc"])
@pytest.mark.parametrize("normalization", ["none", "global", "running"])
@settings(max_examples=4)
@given(hops=st.lists(st.integers(1, 20), min_size=1, max_size=12))
def test_chunks_equal_the_whole(kind: Any, normalization: Any, hops: list[int]) -> None:
    front = front_end(kind=kind, normalization=normalization)
    graph = GraphFrontEnd(front)
    size = 160 * sum(hops)
    samples = np.random.default_rng(1).normal(0, 0.1, size).astype(np.float32)
    whole, _ = graph(tf.constant(samples[None]), tf.constant([size]))
    state, parts, begin = graph.initial_state(1), [], 0
    for count in hops:
        chunk = samples[None, begin : begin + 160 * count]
        features, state = graph.step(tf.constant(chunk), state)
        parts.append(features.numpy())
        begin += 160 * count
    found = np.concatenate(parts, axis=1)
    # How a product of matrices is blocked, and so the last bit, depends on its rows.
    tolerance = 2e-6 if kind == "log_mel" else 1e-4
    np.testing.assert_allclose(found, whole, atol=tolerance)


def test_windows_without_overlap_need_no_tail() -> None:
    front = front_end(window_length=160, n_fft=256)
    graph = GraphFrontEnd(front)
    state = graph.initial_state(2)
    assert state.samples.shape == (2, 0)
    features, state = graph.step(tf.ones([2, 480]), state)
    assert features.shape == (2, 3, 80)
    assert state.samples.shape == (2, 0)


def test_what_needs_the_whole_does_not_stream() -> None:
    assert not FrontEndSection(normalization="utterance").streaming
    assert not FrontEndSection(deltas=1).streaming
    graph = GraphFrontEnd(front_end(normalization="utterance"))
    with pytest.raises(ValueError, match="whole"):
        graph.step(tf.zeros([1, 160]), graph.initial_state(1))


# Statistics and the config


def test_statistics_are_numpys(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    parts = [rng.normal(5, 3, [n, 4]) for n in (10, 1, 200)]
    found = statistics_of(parts)
    rows = np.concatenate(parts)
    np.testing.assert_allclose(found.mean, rows.mean(0), rtol=1e-6)
    np.testing.assert_allclose(found.deviation, rows.std(0), rtol=1e-4)
    found.save(tmp_path / "s.npz")
    again = Statistics.load(tmp_path / "s.npz")
    np.testing.assert_array_equal(again.mean, found.mean)
    (tmp_path / "s.npz").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"s\.npz"):
        Statistics.load(tmp_path / "s.npz")
    with pytest.raises(UserError, match="no frame"):
        statistics_of([np.zeros([0, 4])])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"n_fft": 400}, "take 512"),
        ({"n_fft": 640}, "power of two"),
        ({"n_fft": 256}, "take 512"),
        ({"hop_length": 500}, "gaps"),
        ({"f_max": 9000.0}, "8000 Hz"),
        ({"f_min": 8000.0}, "8000"),
        ({"kind": "mfcc", "n_mfcc": 90}, "n_mels"),
    ],
)
def test_an_impossible_front_end_is_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        FrontEndSection(**values)
