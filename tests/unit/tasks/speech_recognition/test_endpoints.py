"""A recognizer's endpoints: the same answers in all runtimes, a stream as the whole."""

from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from nlp_speech.export.saved_model import write_saved_model
from nlp_speech.export.tflite import write_device_files
from nlp_speech.runtime.keras import KerasPredictor
from nlp_speech.runtime.litert import LiteRTPredictor
from nlp_speech.runtime.saved_model import SavedModelPredictor
from nlp_speech.tasks.speech_recognition import after
from nlp_speech.tasks.speech_recognition.endpoints import endpoints


@pytest.fixture(scope="module", params=["stacked", "convolved"])
def streaming(
    small: Any, tmp_path_factory: pytest.TempPathFactory, request: Any
) -> dict[str, Any]:
    """A streaming recognizer in every runtime."""
    channels = 4 if request.param == "convolved" else 0
    config = small.config(model={"conv_channels": channels})
    assets, model = small.recognizer(config)
    found = endpoints(config, assets, model)
    path = tmp_path_factory.mktemp("recognizer")
    write_saved_model(model, found, "recognize", path / "server")
    (path / "scratch").mkdir()
    files = {"float": path / "float.tflite"}
    write_device_files(model, found, files, path / "scratch")
    return {
        "assets": assets,
        "keras": KerasPredictor(found),
        "saved_model": SavedModelPredictor(path / "server"),
        "tflite": LiteRTPredictor(files["float"]),
    }


def one(arrays: dict[str, np.ndarray], row: int) -> dict[str, np.ndarray]:
    return {name: array[row : row + 1] for name, array in arrays.items()}


def assert_same(found: Any, expected: Any, row: int) -> None:
    """One row of `expected`, without its padding, alone in `found`."""
    steps = int(expected["steps"][row])
    assert int(found["steps"][0]) == steps
    counts = expected["lengths"][row]
    np.testing.assert_array_equal(found["lengths"][0], counts)
    for name in ("ids", "starts", "ends", "confidence"):
        size = counts.max() if name == "ids" else counts[0]
        np.testing.assert_allclose(
            found[name][0][..., :size], expected[name][row][..., :size], atol=1e-4
        )
    np.testing.assert_allclose(found["score"][0], expected["score"][row], rtol=1e-4)
    np.testing.assert_allclose(
        found["log_probs"][0, :steps], expected["log_probs"][row, :steps], atol=1e-3
    )


def test_all_runtimes_answer_alike(small: Any, streaming: dict[str, Any]) -> None:
    samples, lengths = small.sounds(900, 0, 333, 5, 1200)
    arrays = {"samples": samples, "lengths": lengths}
    expected = streaming["keras"]("recognize_labels", arrays)
    assert len({tuple(ids[0]) for ids in expected["ids"]}) >= 4
    served = streaming["saved_model"]("recognize", arrays)
    for row, length in enumerate(lengths):
        assert_same(one(served, row), expected, row)
        alone = one(arrays, row)
        assert_same(streaming["tflite"]("recognize_labels", alone), expected, row)
        alone["samples"] = alone["samples"][:, : max(20, length)]
        assert_same(streaming["saved_model"]("recognize", alone), expected, row)


@pytest.mark.parametrize("runtime", ["keras", "saved_model"])
@pytest.mark.parametrize("length", [0, 1, 9, 19])
def test_a_server_hears_less_than_a_step(
    small: Any, streaming: dict[str, Any], runtime: str, length: int
) -> None:
    sound, lengths = np.full([1, length], 0.1, np.float32), np.array([length], np.int32)
    file = io.BytesIO()
    soundfile.write(file, sound[0], small.rate, format="WAV", subtype="PCM_16")
    wav = np.array([file.getvalue()], dtype=object)
    for endpoint, arrays in (
        ("recognize", {"samples": sound, "lengths": lengths}),
        ("recognize_wav", {"wav": wav}),
    ):
        found = streaming[runtime](endpoint, arrays)
        assert found["text"][0, 0] == b""
        assert found["steps"].tolist() == [0]
        assert found["words"].shape == (1, 0)


def test_text_and_words_equal_those_of_the_light_side(
    small: Any,
    streaming: dict[str, Any],
) -> None:
    samples, lengths = small.sounds(900, 0, 400, 2400, seed=3)
    assets = streaming["assets"]
    found = streaming["keras"]("recognize", {"samples": samples, "lengths": lengths})
    expected = after("recognize_labels", found, [""] * 4, assets)
    assert sum(len(e.words) for e in expected) >= 3
    unit = assets.seconds_per_step
    for row, transcript in enumerate(expected):
        texts = [text.decode() for text in found["text"][row]]
        assert texts[: len(transcript.n_best)] == [h.text for h in transcript.n_best]
        spelled = "".join(c.text for c in transcript.characters)
        assert spelled == transcript.text.replace(" ", "")
        for one, next_one in pairwise(transcript.characters):
            assert one.start < one.end <= next_one.start + 1e-6
        words = [w.decode() for w in found["words"][row] if w]
        assert words == [w.text for w in transcript.words]
        assert texts[0] == " ".join(words)
        for n, word in enumerate(transcript.words):
            times = [
                found[f"word_{name}"][row, n] * unit for name in ("starts", "ends")
            ]
            assert times == pytest.approx([word.start, word.end])
            confidence = found["word_confidence"][row, n]
            assert confidence == pytest.approx(word.confidence)
            assert 0 <= word.start < word.end <= transcript.seconds + 1e-6


def test_wav_files_are_heard_like_their_samples(
    small: Any, streaming: dict[str, Any]
) -> None:
    samples, lengths = small.sounds(800, 330, seed=4)
    files, channels = [], []
    for row, length in zip(samples, lengths, strict=True):
        file = io.BytesIO()
        both = np.stack([row[:length], row[:length]], axis=1)
        soundfile.write(file, both, small.rate, format="WAV", subtype="PCM_16")
        files.append(file.getvalue())
        file.seek(0)
        channels.append(soundfile.read(file, dtype="float32")[0][:, 0])
    for row, given in enumerate(channels):
        samples[row, : len(given)] = given
    arrays = {"samples": samples, "lengths": lengths}
    expected = streaming["keras"]("recognize", arrays)
    for runtime in ("keras", "saved_model"):
        wav = {"wav": np.array(files, dtype=object)}
        found = streaming[runtime]("recognize_wav", wav)
        np.testing.assert_array_equal(found["text"], expected["text"])
    file = io.BytesIO()
    soundfile.write(file, samples[0], 2 * small.rate, format="WAV", subtype="PCM_16")
    with pytest.raises(tf.errors.InvalidArgumentError, match="1000 samples a second"):
        streaming["saved_model"](
            "recognize_wav", {"wav": np.array([file.getvalue()], dtype=object)}
        )


def read_stream(
    predictor: Any, sound: np.ndarray, config: Any, state_size: int
) -> np.ndarray:
    """Log-probabilities of the real steps of a sound, read in chunks."""
    size, ahead = config.chunk_samples, config.model.look_ahead
    state, found = np.zeros([1, state_size], np.float32), []
    for start in range(0, len(sound) + ahead * config.step_samples + size, size):
        chunk = sound[start : start + size]
        arrays = {
            "samples": np.pad(chunk, (0, size - len(chunk)))[np.newaxis],
            "lengths": np.array([len(chunk)], np.int32),
            "state": state,
        }
        outputs = predictor("recognize_stream", arrays)
        state = outputs["state"]
        found.append(outputs["log_probs"][0])
    return np.concatenate(found)[ahead : ahead + len(sound) // config.step_samples]


@pytest.mark.parametrize("runtime", ["keras", "saved_model", "tflite"])
@pytest.mark.parametrize("length", [1234, 60, 7, 0])
def test_a_stream_equals_the_whole(
    small: Any, streaming: dict[str, Any], runtime: str, length: int
) -> None:
    config = streaming["assets"].config
    details = streaming["tflite"].signature("recognize_stream")["inputs"]
    state_size = details["state"][1][1]
    samples, lengths = small.sounds(length, seed=5)
    whole = streaming["keras"](
        "recognize_labels", {"samples": samples, "lengths": lengths}
    )
    expected = whole["log_probs"][0, : whole["steps"][0]]
    found = read_stream(streaming[runtime], samples[0, :length], config, state_size)
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_a_bidirectional_model_has_no_stream_and_features_no_wav(small: Any) -> None:
    config = small.config(model={"bidirectional": True, "layers": 1})
    assert set(endpoints(config, *small.recognizer(config))) == {
        "recognize",
        "recognize_labels",
        "recognize_wav",
    }
    config = small.config(frontend={"source": "features", "normalization": "global"})
    assets, model = small.recognizer(config)
    found = endpoints(config, assets, model)
    assert set(found) == {"recognize", "recognize_labels"}
    features = np.random.default_rng(0).normal(size=(2, 30, 6)).astype(np.float32)
    features[1, 12:] = 0
    lengths = np.array([30, 12], np.int32)
    answers = found["recognize"].function(
        features=tf.constant(features), lengths=tf.constant(lengths)
    )
    np.testing.assert_array_equal(answers["steps"], [15, 6])


def test_a_beam_of_one_is_greedy(small: Any, tmp_path: Path) -> None:
    config = small.config(decoding={"beam_size": 1})
    assets, model = small.recognizer(config)
    found = endpoints(config, assets, model)
    files = {"dynamic": tmp_path / "dynamic.tflite"}
    (tmp_path / "scratch").mkdir()
    write_device_files(model, found, files, tmp_path / "scratch")
    samples, lengths = small.sounds(700, seed=6)
    arrays = {"samples": samples, "lengths": lengths}
    answer = LiteRTPredictor(files["dynamic"])("recognize_labels", arrays)
    best = answer["log_probs"][0].argmax(-1)
    changes = np.flatnonzero(np.diff(best, prepend=0))
    expected = [i for i in best[changes] if i]
    assert list(answer["ids"][0, 0, : answer["lengths"][0, 0]]) == expected
