from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from nlp_speech.bundle import FORMAT_VERSION, METRICS_FILE, Bundle, is_version, versions
from nlp_speech.errors import UserError
from nlp_speech.runtime import load


def _one_sentence(error: pytest.ExceptionInfo[UserError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_open_reads_what_export_wrote(toy_bundle: Path) -> None:
    bundle = Bundle.open(toy_bundle)
    assert bundle.task.NAME == "toy"
    assert bundle.config.units == 4
    assert bundle.config.export.quantize == ("dynamic", "float", "float16")
    assert bundle.variants == ("dynamic", "float", "float16")
    assert bundle.license == "Apache-2.0"
    assert bundle.data_licenses == ("CC0-1.0", "CC BY-NC-SA 4.0")
    assert bundle.name == "toy_letters/1"
    assert [s["input"] for s in bundle.samples()] == ["abc", "", "a|b", "zyx" * 10]


def test_name_means_its_newest_version(toy_copy: Path) -> None:
    for name in ("2", "10", "9", "11x", "012", ".export-abc", "-12"):
        shutil.copytree(toy_copy, toy_copy.parent / name)
    assert versions(toy_copy.parent) == [1, 2, 9, 10]
    assert Bundle.open(toy_copy.parent).path.name == "10"
    assert Bundle.open(toy_copy.parent / "2").path.name == "2"


@pytest.mark.parametrize("name", ["", "1.0", "01", "٣", "²", " 1", "1_0", "v1"])
def test_only_plain_whole_numbers_are_versions(name: str) -> None:
    assert not is_version(name)


def test_missing_bundle(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such bundle") as error:
        Bundle.open(tmp_path / "none")
    assert str(tmp_path / "none") in _one_sentence(error)


def test_a_file_or_an_empty_directory_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a bundle"):
        Bundle.open(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="a bundle is a directory"):
        Bundle.open(tmp_path / "file")


@pytest.mark.parametrize(
    "name",
    ["saved_model.pb", "model.tflite", "letters.txt", "variables/variables.index"],
)
def test_truncated_file_is_named(toy_copy: Path, name: str) -> None:
    path = toy_copy / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match="cut short") as error:
        Bundle.open(toy_copy)
    assert str(path) in _one_sentence(error)


def test_changed_file_of_the_same_size_is_named(toy_copy: Path) -> None:
    path = toy_copy / "variables" / "variables.data-00000-of-00001"
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="not as it was written") as error:
        load(toy_copy)
    assert str(path) in _one_sentence(error)


def test_missing_file_is_named(toy_copy: Path) -> None:
    (toy_copy / "letters.txt").unlink()
    with pytest.raises(UserError, match=r"letters\.txt: this file is missing"):
        Bundle.open(toy_copy)


def test_the_card_may_be_edited(toy_copy: Path) -> None:
    (toy_copy / "README.md").write_text("mine")
    assert Bundle.open(toy_copy).task.NAME == "toy"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is missing"),
        ("{", "cannot be read as JSON"),
        ("[]", "not a bundle's description"),
        ('{"format_version": 1, "task": "toy"}', "not a bundle's description"),
        (b"\xff\xfe", "cannot be read as JSON"),
    ],
)
def test_spoiled_description(
    toy_copy: Path, content: str | bytes | None, message: str
) -> None:
    path = toy_copy / METRICS_FILE
    path.unlink()
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(UserError, match=message) as error:
        Bundle.open(toy_copy)
    assert str(path) in _one_sentence(error)


def test_other_format_version(toy_copy: Path) -> None:
    path = toy_copy / METRICS_FILE
    metrics = json.loads(path.read_text())
    metrics["format_version"] = FORMAT_VERSION + 1
    path.write_text(json.dumps(metrics))
    with pytest.raises(UserError, match="format version 2") as error:
        Bundle.open(toy_copy)
    assert "export it again" in _one_sentence(error)


def test_unknown_task(toy_copy: Path) -> None:
    path = toy_copy / METRICS_FILE
    metrics = json.loads(path.read_text())
    metrics["task"] = "nothing"
    path.write_text(json.dumps(metrics))
    with pytest.raises(UserError, match="no task 'nothing'"):
        Bundle.open(toy_copy)


def test_missing_variant_names_those_there(toy_copy: Path) -> None:
    (toy_copy / "model.float16.tflite").unlink()
    path = toy_copy / METRICS_FILE
    metrics = json.loads(path.read_text())
    del metrics["files"]["model.float16.tflite"]
    path.write_text(json.dumps(metrics))
    bundle = Bundle.open(toy_copy)
    with pytest.raises(UserError, match=r"no float16 .*dynamic, float\).*--quantize"):
        bundle.device_file("float16")
    with pytest.raises(UserError, match=r"no text .* with --text-to-text"):
        bundle.device_file("text")
    with pytest.raises(UserError, match="choose one of: dynamic"):
        bundle.device_file("int4")
