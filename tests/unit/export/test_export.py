from __future__ import annotations

import errno
import json
import os
import shlex
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import yaml

from nlp_speech import export
from nlp_speech.bundle import FORMAT_VERSION, Bundle, file_digests, sha256
from nlp_speech.config import read_config
from nlp_speech.contract import Endpoint
from nlp_speech.errors import UserError
from nlp_speech.export import provenance, record_scores
from nlp_speech.export.card import model_card
from nlp_speech.export.card_code import rest_request
from nlp_speech.export.saved_model import trackables
from nlp_speech.export.tflite import check_operators, convert_bundle, operators
from nlp_speech.run_files import data_digests

ExportToy = Callable[..., Path]


def _nothing_left(destination: Path) -> bool:
    return not destination.exists()


def test_versions_are_the_next_whole_numbers(
    export_toy: ExportToy, tmp_path: Path
) -> None:
    (tmp_path / "toy_letters" / "7").mkdir(parents=True)
    (tmp_path / "toy_letters" / "notes").mkdir()
    assert export_toy().name == "8"
    names = sorted(p.name for p in (tmp_path / "toy_letters").iterdir())
    assert names == ["7", "8", "notes"]


def test_layout(toy_bundle: Path) -> None:
    names = {p.relative_to(toy_bundle).as_posix() for p in toy_bundle.rglob("*")}
    assert names == {
        "README.md",
        "assets",
        "config.yaml",
        "fingerprint.pb",
        "letters.txt",
        "metrics.json",
        "model.tflite",
        "model.float.tflite",
        "model.float16.tflite",
        "samples.jsonl",
        "saved_model.pb",
        "variables",
        "variables/variables.data-00000-of-00001",
        "variables/variables.index",
    }
    assert list(toy_bundle.parent.iterdir()) == [toy_bundle]
    assert os.access(toy_bundle, os.R_OK | os.X_OK)


def test_variables_are_saved_once(toy_bundle: Path) -> None:
    reader = tf.train.load_checkpoint(str(toy_bundle / "variables" / "variables"))
    shapes = [tuple(s) for s in reader.get_variable_to_shape_map().values() if s]
    # Neither the state of dropout nor a second copy.
    assert sorted(shapes) == [(4, 28), (28,), (28, 4)]


def test_description(toy_bundle: Path) -> None:
    metrics = json.loads((toy_bundle / "metrics.json").read_text())
    assert metrics["format_version"] == FORMAT_VERSION
    assert metrics["task"] == "toy"
    assert metrics["parameters"] == 28 * 4 + 4 * 28 + 28
    assert metrics["seed"] == 1
    assert metrics["versions"]["tensorflow"] == tf.__version__
    assert metrics["name"] == "toy_letters"
    assert metrics["weights"]["embed/embeddings"] == [28, 4]
    assert metrics["verification"]["ok"] is True
    assert metrics["files"] == file_digests(toy_bundle)
    assert "README.md" not in metrics["files"]
    expected = {
        "inputs": {"ids": ["int32", [1, -1]], "lengths": ["int32", [1]]},
        "outputs": {"ids": ["int32", [1, -1]], "score": ["float32", [1]]},
    }
    assert metrics["device"] == {"change_ids": expected}
    assert metrics["server"]["change"]["inputs"] == {"text": ["string", [-1]]}
    assert set(metrics["server"]) == {"change", "change_ids"}


def test_device_files_hold_only_built_in_operations(toy_bundle: Path) -> None:
    for path in toy_bundle.glob("*.tflite"):
        found = operators(path.read_bytes())
        assert {"GATHER", "FULLY_CONNECTED", "ARG_MAX"} & found
        check_operators(path.read_bytes(), path.name)


def test_flex_and_unread_variables_are_refused() -> None:
    variable = tf.Variable(tf.ones([3]))

    @tf.function(input_signature=[tf.TensorSpec([3], tf.float32)])
    def with_flex(x: tf.Tensor) -> tf.Tensor:
        return tf.linalg.cholesky(tf.linalg.diag(x))

    @tf.function(input_signature=[tf.TensorSpec([3], tf.float32)])
    def with_variable(x: tf.Tensor) -> tf.Tensor:
        variable.assign_add(x)
        return variable.read_value()

    cases: Any = [(with_flex, "FlexCholesky"), (with_variable, "VARIABLE")]
    for function, name in cases:
        owner = tf.Module()
        owner.variable = variable  # pyright: ignore[reportAttributeAccessIssue]
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [function.get_concrete_function()], owner
        )
        converter.target_spec.supported_ops = [
            tf.lite.OpsSet.TFLITE_BUILTINS,
            tf.lite.OpsSet.SELECT_TF_OPS,
        ]
        converter.experimental_enable_resource_variables = True
        content = converter.convert()
        with pytest.raises(UserError, match=rf"spoiled\.tflite: .*{name}"):
            check_operators(content, "spoiled.tflite")


def test_an_endpoint_that_does_not_convert(
    export_toy: ExportToy, tmp_path: Path
) -> None:
    def change(endpoints: dict[str, Endpoint]) -> dict[str, Endpoint]:
        old = endpoints["change_ids"]

        def odd(ids: Any, lengths: Any) -> dict[str, Any]:
            found = old.function(ids, lengths)
            square = tf.linalg.diag(0 * found["score"] + 1)
            return found | {"score": tf.linalg.cholesky(square)[:, 0]}

        new = Endpoint(odd, old.signature, old.device_signature)
        return endpoints | {"change_ids": new}

    with pytest.raises(
        UserError, match=r"change_ids do not convert.*Cholesky"
    ) as error:
        export_toy(endpoints=change)
    assert "\n" not in str(error.value)
    assert _nothing_left(tmp_path / "toy_letters")


def test_a_bundle_that_fails_verification_is_not_put_in_place(
    export_toy: ExportToy, tmp_path: Path
) -> None:
    def change(endpoints: dict[str, Endpoint]) -> dict[str, Endpoint]:
        old = endpoints["change_ids"]

        def odd(ids: Any, lengths: Any) -> dict[str, Any]:
            found = old.function(ids, lengths)
            return found | {"ids": 27 - found["ids"]}

        new = Endpoint(odd, old.signature, old.device_signature)
        return endpoints | {"change_ids": new}

    (tmp_path / "toy_letters" / "1").mkdir(parents=True)
    with pytest.raises(
        UserError, match=r"not put in place: saved_model change_ids"
    ) as e:
        export_toy(endpoints=change)
    assert "answers input 1 'abc' with" in str(e.value)
    assert [p.name for p in (tmp_path / "toy_letters").iterdir()] == ["1"]


OS_FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
TF_FULL = tf.errors.ResourceExhaustedError(None, None, "x; No space left on device")


@pytest.mark.parametrize(
    ("place", "error"),
    [
        ("write_saved_model", TF_FULL),
        ("write_device_files", OS_FULL),
        ("model_card", OS_FULL),
    ],
)
def test_a_full_disk_leaves_nothing(
    export_toy: ExportToy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    error: Exception,
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(f"nlp_speech.export.{place}", fail)
    with pytest.raises(UserError, match=r"No space left on device.*nothing was put"):
        export_toy()
    assert _nothing_left(tmp_path / "toy_letters")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("a fault")])
def test_any_other_end_leaves_nothing(
    export_toy: ExportToy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr("nlp_speech.export.verify_bundle", fail)
    (tmp_path / "toy_letters" / "3").mkdir(parents=True)
    with pytest.raises(type(error)):
        export_toy()
    assert [p.name for p in (tmp_path / "toy_letters").iterdir()] == ["3"]


def test_a_real_file_in_the_way(export_toy: ExportToy, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="could not be written"):
        export_toy(destination=tmp_path / "file" / "bundle")


def test_two_exports_at_once_get_two_numbers(tmp_path: Path) -> None:
    from nlp_speech.export import _put_in_place

    sources = [tmp_path / f"source{n}" for n in range(8)]
    (tmp_path / "b").mkdir()
    for source in sources:
        source.mkdir()
        (source / "file").write_text(source.name)
    workers = [
        threading.Thread(target=_put_in_place, args=(s, tmp_path / "b"))
        for s in sources
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    found = {p.name: (p / "file").read_text() for p in (tmp_path / "b").iterdir()}
    assert set(found) == {str(n) for n in range(1, 9)}
    assert set(found.values()) == {s.name for s in sources}


def test_assets_may_not_hide_a_bundles_file(
    toy_tasks: None, tmp_path: Path, export_toy: ExportToy
) -> None:
    (tmp_path / "learned").mkdir()
    (tmp_path / "learned" / "metrics.json").touch()
    with pytest.raises(UserError, match=r"metrics\.json: a task's asset must be"):
        export_toy()
    assert _nothing_left(tmp_path / "toy_letters")


def test_text_to_text_is_refused_and_not_ignored(
    export_toy: ExportToy, tmp_path: Path, toy_tasks: None
) -> None:
    from nlp_speech.contract import load_task

    config = load_task("toy").Config.model_validate({"export": {"text_to_text": True}})
    with pytest.raises(UserError, match=r"export\.text_to_text"):
        export_toy(config=config)
    assert _nothing_left(tmp_path / "toy_letters")


def test_data_files_are_hashed(
    export_toy: ExportToy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "letters.txt").write_text("some data")
    monkeypatch.setenv("NLP_SPEECH_DATA", str(tmp_path))
    metrics = Bundle.open(export_toy()).metrics
    assert metrics["data"] == {"letters.txt": sha256(tmp_path / "letters.txt")}


def test_texts_of_a_language_model_are_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config: Any = read_config(
        Path(__file__).parents[3] / "configs/speech_recognition/english.yaml"
    )
    text = tmp_path / config.language.text[0].file
    text.parent.mkdir()
    text.write_text("Hello.\tHallo.\n")
    monkeypatch.setenv("NLP_SPEECH_DATA", str(tmp_path))
    assert data_digests(config) == {config.language.text[0].file: sha256(text)}


def test_a_version_of_a_bundle_is_no_place_for_another(
    export_toy: ExportToy,
) -> None:
    first = export_toy()
    with pytest.raises(UserError, match="is a version of a bundle; give the directory"):
        export_toy(destination=first)
    assert sorted(path.name for path in first.parent.iterdir()) == ["1"]


def test_default_variant_only(export_toy: ExportToy, toy_tasks: None) -> None:
    from nlp_speech.contract import load_task

    path = export_toy(config=load_task("toy").Config(), data={"x": "ab"})
    assert Bundle.open(path).metrics["data"] == {"x": "ab"}
    assert Bundle.open(path).variants == ("dynamic",)
    checked = [
        c["variant"] for c in Bundle.open(path).metrics["verification"]["checks"]
    ]
    assert "float" in checked


def test_a_variant_is_made_again_on_demand(toy_bundle: Path, tmp_path: Path) -> None:
    bundle = Bundle.open(toy_bundle)
    files = convert_bundle(bundle, ["float", "float16"], tmp_path)
    assert [p.name for p in sorted(tmp_path.iterdir())] == [
        "model.float.tflite",
        "model.float16.tflite",
    ]
    from nlp_speech.runtime import Model
    from nlp_speech.runtime.litert import LiteRTPredictor

    again = Model(bundle, LiteRTPredictor(files["float"]))(["abc"])
    shipped = Model(bundle, LiteRTPredictor(bundle.device_file("float")))(["abc"])
    assert again == shipped


def test_the_card_tells_use_limits_scores_licences_and_contract(
    toy_bundle: Path,
) -> None:
    card = (toy_bundle / "README.md").read_text()
    front = yaml.safe_load(card.split("---")[1])
    assert front["license"] == "Apache-2.0"
    assert front["data_licenses"] == ["CC0-1.0", "CC BY-NC-SA 4.0"]
    for text in (
        "# Toy letters",
        "No capital letters.",
        "CC BY-NC-SA 4.0",
        'nlp_speech.load("saved_models/toy_letters")',
        "a\\|b",
        "`change_ids`: Another letter for each one.",
        "| `change_ids` | in | `ids` | int32 | [1, -1] |",
        "| `change` | in | `text` | string | [-1] |",
        "4 of 4",
        'GetSignatureRunner("change_ids")',
        'ResizeInputTensor("ids", {1, n})',
        "Not measured; `nlp-speech evaluate BUNDLE --record` writes them here.",
    ):
        assert text in card


def test_the_cards_python_examples_run(
    toy_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = (toy_bundle / "README.md").read_text()
    monkeypatch.chdir(toy_bundle)
    server: dict[str, Any] = {}
    device: dict[str, Any] = {}
    blocks = card.split("```python\n")[2:]
    for block, names in zip(blocks, (server, device), strict=True):
        exec(block.split("```")[0], names)
    assert server["outputs"]["text"].shape[0] == 1
    assert device["outputs"]["ids"].shape == (1, 9)
    assert np.isfinite(device["outputs"]["score"]).all()


def test_the_cards_request_is_one_for_the_server(toy_bundle: Path) -> None:
    card = (toy_bundle / "README.md").read_text()
    [commands] = card.split("```sh\n")[1:]
    run = shlex.split(commands.split("```")[0], comments=True)
    assert "MODEL_NAME=toy_letters" in run
    assert "localhost:8501/v1/models/toy_letters:predict" in run
    request = json.loads(run[-1])
    server: Any = tf.saved_model.load(str(toy_bundle))
    function = server.signatures[request["signature_name"]]
    given = {name: tf.constant(value) for name, value in request["inputs"].items()}
    assert given["text"].numpy().tolist() == [b"abc"]
    assert function(**given)["text"].shape[0] == 1


def test_scores_are_recorded_in_bundle_and_card(toy_copy: Path) -> None:
    result = {
        "runtime": "saved_model",
        "examples": 2,
        "metrics": {"accuracy": 12.345},
        "signatures": {"accuracy": "toy|v1"},
    }
    bundle = record_scores(Bundle.open(toy_copy), "test", result)
    assert bundle.metrics["metrics"] == {"test": result}
    card = (toy_copy / "README.md").read_text()
    assert "| test | 2 | saved_model | accuracy | 12.3" in card
    assert "- accuracy: `toy|v1`" in card
    assert card == model_card(bundle)
    assert not list(toy_copy.glob(".*"))


def test_scores_of_others_and_words_of_people_stay(toy_copy: Path) -> None:
    result = {"examples": 2, "runtime": "tflite", "metrics": {}, "signatures": {}}
    card = toy_copy / "README.md"
    card.write_text(card.read_text().replace("No capital", "Hardly any capital"))
    one, other = Bundle.open(toy_copy), Bundle.open(toy_copy)
    record_scores(one, "first", result)
    found = record_scores(other, "second", result)
    assert set(found.metrics["metrics"]) == {"first", "second"}
    assert "Hardly any capital" in card.read_text()
    card.write_text("My own card.\n")
    record_scores(other, "third", result | {"metrics": {"accuracy": 50.0}})
    assert card.read_text().startswith("My own card.\n\n## Scores\n")


def test_trackables_finds_what_a_function_holds() -> None:
    from functools import partial

    class Owner(tf.Module):
        def method(self, x: int) -> int:
            return x

    owner, other = Owner(), tf.Module()

    def closure(x: int, extra: Any = None) -> Any:
        return other, owner.method(x), extra

    def unset() -> None:
        def inner() -> object:
            return later

        assert list(trackables(inner)) == []
        later = other
        assert list(trackables(inner)) == [other]

    unset()
    assert list(trackables(owner.method)) == [owner]
    assert set(trackables(partial(closure, extra=3))) == {owner, other}
    assert list(trackables(len)) == []


def test_json_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    content = {
        "a": [1, -2, 3],
        "b": "[\n1\n]",
        "c": [[1, 2], []],
        "d": ["x"],
        "é": None,
    }
    provenance.write_json(path, content)
    assert json.loads(path.read_text()) == content
    assert '"a": [1, -2, 3]' in path.read_text()
    with pytest.raises(TypeError):
        provenance.write_json(path, {"a": object()})
    assert json.loads(path.read_text()) == content
    assert list(tmp_path.iterdir()) == [path]


def test_commit_is_a_hash_or_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import subprocess

    import nlp_speech

    monkeypatch.setattr(nlp_speech, "__file__", str(tmp_path / "__init__.py"))
    assert provenance.git_commit() is None
    (tmp_path / "bundle.py").write_text("1")

    def git(*words: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        command = ["git", *identity, *words]
        return subprocess.run(
            command, cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout.strip()

    git("init", "-q")
    git("add", "bundle.py")
    assert provenance.git_commit() is None
    git("commit", "-q", "-m", "x")
    git("tag", "v1")
    head = git("rev-parse", "HEAD")
    assert provenance.git_commit() == head
    (tmp_path / "bundle.py").write_text("2")
    assert provenance.git_commit() == f"{head}-dirty"


def test_the_cards_request_quotes_a_name() -> None:
    name = 'my "big" model \u00fc'
    text = rest_request(name, "change", {"inputs": {}}, "")
    run = shlex.split(text, comments=True)
    assert run[run.index("-v") + 1] == f"$PWD:/models/{name}"
    assert f"MODEL_NAME={name}" in run
    url = "localhost:8501/v1/models/my%20%22big%22%20model%20%C3%BC:predict"
    assert url in run


def test_scores_that_cannot_be_recorded(
    toy_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(export, "write_json", full)
    with pytest.raises(UserError, match=r"the scores could not be recorded \(No space"):
        record_scores(Bundle.open(toy_copy), "test", {"metrics": {}})
