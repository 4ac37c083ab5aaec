"""Every task keeps the promises of `nlp_speech.contract`, with random weights.

Tasks are found, not listed. A new one needs an entry in `SMALL` and its generated
corpus (`nlp-speech new`); every test here then holds for it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from nlp_speech.bundle import Bundle
from nlp_speech.check import look_at
from nlp_speech.config import read_config
from nlp_speech.contract import (
    load_task,
    load_training_task,
    same_answer,
    task_names,
)
from nlp_speech.errors import UserError
from nlp_speech.export import export_bundle
from nlp_speech.export.tflite import operators
from nlp_speech.runtime import answer, load
from nlp_speech.runtime.keras import KerasPredictor
from nlp_speech.runtime.litert import LiteRTPredictor
from nlp_speech.runtime.progressive import growing_answers
from nlp_speech.starter import sample_config, write_sample
from nlp_speech.training import train
from nlp_speech.weights import load_weights, read_arrays, save_weights

ROOT = Path(__file__).parents[2]

# What makes the config of a task's generated corpus small enough for a test.
SMALL: dict[str, list[str]] = {
    "translation": [
        "tokenizer.vocabulary_size=120",
        "model.embedding_units=16",
        "model.units=16",
        "decoding.beam_size=3",
        "decoding.max_source_length=24",
        "decoding.max_length_ratio=0.5",
        "decoding.max_length_offset=4",
    ],
    "speech_recognition": [
        "model.units=12",
        "model.layers=2",
        "decoding.beam_size=3",
        "decoding.labels_per_step=4",
    ],
    "sentiment": [
        "tokenizer.vocabulary_size=120",
        "model.embedding_units=16",
        "model.units=16",
        "model.layers=2",
        # Most inputs are longer.
        "model.window=8",
    ],
    "summarization": [
        "tokenizer.vocabulary_size=160",
        "model.embedding_units=16",
        "model.units=16",
        "decoding.max_length=12",
        # Some inputs are longer.
        "decoding.max_source_length=90",
    ],
    "language_model": [
        "tokenizer.vocabulary_size=80",
        "model.embedding_units=16",
        "model.units=12",
        "model.layers=2",
        "model.sampled=32",
        # Most inputs are longer.
        "model.window=8",
    ],
}
# Inputs that say nothing.
BLANK = ["", " ", "\t\u3000"]
BLANK_OF = {
    "speech_recognition": [f"generated:silence:{seconds}" for seconds in (0, 0.01, 0.5)]
}


@dataclass
class Exported:
    """A task with random weights, live and as a bundle."""

    task: Any
    training_task: Any
    config: Any
    assets: Any
    model: keras.Model
    bundle: Bundle
    inputs: Sequence[str]

    def run(self, predictor: Any, inputs: Sequence[str], **options: Any) -> list[Any]:
        options.setdefault("endpoint", self.task.DEVICE_ENDPOINT)
        return answer(self.task, self.assets, predictor, inputs, **options)

    def keras(self, model: keras.Model, eager: bool = False) -> KerasPredictor:
        endpoints = self.training_task.endpoints(self.config, self.assets, model)
        return KerasPredictor(endpoints, eager)

    @property
    def blank(self) -> list[str]:
        return BLANK_OF.get(self.task.NAME, BLANK)

    def size(self, given: str) -> int:
        """How much the device endpoint is given for an input."""
        arrays = self.task.before(self.task.DEVICE_ENDPOINT, [given], self.assets)
        return max(array.size for array in arrays.values())

    @cached_property
    def live(self) -> KerasPredictor:
        return self.keras(self.model)


@pytest.fixture(scope="module", params=task_names())
def exported(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Exported:
    name = request.param
    assert name in SMALL, f"say in SMALL how to make the task {name!r} small"
    directory = tmp_path_factory.mktemp(name)
    data = write_sample(name, directory / "data")
    file = directory / "config.yaml"
    file.write_text(sample_config(name, data), encoding="utf-8")
    overrides = [*SMALL[name], "export.quantize=[float, float16, dynamic]"]
    task, training_task = load_task(name), load_training_task(name)
    if task.TEXT_ENDPOINT is not None:
        overrides.append("export.text_to_text=true")
    config = read_config(file, [*overrides, "export.budget=100"])
    training_task.prepare(config, directory / "learned")
    assets = task.load_assets(config, directory / "learned")
    keras.utils.set_random_seed(1)
    model = training_task.build(config, assets)
    rng = np.random.default_rng(1)
    for weight in model.weights:
        # Larger than the initializers', so that answers differ.
        spread = rng.normal(0, 0.3, weight.shape)
        weight.assign(np.asarray(weight) + spread.astype(np.float32))
    path = export_bundle(
        task, training_task, config, directory / "learned", model, directory / name
    )
    inputs = [text for text in task.samples(config) if text.strip()]
    inputs += task.references(config, "validation")[0][:6]
    bundle = Bundle.open(path)
    return Exported(task, training_task, config, assets, model, bundle, inputs)


def assert_same(found: Sequence[Any], expected: Sequence[Any]) -> None:
    """The same texts, and numbers that differ by no more than rounding."""
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert same_answer(a, b), (a, b)
    for a, b in zip(found, expected, strict=True):
        assert_close(a.as_dict(), b.as_dict())


def assert_close(found: Any, expected: Any) -> None:
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            assert_close(found[key], value)
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            assert_close(a, b)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-3, abs=1e-4)
    else:
        assert found == expected


def different(results: Sequence[Any]) -> int:
    """How many different answers there are, their numbers included."""
    return len({json.dumps(r.as_dict()) for r in results})


def test_a_look_at_good_data_finds_no_error(exported: Exported) -> None:
    for quick in (True, False):
        report = look_at(exported.config, quick)
        assert report.errors == 0, report.lines()


def test_answers_depend_on_the_input(exported: Exported) -> None:
    results = exported.run(exported.live, exported.inputs)
    assert different(results) > len(results) // 2


# One meaning in every runtime


def test_eager_equals_graph(exported: Exported) -> None:
    inputs = [*exported.inputs[-2:], exported.blank[0]]
    eager = exported.keras(exported.model, eager=True)
    for endpoint in (exported.task.SERVER_ENDPOINT, exported.task.DEVICE_ENDPOINT):
        found = exported.run(eager, inputs, endpoint=endpoint)
        assert_same(found, exported.run(exported.live, inputs, endpoint=endpoint))


def test_graph_equals_saved_model_equals_device_file(exported: Exported) -> None:
    inputs = [*exported.inputs, *exported.blank]
    expected = exported.run(exported.live, inputs)
    server = load(exported.bundle, "saved_model")
    assert_same(server(inputs), expected)
    assert_same(server(inputs, endpoint=exported.task.DEVICE_ENDPOINT), expected)
    device = load(exported.bundle, "tflite", "float")
    assert_same(device(inputs), expected)


@pytest.mark.parametrize("variant", ["float16", "dynamic"])
def test_a_quantized_file_answers_everything(exported: Exported, variant: str) -> None:
    inputs = [*exported.inputs, *exported.blank]
    found = load(exported.bundle, "tflite", variant)(inputs)
    assert different(found) > len(exported.inputs) // 2
    expected = load(exported.bundle, "tflite", "float")(exported.blank)
    blank = [r.as_text() for r in found[-len(exported.blank) :]]
    assert blank == [r.as_text() for r in expected]


# Rows are independent


def test_batch_composition_changes_no_answer(exported: Exported) -> None:
    inputs = [*exported.inputs, *exported.blank]
    predictor = load(exported.bundle, "saved_model").predictor
    for endpoint in (exported.task.SERVER_ENDPOINT, exported.task.DEVICE_ENDPOINT):
        alone = exported.run(predictor, inputs, endpoint=endpoint, batch_size=1)
        together = exported.run(
            predictor, inputs, endpoint=endpoint, batch_size=len(inputs)
        )
        turned = exported.run(
            predictor, inputs[::-1], endpoint=endpoint, batch_size=len(inputs)
        )
        assert_same(together, alone)
        assert_same(turned[::-1], alone)


def test_padding_changes_no_answer(exported: Exported) -> None:
    task, endpoint = exported.task, exported.task.DEVICE_ENDPOINT
    longest = max(exported.inputs, key=exported.size)
    device = LiteRTPredictor(exported.bundle.device_file("float"))
    texts = sorted(exported.inputs, key=exported.size)
    for predictor in (device, exported.live):
        for text in [exported.blank[0], *texts[:4]]:
            batch = task.before(endpoint, [text, longest], exported.assets)
            padded = {name: array[:1] for name, array in batch.items()}
            bare = task.before(endpoint, [text], exported.assets)
            assert any(padded[n].shape != bare[n].shape for n in bare)
            outputs = predictor(endpoint, padded)
            found = task.after(endpoint, outputs, [text], exported.assets)
            assert_same(found, exported.run(predictor, [text]))


def test_a_blank_input_is_legal(exported: Exported) -> None:
    predictor = exported.live
    for endpoint in (exported.task.SERVER_ENDPOINT, exported.task.DEVICE_ENDPOINT):
        for inputs in (exported.blank, exported.blank[:1], []):
            found = exported.run(predictor, inputs, endpoint=endpoint)
            assert len(found) == len(inputs)
            for result in found:
                assert isinstance(result.as_text(), str)
                assert "NaN" not in json.dumps(result.as_dict())


# Saving


def test_save_equals_reload(exported: Exported, tmp_path: Path) -> None:
    expected = exported.run(exported.live, exported.inputs)
    again = exported.training_task.build(exported.config, exported.assets)
    pairs = zip(again.get_weights(), exported.model.get_weights(), strict=True)
    assert not any(np.array_equal(a, b) for a, b in pairs)
    save_weights(exported.model, tmp_path / "weights.npz")
    load_weights(again, tmp_path / "weights.npz")
    assert_same(exported.run(exported.keras(again), exported.inputs), expected)
    restored = KerasPredictor.from_bundle(exported.bundle)
    assert_same(exported.run(restored, exported.inputs), expected)


@pytest.mark.parametrize("runtime", ["saved_model", "tflite"])
def test_an_answer_that_grows(exported: Exported, runtime: str) -> None:
    model = load(exported.bundle, runtime, "float" if runtime == "tflite" else None)
    endpoint = exported.task.EXTRAS.partial_endpoint
    if endpoint is None:
        with pytest.raises(UserError, match="come at once"):
            list(growing_answers(model, exported.inputs[0]))
        return
    steps = []
    for given in exported.inputs[:4]:
        steps.append(len(list(growing_answers(model, given, 1))))
        arrays = exported.task.before(endpoint, [given], exported.assets)
        for most in (1, 2, 5):
            found = model.predictor(
                endpoint, {**arrays, "most": np.array([most], np.int32)}
            )
            assert found["lengths"].max() <= most
        # What is not stopped is the answer.
        found = model.predictor(
            endpoint, {**arrays, "most": np.array([1000], np.int32)}
        )
        [whole] = exported.task.after(endpoint, found, [given], exported.assets)
        assert whole == model([given], endpoint=exported.task.DEVICE_ENDPOINT)[0]
    assert max(steps) > 3


def test_a_task_trains_in_half_precision(exported: Exported, tmp_path: Path) -> None:
    changes = {"precision": "mixed_bfloat16", "updates": 2, "evaluate_every": 2}
    section = exported.config.training.model_copy(
        update={**changes, "warmup_updates": 0, "average_best": 1}
    )
    config = exported.config.model_copy(update={"training": section})
    weights = train(exported.task, exported.training_task, config, tmp_path / "run")
    assert {w.dtype for w in read_arrays(weights).values()} == {np.dtype(np.float32)}
    [record] = [
        json.loads(line)
        for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    ]
    assert np.isfinite(record["loss"])
    assert np.isfinite(record[exported.task.METRIC])


def test_device_files_hold_built_in_operations_only(exported: Exported) -> None:
    for variant in ("dynamic", "float", "float16"):
        found = operators(exported.bundle.device_file(variant).read_bytes())
        assert found
        assert not {o for o in found if o.startswith(("CUSTOM", "Flex"))}
        assert not found & {"READ_VARIABLE", "ASSIGN_VARIABLE", "VAR_HANDLE"}
        # These would keep a state from call to call.
        assert not {o for o in found if o.endswith(("SEQUENCE_LSTM", "SEQUENCE_RNN"))}


def test_a_text_to_text_file_says_what_the_file_of_ids_says(exported: Exported) -> None:
    if exported.task.TEXT_ENDPOINT is None:
        assert "text" not in exported.bundle.variants
        return
    inputs = [*exported.inputs, *exported.blank]
    by_text = load(exported.bundle, "tflite", "text")(inputs)
    by_ids = load(exported.bundle, "tflite", "dynamic")(inputs)
    assert_same(by_text, by_ids)


# The light side

LIGHT = """
import json, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"tensorflow", "keras", "tensorflow_text"}:
            raise ImportError(name + " is blocked")

sys.meta_path.insert(0, Blocked())
import nlp_speech
from nlp_speech.contract import load_task, task_names

for name in task_names():
    task = load_task(name)
    assert task.NAME == name
    assert task.Config.model_fields["task"].default == name
    assert task.SERVER_ENDPOINT != task.DEVICE_ENDPOINT
path, inputs = sys.argv[1], json.loads(sys.argv[2])
model = nlp_speech.load(path, variant="float")
print(json.dumps([r.as_text() for r in model(inputs)]))
assert not {"tensorflow", "keras"} & {name.split(".")[0] for name in sys.modules}
"""


def test_the_light_side_needs_no_tensorflow(exported: Exported) -> None:
    words = [str(exported.bundle.path), json.dumps(exported.inputs)]
    done = subprocess.run(
        [sys.executable, "-c", LIGHT, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    expected = load(exported.bundle, "tflite", "float")(exported.inputs)
    assert json.loads(done.stdout) == [r.as_text() for r in expected]
