"""Bad input ends in one clear sentence and exit status 1, and nothing is half-written.

All through the command line; what each part says is tested beside the part.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from nlp_speech.training import step, trainer

NlpSpeech = Any


def listing(directory: Path) -> dict[str, bytes]:
    """Everything under a directory, hidden files too."""
    paths = sorted(p for p in directory.rglob("*"))
    return {str(p): p.read_bytes() if p.is_file() else b"" for p in paths}


def assert_sentence(done: Any, *words: str) -> None:
    """One line that begins as it should and has the words; no traceback."""
    assert done.code == 1, done
    *progress, last = done.err.splitlines()
    assert last.startswith("nlp-speech: ")
    assert not any(line.startswith("nlp-speech:") for line in progress)
    assert "Traceback" not in done.err
    for word in words:
        assert word in last


# A config or data that cannot be trained on


@pytest.fixture
def values(small_values: dict[str, Any]) -> dict[str, Any]:
    return {"task": "translation", **small_values}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "words.yaml"


def refused(
    nlp_speech: NlpSpeech, config: Path, values: Any, *words: str, **sets: Any
) -> None:
    """Training is refused, and leaves the directory as it was."""
    config.write_text(yaml.safe_dump(values), encoding="utf-8")
    before = listing(config.parent)
    more = [word for k, v in sets.items() for word in ("--set", f"{k}={v}")]
    done = nlp_speech("train", config, "--output", config.parent / "run", *more)
    assert_sentence(done, *words)
    assert listing(config.parent) == before


def test_missing_config(nlp_speech: NlpSpeech, tmp_path: Path) -> None:
    file = tmp_path / "none.yaml"
    done = nlp_speech("train", file, "--output", tmp_path / "run")
    assert_sentence(done, f"{file}: ")
    assert listing(tmp_path) == {}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"modle": {}}, ["modle", "model"]),
        ({"task": "translaton"}, ["translaton", "translation"]),
        ({"seed": "one"}, ["seed"]),
        ({"model": {"units": 1.5}}, ["model.units"]),
        ({"model": {"units": 0}}, ["model.units"]),
        ({"tokenizer": {"model_type": "bpe"}}, ["model_type", "unigram"]),
        ({"tokenizer": {"byte_fallback": True}}, ["byte_fallback"]),
        ({"tokenizer": {"normalization": "identity"}}, ["normalization"]),
        ({"data": {}}, ["data"]),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_wrong_key(
    nlp_speech: NlpSpeech,
    config: Path,
    values: dict[str, Any],
    change: dict[str, Any],
    words: list[str],
) -> None:
    refused(nlp_speech, config, values | change, f"{config}:", *words)


@pytest.mark.parametrize("setting", ["units", "model.unit=3", "model.units=many"])
def test_wrong_override(
    nlp_speech: NlpSpeech, config: Path, values: dict[str, Any], setting: str
) -> None:
    config.write_text(yaml.safe_dump(values), encoding="utf-8")
    done = nlp_speech("train", config, "--set", setting)
    assert_sentence(done, setting.split("=")[0])


@pytest.mark.parametrize("name", ["train", "val"])
@pytest.mark.parametrize("fault", ["missing", "directory", "short", "utf8", "empty"])
def test_bad_data(
    nlp_speech: NlpSpeech,
    config: Path,
    values: dict[str, Any],
    name: str,
    fault: str,
) -> None:
    source, target = (config.with_name(f"{name}.{side}") for side in ("en", "de"))
    lines = target.read_bytes().splitlines(keepends=True)
    if fault == "missing":
        target.unlink()
        words = [f"{target}: there is no such file"]
    elif fault == "directory":
        target.unlink()
        target.mkdir()
        words = [f"{target}: cannot read the file"]
    elif fault == "short":
        target.write_bytes(b"".join(lines[:-2]))
        words = [f"{source}:{len(lines) - 1}: ", str(len(lines)), "equal length"]
    elif fault == "utf8":
        target.write_bytes(b"".join([*lines[:4], b"gr\xfcn\n", *lines[5:]]))
        words = [f"{target}:5: byte 3", "UTF-8"]
    else:
        for file in (source, target):
            file.write_bytes(b"")
        words = [f"{source}: there are no lines"]
    refused(nlp_speech, config, values, *words)


def test_corpus_of_blank_lines(
    nlp_speech: NlpSpeech, config: Path, values: dict[str, Any]
) -> None:
    for side in ("en", "de"):
        config.with_name(f"train.{side}").write_text("\n \n\n")
    refused(nlp_speech, config, values, "only blank lines")


def test_vocabulary_larger_than_the_text_allows(
    nlp_speech: NlpSpeech, config: Path, values: dict[str, Any]
) -> None:
    words = ("vocabulary_size 5000", "largest possible is ")
    refused(nlp_speech, config, values, *words, **{"tokenizer.vocabulary_size": 5000})


def test_all_pairs_too_long(
    nlp_speech: NlpSpeech, config: Path, values: dict[str, Any]
) -> None:
    for side in ("en", "de"):
        file = config.with_name(f"train.{side}")
        lines = file.read_text("utf-8").splitlines(keepends=True)
        long = [line for line in lines if line.count(" ") > 3]
        file.write_text("".join(long), encoding="utf-8")
    refused(nlp_speech, config, values, "max_length", **{"batch.max_length": 2})


def test_a_refused_run_leaves_alone_what_was_there(
    nlp_speech: NlpSpeech, config: Path, values: dict[str, Any]
) -> None:
    run = config.parent / "run"
    (run / "assets").mkdir(parents=True)
    (run / "assets" / "mine.txt").write_text("mine")
    sets = {"tokenizer.vocabulary_size": 5000}
    refused(nlp_speech, config, values, "largest possible", **sets)


# A run that stops

DONE = step.Update(total=1.0, count=1.0, norm=1.0, wishes=step.NO_WISHES)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Updates that learn nothing; what is in the list is called before each one."""
    calls: list[Any] = []

    def make_step(*_: Any) -> Any:
        def update(*_: Any) -> step.Update:
            return calls.pop(0)() if calls else DONE

        return update

    monkeypatch.setattr(trainer, "make_step", make_step)
    yield calls
    assert calls == []


def interrupt() -> step.Update:
    os.kill(os.getpid(), signal.SIGINT)
    return DONE


@pytest.fixture
def stopped(
    nlp_speech: NlpSpeech, config: Path, values: dict[str, Any], hurried: list[Any]
) -> Path:
    """A run stopped with Ctrl-C."""
    config.write_text(yaml.safe_dump(values), encoding="utf-8")
    hurried += [interrupt]
    done = nlp_speech("train", config, "--output", config.parent / "run")
    assert_sentence(done, "stopped at update 1 and saved", "--resume")
    return config.parent / "run"


def test_ctrl_c_saves(stopped: Path) -> None:
    [checkpoint] = (stopped / "checkpoints").iterdir()
    assert checkpoint.name == "update-00000001"


def test_resume_with_a_changed_config(
    nlp_speech: NlpSpeech, config: Path, stopped: Path
) -> None:
    before = listing(stopped)
    words = ("train", config, "--output", stopped)
    done = nlp_speech(*words, "--resume", "--set", "model.units=8")
    assert_sentence(done, "config has changed", "(model.units)", "--output")
    assert_sentence(nlp_speech(*words), "holds a run already", "--resume")
    assert listing(stopped) == before


@pytest.mark.parametrize("fault", ["cut short", "version"])
def test_the_only_checkpoint_is_bad(
    nlp_speech: NlpSpeech, config: Path, stopped: Path, fault: str
) -> None:
    checkpoint = stopped / "checkpoints" / "update-00000001"
    if fault == "version":
        file = checkpoint / "manifest.json"
        manifest = json.loads(file.read_text()) | {"format_version": 99}
        file.write_text(json.dumps(manifest))
        words = [str(file), "format version 99"]
    else:
        file = checkpoint / "variables.npz"
        file.write_bytes(file.read_bytes()[:-100])
        words = [f"{file}: is damaged"]
    before = listing(checkpoint)
    done = nlp_speech("train", config, "--output", stopped, "--resume")
    assert_sentence(done, *words)
    assert listing(checkpoint) == before


def test_a_loss_that_is_not_finite(
    nlp_speech: NlpSpeech, config: Path, values: dict[str, Any], hurried: list[Any]
) -> None:
    hurried += [lambda: DONE._replace(total=float("nan"))]
    refused(nlp_speech, config, values, "epoch 0, batch 0", "learning_rate", "--output")


def test_export_of_an_unfinished_run(
    nlp_speech: NlpSpeech, stopped: Path, tmp_path: Path
) -> None:
    before = listing(tmp_path)
    done = nlp_speech("export", stopped, "--output", tmp_path / "bundle")
    assert_sentence(done, str(stopped), "--resume")
    assert listing(tmp_path) == before


def test_export_of_weights_cut_short(
    nlp_speech: NlpSpeech, trained_run: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    file = run / "weights.npz"
    file.write_bytes(file.read_bytes()[:-1000])
    done = nlp_speech("export", run, "--output", tmp_path / "bundle")
    assert_sentence(done, f"{file}: ")
    assert not (tmp_path / "bundle").exists()


# A bundle that cannot be used


@pytest.fixture
def bundle(trained_bundle: Path, tmp_path: Path) -> Path:
    """A bundle that a test may spoil."""
    path = tmp_path / "words" / "1"
    shutil.copytree(trained_bundle, path)
    return path


COMMANDS = ("predict", "evaluate", "verify", "benchmark")


@pytest.mark.parametrize("command", COMMANDS)
def test_bundle_cut_short(nlp_speech: NlpSpeech, bundle: Path, command: str) -> None:
    file = bundle / "model.tflite"
    file.write_bytes(file.read_bytes()[:-1])
    assert_sentence(nlp_speech(command, bundle), f"{file}: ", "cut short")


@pytest.mark.parametrize("command", COMMANDS)
def test_bundle_of_another_version(
    nlp_speech: NlpSpeech, bundle: Path, command: str
) -> None:
    file = bundle / "metrics.json"
    metrics = json.loads(file.read_text()) | {"format_version": 2}
    file.write_text(json.dumps(metrics))
    assert_sentence(nlp_speech(command, bundle), f"{file}: ", "format version 2")


@pytest.mark.parametrize("command", COMMANDS)
def test_no_bundle(nlp_speech: NlpSpeech, tmp_path: Path, command: str) -> None:
    done = nlp_speech(command, tmp_path / "none")
    assert_sentence(done, f"{tmp_path / 'none'}: there is no such bundle")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--runtime", "onnx"], "'onnx'"),
        (["--runtime", "tflite", "--variant", "int4"], "'int4'"),
        (["--runtime", "tflite", "--variant", "float16"], "no float16 device file"),
        (["--runtime", "keras", "--variant", "float"], "choose runtime tflite"),
    ],
)
def test_no_such_runtime(
    nlp_speech: NlpSpeech, trained_bundle: Path, words: list[str], message: str
) -> None:
    assert_sentence(nlp_speech("predict", trained_bundle, "red", *words), message)


@pytest.mark.parametrize("command", ["evaluate", "verify"])
def test_bad_data_files(
    nlp_speech: NlpSpeech, trained_bundle: Path, tmp_path: Path, command: str
) -> None:
    file = tmp_path / "a.en"
    file.write_bytes(b"red\ngr\xfcn\n")
    good = tmp_path / "a.de"
    good.write_text("rot\ngrün\n", encoding="utf-8")

    def run(*files: Path) -> Any:
        words = [word for name in files for word in ("--data", name)]
        return nlp_speech(command, trained_bundle, *words)

    assert_sentence(run(file, good), f"{file}:2: byte 3")
    assert_sentence(run(good, tmp_path / "none"), f"{tmp_path / 'none'}: ")
    assert_sentence(run(good), f"{good}:1: ")
    assert_sentence(run(good, good, good), "two parallel text files")


def test_no_such_split(nlp_speech: NlpSpeech, trained_bundle: Path) -> None:
    done = nlp_speech("evaluate", trained_bundle, "--split", "none")
    assert_sentence(done, "'none'", "validation", "held_out")


def test_a_full_disk_keeps_the_old_report(
    nlp_speech: NlpSpeech,
    trained_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    file = tmp_path / "report.json"
    file.write_text("old")
    monkeypatch.setattr("nlp_speech.files.os.fsync", full)
    words = ("--limit", 1, "--runtime", "tflite", "--json", file)
    done = nlp_speech("evaluate", trained_bundle, *words)
    assert_sentence(done, f"{file}: ", "No space left")
    assert listing(tmp_path) == {str(file): b"old"}


def test_a_picture_that_cannot_be_written(
    nlp_speech: NlpSpeech, trained_bundle: Path, tmp_path: Path
) -> None:
    file = tmp_path / "none" / "attention.png"
    words = ("--attention", file, "--runtime", "tflite")
    assert_sentence(nlp_speech("predict", trained_bundle, "red", *words), str(file))
    assert listing(tmp_path) == {}


# Odd text


@pytest.mark.parametrize("runtime", ["saved_model", "tflite"])
def test_a_sentence_that_is_too_long_is_translated_in_part(
    nlp_speech: NlpSpeech, trained_bundle: Path, runtime: str
) -> None:
    words = ("predict", trained_bundle, "--runtime", runtime, "--json")
    texts = ["red " * 1000, "red", "red " * 31]
    done = nlp_speech(*words, *texts)
    assert done.code == 0
    warnings = done.err.splitlines()
    assert len(warnings) == 2
    for line in warnings:
        assert line.startswith("warning: 'red red")
        assert line.endswith("translated in part")
    found = [json.loads(line) for line in done.out.splitlines()]
    assert [r["truncated"] for r in found] == [True, False, True]
    # Both are read up to the same piece.
    assert found[0]["text"] == found[2]["text"] != ""


@pytest.mark.parametrize("runtime", ["keras", "saved_model", "tflite"])
def test_an_empty_sentence_has_an_empty_translation(
    nlp_speech: NlpSpeech, trained_bundle: Path, runtime: str
) -> None:
    words = ("predict", trained_bundle, "--runtime", runtime)
    for stdin, lines in ((b"\n \n\t\r\n", 3), (b"", 0)):
        done = nlp_speech(*words, stdin=stdin)
        assert (done.code, done.err, done.out) == (0, "", "\n" * lines)
    assert nlp_speech(*words, "").out == "\n"


def test_standard_input_that_is_not_utf8(
    nlp_speech: NlpSpeech, trained_bundle: Path
) -> None:
    words = ("predict", trained_bundle, "--runtime", "tflite")
    done = nlp_speech(*words, stdin="red\ngrün\n".encode("latin-1"))
    assert_sentence(done, "standard input:2: ", "UTF-8")


def test_an_argument_that_is_not_utf8(
    nlp_speech: NlpSpeech, trained_bundle: Path
) -> None:
    text = b"gr\xfcn".decode("utf-8", "surrogateescape")
    done = nlp_speech("predict", trained_bundle, text, "--runtime", "tflite", "--json")
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["input"] == "gr?n"


# new


def test_new_overwrites_nothing(nlp_speech: NlpSpeech, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.en").write_text("mine")
    before = listing(tmp_path)
    assert_sentence(nlp_speech("new", "translation", tmp_path), "is there already")
    assert listing(tmp_path) == before
    done = nlp_speech("new", "translation", tmp_path / "data" / "train.en")
    assert_sentence(done, str(tmp_path / "data" / "train.en"))
    assert_sentence(nlp_speech("new", "none", tmp_path / "new"), "'none'")
    assert listing(tmp_path) == before
