"""The light side: config, inputs, results and references."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from nlp_speech.audio.features import FrontEnd, Statistics
from nlp_speech.errors import UserError
from nlp_speech.tasks import speech_recognition as task
from nlp_speech.tasks.speech_recognition.alignment import steps_needed
from nlp_speech.tasks.speech_recognition.config import SpeechRecognitionConfig
from nlp_speech.tasks.speech_recognition.utterances import utterances
from nlp_speech.text.labels import Characters


def parse(values: dict[str, Any]) -> SpeechRecognitionConfig:
    return SpeechRecognitionConfig.model_validate_json(json.dumps(values))


def assets(config: SpeechRecognitionConfig) -> task.Assets:
    return task.Assets(config, Characters("ab "), FrontEnd(config.frontend))


# The config


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"frontend": {"n_fft": 400}}, "take 64"),
        ({"frontend": {"source": "features"}}, "give every split as features"),
        ({"data": {"validation": [{}]}}, "either manifest or features"),
        ({"data": {"validation": [{"manifest": "a", "features": "b"}]}}, "either"),
        ({"data": {"validation": [{"manifest": "a", "fold": [3]}]}}, "from 0 to 0"),
        (
            {"data": {"validation": [{"manifest": "a", "join": {"count": 1}}]}}
            | {"model": {"layers": 0}},
            "greater",
        ),
    ],
)
def test_a_wrong_config(
    values: dict[str, Any], change: dict[str, Any], words: str
) -> None:
    for section, keys in change.items():
        values[section] |= keys
    with pytest.raises(ValidationError, match=words):
        parse(values)


def test_features_are_not_augmented_as_samples(values: dict[str, Any]) -> None:
    values["data"] = {
        "train": [{"features": "a.npz"}],
        "validation": [{"features": "b.npz"}],
    }
    values["frontend"] = {"source": "features"}
    assert not parse(values).streams
    values["augmentation"] = {"speed": [0.9]}
    with pytest.raises(ValidationError, match="need samples"):
        parse(values)


# What goes in


def test_samples_are_padded(config: SpeechRecognitionConfig, folder: Path) -> None:
    inputs = [str(folder / "0.wav"), "generated:noise:0.1", "generated:silence:0"]
    arrays = task.before(task.DEVICE_ENDPOINT, inputs, assets(config))
    assert arrays["samples"].shape == (3, 1200)
    assert arrays["samples"].dtype == np.float32
    assert arrays["lengths"].tolist() == [1200, 200, 0]
    assert not arrays["samples"][1, 200:].any()
    # There is always something for a device to run on: a step of the model.
    alone = task.before(task.DEVICE_ENDPOINT, inputs[2:], assets(config))
    assert alone["samples"].shape == (1, 40)
    none = task.before(task.DEVICE_ENDPOINT, [], assets(config))
    assert none["samples"].shape == (0, 40)


def test_a_long_sound_is_read_in_part(values: dict[str, Any], folder: Path) -> None:
    config = parse({**values, "decoding": {"max_seconds": 0.25}})
    arrays = task.before(task.DEVICE_ENDPOINT, [str(folder / "0.wav")], assets(config))
    assert arrays["lengths"].tolist() == [500]


def test_bad_inputs_are_sentences(
    config: SpeechRecognitionConfig, folder: Path
) -> None:
    (folder / "text.wav").write_text("no sound")
    for given, words in (
        (str(folder), "directory"),
        (str(folder / "none.wav"), "no such file"),
        (str(folder / "text.wav"), "no sound file"),
        ("", "an empty name"),
        ("generated:bell", "generated:tone"),
    ):
        with pytest.raises(UserError, match=words):
            task.before(task.DEVICE_ENDPOINT, [given], assets(config))


# What comes out


def outputs(ids: list[int], starts: list[int], ends: list[int]) -> dict[str, Any]:
    count = len(ids)
    return {
        "ids": np.array([[[*ids, 0], [0] * (count + 1)]]),
        "lengths": np.array([[count, 0]]),
        "score": np.array([[-0.5, -1e9]]),
        "starts": np.array([[*starts, 0]]),
        "ends": np.array([[*ends, 0]]),
        "confidence": np.array([[*np.linspace(0.9, 0.5, count), 0]]),
        "log_probs": np.zeros([1, 30, 4]),
        "steps": np.array([25]),
    }


def test_words_have_times(config: SpeechRecognitionConfig) -> None:
    # Labels: 1 is the space, 2 is a, 3 is b; a step is 2 frames of 10 ms.
    given = outputs([2, 3, 1, 3, 2], [1, 3, 5, 8, 9], [3, 4, 6, 9, 12])
    [found] = task.after("", given, ["x"], assets(config))
    assert found.as_text() == "ab ba"
    assert [w.text for w in found.words] == ["ab", "ba"]
    times = [(w.start, w.end, w.confidence) for w in found.words]
    np.testing.assert_allclose(times, [(0.02, 0.08, 0.8), (0.16, 0.24, 0.5)])
    assert [h.text for h in found.n_best] == ["ab ba"]
    assert found.log_probs is not None
    assert found.log_probs.shape == (25, 4)
    assert found.seconds == pytest.approx(0.5)
    assert found.warning() is None
    json.dumps(found.as_dict())


def test_an_empty_answer(config: SpeechRecognitionConfig) -> None:
    [found] = task.after("", outputs([], [], []), ["x"], assets(config))
    assert (found.text, found.words) == ("", ())


def test_a_full_answer_warns(values: dict[str, Any]) -> None:
    config = parse({**values, "decoding": {"max_seconds": 0.5}})
    [found] = task.after("", outputs([2], [0], [1]), ["x"], assets(config))
    assert "in part" in str(found.warning())


def test_scores_are_error_rates(config: SpeechRecognitionConfig) -> None:
    answers = [task.Transcript("a b c d", 0.0), task.Transcript("b", 0.0)]
    values, signatures = task.score(answers, ["a x c d", "b"])
    assert values["wer"] == pytest.approx(20)
    assert values["cer"] == pytest.approx(12.5)
    assert signatures.keys() == values.keys()


# References


def test_references(config: SpeechRecognitionConfig, folder: Path) -> None:
    inputs, texts = task.references(config, "validation")
    assert inputs == [str(folder / "4.wav"), str(folder / "5.wav")]
    assert texts == ["ab ab", "ba"]
    inputs, _ = task.references(config, "", [folder / "m.tsv"])
    assert len(inputs) == 6
    with pytest.raises(UserError, match="choose one of: validation"):
        task.references(config, "test")
    with pytest.raises(UserError, match="one manifest"):
        task.references(config, "", [folder / "m.tsv"] * 2)


def test_case_is_the_vocabularys(values: dict[str, Any]) -> None:
    config = parse({**values, "vocabulary": {"case": "upper"}})
    assert task.references(config, "validation")[1] == ["AB AB", "BA"]


def test_joined_strings(values: dict[str, Any]) -> None:
    join = {"count": 20, "clips": [1, 2], "pause": [0.1, 0.2]}
    values["data"]["train"][0]["join"] = join
    section = parse(values).data.train[0]
    found = utterances(section)
    assert [u.input for u in found] == [u.input for u in utterances(section, 1)]
    for utterance in found:
        array = task.read_sound(utterance.input, 2000)
        words = utterance.text.split(" ")
        assert len(array) in range(1200, 1201) or 2600 <= len(array) <= 2800
        assert utterance.speaker in ("ann", "bob")
        assert words
    join["fresh"] = True
    section = parse(values).data.train[0]
    fresh = [[u.input for u in utterances(section, n)] for n in range(2)]
    assert fresh[0] != fresh[1]


def test_joined_files_are_joined_again(values: dict[str, Any], folder: Path) -> None:
    manifest = folder / "m.tsv"
    row = '["0.wav", 0.1, "1.wav"]\tab b a\tann\ttrain\n'
    manifest.write_text(manifest.read_text().splitlines()[0] + "\n" + row * 4)
    values["data"]["train"][0]["join"] = {"count": 2, "clips": [2, 2]}
    for utterance in utterances(parse(values).data.train[0]):
        assert utterance.text == "ab b a ab b a"
        assert len(task.read_sound(utterance.input, 2000)) > 1200


def test_assets_are_what_was_learned(
    config: SpeechRecognitionConfig, tmp_path: Path
) -> None:
    Characters("ab ").save(tmp_path / task.LABELS_FILE)
    Statistics.neutral(6).save(tmp_path / task.STATISTICS_FILE)
    found = task.load_assets(config, tmp_path)
    assert found.labels.symbols == ("", " ", "a", "b")
    assert found.seconds_per_step == pytest.approx(0.02)


def test_samples_can_be_read(config: SpeechRecognitionConfig) -> None:
    given = task.samples(config)
    arrays = task.before(task.SERVER_ENDPOINT, given, assets(config))
    assert len(arrays["lengths"]) == len(given)
    assert 0 in arrays["lengths"]


@pytest.mark.parametrize(
    ("labels", "steps"), [([], 0), ([1], 1), ([1, 2], 2), ([1, 1, 1, 2, 2], 8)]
)
def test_steps_needed(labels: list[int], steps: int) -> None:
    assert steps_needed(labels) == steps
