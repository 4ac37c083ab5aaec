from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from nlp_speech.bundle import Bundle
from nlp_speech.errors import UserError
from nlp_speech.runtime import Model, has_tensorflow, load
from nlp_speech.runtime.keras import KerasPredictor
from nlp_speech.runtime.litert import LiteRTPredictor
from nlp_speech.runtime.saved_model import limit_threads

TOY_TASKS = Path(__file__).parents[2] / "toy_tasks"
INPUTS = ["hello", "", "b", "zebra|zebra", "a"]


def _expected(bundle: Path, texts: list[str]) -> list[str]:
    """The toy model in NumPy, from its checkpoint."""
    reader = tf.train.load_checkpoint(str(bundle / "variables" / "variables"))
    shapes = reader.get_variable_to_shape_map()
    by_shape = {tuple(s): reader.get_tensor(n) for n, s in shapes.items() if s}
    assert set(by_shape) == {(28, 4), (4, 28), (28,)}
    letters = "?" + (bundle / "letters.txt").read_text()
    logits = by_shape[28, 4] @ by_shape[4, 28] + by_shape[28,]
    best = logits.argmax(-1)
    return ["".join(letters[best[letters.find(c)]] for c in text) for text in texts]


@pytest.mark.parametrize("runtime", ["keras", "saved_model", "tflite"])
@pytest.mark.parametrize("batch_size", [1, 2, 32])
def test_every_runtime_gives_the_models_answer(
    toy_bundle: Path, runtime: str, batch_size: int
) -> None:
    model = load(toy_bundle, runtime, "float" if runtime == "tflite" else None)
    assert model.runtime == runtime
    found = [r.as_text() for r in model(INPUTS, batch_size=batch_size)]
    assert found == _expected(toy_bundle, INPUTS)


@pytest.mark.parametrize("runtime", ["keras", "saved_model"])
def test_device_endpoint_on_a_server_runtime(toy_bundle: Path, runtime: str) -> None:
    model = load(toy_bundle, runtime)
    found = [r.as_text() for r in model(INPUTS, endpoint="change_ids")]
    assert found == _expected(toy_bundle, INPUTS)


def test_eager_equals_graph(toy_bundle: Path) -> None:
    bundle = Bundle.open(toy_bundle)
    eager = Model(bundle, KerasPredictor.from_bundle(bundle, eager=True))
    for endpoint in ("change", "change_ids"):
        found = [r.as_text() for r in eager(INPUTS, endpoint=endpoint)]
        assert found == _expected(toy_bundle, INPUTS)


@pytest.mark.parametrize("variant", ["dynamic", "float", "float16"])
def test_every_variant_runs(toy_bundle: Path, variant: str) -> None:
    model = load(toy_bundle, "tflite", variant=variant)
    assert model.variant == variant
    assert [len(r.text) for r in model(INPUTS)] == [len(text) for text in INPUTS]


@pytest.mark.parametrize("runtime", ["keras", "saved_model", "tflite"])
def test_no_inputs_no_results(toy_bundle: Path, runtime: str) -> None:
    assert load(toy_bundle, runtime)([]) == []


def test_one_string_is_refused(toy_bundle: Path) -> None:
    with pytest.raises(TypeError, match="give a list"):
        load(toy_bundle, "tflite")("abc")


def test_auto_takes_the_saved_model_where_tensorflow_is(toy_bundle: Path) -> None:
    assert has_tensorflow()
    assert load(toy_bundle).runtime == "saved_model"


def test_auto_takes_the_device_file_elsewhere(
    toy_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nlp_speech.runtime.has_tensorflow", lambda: False)
    assert load(toy_bundle).runtime == "tflite"
    with pytest.raises(UserError, match=r"needs TensorFlow; pip install"):
        load(toy_bundle, "keras")


def test_a_variant_chooses_the_device_file(toy_bundle: Path, tmp_path: Path) -> None:
    """`auto` and a variant mean LiteRT; a server runtime has no variants."""
    assert load(toy_bundle).runtime == "saved_model"
    assert load(toy_bundle, "tflite").variant == "dynamic"
    model = load(toy_bundle, variant="float16")
    assert (model.runtime, model.variant) == ("tflite", "float16")
    with pytest.raises(
        UserError, match="'float' is of a device file and the runtime is keras"
    ):
        load(toy_bundle, "keras", variant="float")
    copy = Bundle.open(shutil.copytree(toy_bundle, tmp_path / "copy"))
    copy.device_file("dynamic").unlink()
    assert copy.usual_variant == "float"


def test_inputs_may_be_paths_and_nothing_else(toy_bundle: Path) -> None:
    model: Any = load(toy_bundle, "tflite")
    [by_path], [by_text] = model([Path("zebra")]), model(["zebra"])
    assert by_path.as_text() == by_text.as_text()
    with pytest.raises(TypeError, match="inputs are strings"):
        model([None])


def test_wrong_arguments(toy_bundle: Path) -> None:
    with pytest.raises(UserError, match="choose one of: auto, keras"):
        load(toy_bundle, "onnx")
    with pytest.raises(UserError, match="choose one of: dynamic"):
        load(toy_bundle, "tflite", variant="int4")
    with pytest.raises(UserError, match="threads must be 1 or more"):
        load(toy_bundle, threads=0)
    with pytest.raises(UserError, match="batch size must be 1 or more"):
        load(toy_bundle, "tflite")(["a"], batch_size=0)


@pytest.mark.parametrize("runtime", ["keras", "saved_model", "tflite"])
def test_unknown_endpoint_names_the_choices(toy_bundle: Path, runtime: str) -> None:
    predictor = load(toy_bundle, runtime).predictor
    with pytest.raises(UserError, match=r"no endpoint 'fly'; it has: .*change_ids"):
        predictor("fly", {})


def test_batches_are_of_like_length_and_in_order(toy_bundle: Path) -> None:
    model = load(toy_bundle, "saved_model")
    seen: list[int] = []
    inner = model.predictor

    class Watching:
        runtime = "saved_model"
        max_batch_size: int | None = 3
        endpoints = inner.endpoints

        def __call__(
            self, endpoint: str, arrays: Mapping[str, np.ndarray]
        ) -> dict[str, np.ndarray]:
            seen.append(len(arrays["text"]))
            return inner(endpoint, arrays)

    texts = ["a" * n for n in (5, 1, 4, 2, 3, 9, 7)]
    results = Model(model.bundle, Watching())(texts, batch_size=100)
    assert seen == [3, 3, 1]
    assert [len(r.text) for r in results] == [5, 1, 4, 2, 3, 9, 7]


def test_threads_share_a_device_file(toy_bundle: Path) -> None:
    model = load(toy_bundle, "tflite", variant="float", threads=2)
    expected = _expected(toy_bundle, INPUTS)
    wrong: list[object] = []

    def work() -> None:
        for _ in range(30):
            found = [r.as_text() for r in model(INPUTS)]
            if found != expected:
                wrong.append(found)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []


def test_bad_device_file_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(b"not a model at all, not even nearly")
    with pytest.raises(UserError, match="LiteRT cannot read this file") as error:
        LiteRTPredictor(path)
    assert "\n" not in str(error.value)


def test_wrong_arrays_for_a_device_file(toy_bundle: Path) -> None:
    predictor = LiteRTPredictor(toy_bundle / "model.tflite")
    with pytest.raises(UserError, match="cannot run 'change_ids' on this input"):
        predictor("change_ids", {"ids": np.zeros([1, 3], np.int32)})


def test_late_threads_are_refused() -> None:
    assert float(tf.reduce_sum(tf.ones(2))) == 2
    limit_threads(None)
    with pytest.raises(UserError, match="before TensorFlow is first used"):
        limit_threads(tf.config.threading.get_intra_op_parallelism_threads() + 3)


def test_load_shows_the_licences(toy_bundle: Path) -> None:
    model = load(toy_bundle, "tflite")
    assert model.license == "Apache-2.0"
    assert model.data_licenses == ("CC0-1.0", "CC BY-NC-SA 4.0")
    assert repr(model) == (
        "<Model toy_letters/1 on tflite dynamic; license: Apache-2.0; licenses of its "
        "data: CC0-1.0, CC BY-NC-SA 4.0>"
    )


DEVICE_PROCESS = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"tensorflow", "keras", "tensorflow_text"}:
            raise ImportError(name + " is blocked")

sys.meta_path.insert(0, Blocked())
import nlp_speech, nlp_speech.tasks
nlp_speech.tasks.__path__ = [*nlp_speech.tasks.__path__, sys.argv[2]]
model = nlp_speech.load(sys.argv[1])
assert model.runtime == "tflite", model.runtime
print([r.as_text() for r in nlp_speech.load(sys.argv[1], variant="float")(["abc", ""])])
assert not any(name.split(".")[0] in {"tensorflow", "keras"} for name in sys.modules)
"""

SERVER_PROCESS = """
import sys
import tensorflow as tf
import tensorflow_text
signature = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
print([t.decode() for t in signature(text=tf.constant(["abc", ""]))["text"].numpy()])
assert not any(name.split(".")[0] == "nlp_speech" for name in sys.modules)
"""


def _run(code: str, *arguments: Path | str, directory: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_git_keeps_no_empty_directory(toy_copy: Path) -> None:
    (toy_copy / "assets").rmdir()
    found = [r.as_text() for r in load(toy_copy, "saved_model")(["abc"])]
    assert found == _expected(toy_copy, ["abc"])


def test_a_device_needs_no_tensorflow(toy_bundle: Path) -> None:
    root = Path(__file__).parents[3]
    found = _run(DEVICE_PROCESS, toy_bundle, TOY_TASKS, directory=root)
    assert found == str(_expected(toy_bundle, ["abc", ""]))


def test_a_server_needs_only_tensorflow(toy_bundle: Path, tmp_path: Path) -> None:
    found = _run(SERVER_PROCESS, toy_bundle, directory=tmp_path)
    assert found == str(_expected(toy_bundle, ["abc", ""]))
