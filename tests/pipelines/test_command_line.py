"""Every command, in the order in which a person uses them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from nlp_speech.bundle import file_digests
from nlp_speech.weights import read_arrays

NlpSpeech = Any
TEXTS = ["one two", "red", "ten green nine", ""]
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def answers(nlp_speech: NlpSpeech, trained_bundle: Path) -> list[str]:
    """The SavedModel's translations of `TEXTS`."""
    done = nlp_speech("predict", trained_bundle, *TEXTS)
    assert (done.code, done.err) == (0, "")
    return done.out.split("\n")[:-1]


# new, train, export


def test_what_new_writes_trains_at_once(nlp_speech: NlpSpeech, tmp_path: Path) -> None:
    done = nlp_speech("new", "translation", tmp_path / "mine")
    config = tmp_path / "mine" / "translation.yaml"
    assert done.code == 0
    assert str(config) in done.out
    assert "#" in config.read_text()
    small = (
        "model.units=8",
        "model.embedding_units=8",
        "batch.buckets=1",
        "training.updates=2",
        "training.warmup_updates=1",
        "training.evaluate_every=2",
        "training.evaluation_limit=2",
        "decoding.beam_size=1",
        "decoding.max_length_ratio=0.1",
    )
    sets = [word for setting in small for word in ("--set", setting)]
    run = tmp_path / "run"
    done = nlp_speech("train", config, "--output", run, *sets)
    assert done.code == 0, done.err
    assert (run / "weights.npz").exists()
    assert yaml.safe_load((run / "config.yaml").read_text())["model"]["units"] == 8


def test_training_reports_what_it_reached(trained_run: Path) -> None:
    lines = (trained_run / "log.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert [r["update"] for r in records] == [60, 120]
    assert records[-1]["loss"] < records[0]["loss"]


def test_a_finished_run_resumed_changes_nothing(
    nlp_speech: NlpSpeech, experiment: Path, trained_run: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    done = nlp_speech("train", experiment, "--output", run, "--resume")
    assert done.code == 0, done.err
    assert "resumed at update 120" in done.err
    assert (run / "log.jsonl").read_text() == (trained_run / "log.jsonl").read_text()


def test_the_bundle_holds_what_it_promises(trained_bundle: Path) -> None:
    names = {p.name for p in trained_bundle.iterdir()}
    assert names == {
        "README.md",
        "assets",
        "config.yaml",
        "data.json",
        "fingerprint.pb",
        "metrics.json",
        "model.float.tflite",
        "model.tflite",
        "samples.jsonl",
        "saved_model.pb",
        "tokenizer.model",
        "variables",
    }
    metrics = json.loads((trained_bundle / "metrics.json").read_text())
    assert metrics["verification"]["ok"] is True
    assert metrics["training"]["update"] == 120
    assert [p.name for p in trained_bundle.parent.iterdir()] == ["1"]


def test_export_of_no_run(nlp_speech: NlpSpeech, tmp_path: Path) -> None:
    done = nlp_speech("export", tmp_path / "none", "--output", tmp_path / "bundle")
    assert done.code == 1
    assert "holds no finished run" in done.err
    assert list(tmp_path.iterdir()) == []


def test_export_of_a_bundle(
    nlp_speech: NlpSpeech, trained_bundle: Path, tmp_path: Path
) -> None:
    more = ("--quantize", "float16", "--set", "decoding.beam_size=2")
    done = nlp_speech("export", trained_bundle, "--output", tmp_path / "again", *more)
    assert done.code == 0, done.err
    bundle = Path(done.out.strip())
    assert bundle == tmp_path / "again" / "1"
    assert (bundle / "model.float16.tflite").is_file()
    assert not (bundle / "model.float.tflite").exists()
    assert "beam_size: 2" in (bundle / "config.yaml").read_text("utf-8")
    assert nlp_speech("verify", bundle).code == 0


# evaluate, verify


@pytest.fixture
def held_out(shared_values: dict[str, Any]) -> tuple[Path, Path]:
    files = shared_values["data"]["test"]["held_out"]
    return Path(files["source"]), Path(files["target"])


def test_evaluate(
    nlp_speech: NlpSpeech,
    trained_bundle: Path,
    held_out: tuple[Path, Path],
    tmp_path: Path,
) -> None:
    found = []
    given = [word for path in held_out for word in ("--data", path)]
    for number, words in enumerate((["--split", "held_out"], given)):
        file = tmp_path / f"{number}.json"
        done = nlp_speech("evaluate", trained_bundle, *words, "--json", file)
        assert done.code == 0, done.err
        report = json.loads(file.read_text())
        assert report["examples"] == 12
        assert f"{report['metrics']['bleu']:.2f}" in done.out
        assert report["signatures"]["bleu"] in done.out
        assert report["metrics"]["chrf"] > 5
        found.append(report["metrics"])
    assert found[0] == found[1]


def test_evaluate_a_device_file_on_the_first_examples(
    nlp_speech: NlpSpeech, trained_bundle: Path, tmp_path: Path
) -> None:
    file = tmp_path / "made" / "report.json"
    words = "--runtime tflite --variant float --threads 1 --limit 3 --json"
    done = nlp_speech("evaluate", trained_bundle, *words.split(), file)
    assert done.code == 0, done.err
    report = json.loads(file.read_text())
    assert (report["examples"], report["runtime"]) == (3, "tflite")
    assert report["variant"] == "float"
    assert "3 examples in" in done.out


def test_recorded_scores_stand_in_the_card(
    nlp_speech: NlpSpeech,
    trained_bundle: Path,
    held_out: tuple[Path, Path],
    tmp_path: Path,
) -> None:
    bundle = tmp_path / "words" / "1"
    shutil.copytree(trained_bundle, bundle)
    words = ["--limit", 2, "--record", "--runtime", "tflite"]
    given = [word for path in held_out for word in ("--data", path)]
    for more in ([], given):
        done = nlp_speech("evaluate", bundle.parent, *words, *more)
        assert done.code == 0, done.err
    metrics = json.loads((bundle / "metrics.json").read_text())["metrics"]
    assert list(metrics) == ["validation", " + ".join(path.name for path in held_out)]
    assert "| validation | 2 | tflite dynamic | bleu |" in (
        bundle / "README.md"
    ).read_text(encoding="utf-8")
    assert nlp_speech("predict", bundle, "red", "--runtime", "tflite").code == 0


@pytest.mark.parametrize("with_data", [False, True])
def test_verify(
    nlp_speech: NlpSpeech,
    trained_bundle: Path,
    held_out: tuple[Path, Path],
    with_data: bool,
) -> None:
    given = [word for path in held_out for word in ("--data", path)]
    more = [*given, "--limit", 5] if with_data else []
    done = nlp_speech("verify", trained_bundle, *more)
    samples = (trained_bundle / "samples.jsonl").read_text("utf-8").split("\n")[:-1]
    count = 5 if with_data else len(samples)
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    same = f"{count} of {count} the same"
    for name in (
        "saved_model translate",
        "saved_model translate_ids",
        "keras translate",
        "keras translate_ids",
        "tflite float translate_ids",
    ):
        [line] = [line for line in lines if line.startswith(f"{name}: ")]
        assert same in line
        assert ("metric" in line) == with_data
    assert any(line.startswith("tflite dynamic translate_ids: ") for line in lines)


def test_verify_refuses_runtimes_that_differ(
    nlp_speech: NlpSpeech, trained_run: Path, trained_bundle: Path, tmp_path: Path
) -> None:
    bundle = tmp_path / "words" / "1"
    shutil.copytree(trained_bundle, bundle)
    # The pieces of the vocabulary get one another's embeddings.
    file = bundle / "model.float.tflite"
    content = file.read_bytes()
    tables = [
        v for v in read_arrays(trained_run / "weights.npz").values() if v.ndim > 1
    ]
    [table] = [t for t in tables if len(t) == 50 and t.tobytes() in content]
    file.write_bytes(content.replace(table.tobytes(), table[::-1].tobytes()))
    description = json.loads((bundle / "metrics.json").read_text())
    description["files"] = file_digests(bundle)
    (bundle / "metrics.json").write_text(json.dumps(description))
    done = nlp_speech("verify", bundle)
    assert done.code == 1
    assert done.err.startswith(f"nlp-speech: {bundle}: tflite float translate_ids")
    assert "FAILED" in done.out


# predict

VARIANT = {"keras": (), "saved_model": (), "tflite": ("--variant", "float")}


@pytest.mark.parametrize("runtime", ["keras", "saved_model", "tflite"])
def test_every_runtime_answers_alike(
    nlp_speech: NlpSpeech, trained_bundle: Path, answers: list[str], runtime: str
) -> None:
    words = ["--runtime", runtime, *VARIANT[runtime]]
    done = nlp_speech("predict", trained_bundle, *TEXTS, *words)
    assert (done.code, done.err) == (0, "")
    assert done.out.split("\n")[:-1] == answers
    assert len(set(answers)) == len(TEXTS)
    assert answers[-1] == ""


@pytest.mark.parametrize("batch_size", [1, 3])
def test_standard_input_is_answered_line_by_line(
    nlp_speech: NlpSpeech, trained_bundle: Path, answers: list[str], batch_size: int
) -> None:
    # The last line need not end, and a carriage return is no part of a line.
    stdin = "\r\n".join(TEXTS[::-1]).encode()
    done = nlp_speech(
        "predict", trained_bundle, "--batch-size", batch_size, stdin=stdin
    )
    assert (done.code, done.err) == (0, "")
    assert done.out.split("\n")[:-1] == answers[::-1]


def test_json_and_n_best(
    nlp_speech: NlpSpeech, trained_bundle: Path, answers: list[str]
) -> None:
    done = nlp_speech("predict", trained_bundle, *TEXTS, "--json", "--n-best", 2)
    assert (done.code, done.err) == (0, "")
    records = [json.loads(line) for line in done.out.splitlines()]
    assert [r["input"] for r in records] == TEXTS
    assert [r["text"] for r in records] == answers
    for record in records:
        best = record["n_best"]
        assert best[0] == {"text": record["text"], "score": record["score"]}
        scores = [h["score"] for h in best]
        assert scores == sorted(scores, reverse=True)
    assert [len(r["n_best"]) for r in records] == [2, 2, 2, 1]
    done = nlp_speech("predict", trained_bundle, TEXTS[0], "--n-best", 2)
    shown = [line.split("\t") for line in done.out.splitlines()]
    assert [text for _, text in shown] == [h["text"] for h in records[0]["n_best"]]
    assert float(shown[0][0]) == pytest.approx(records[0]["score"], abs=1e-4)
    done = nlp_speech("predict", trained_bundle, TEXTS[0], "--n-best", 20)
    assert (done.code, done.out) == (1, "")
    assert "--n-best 20: the search of this model keeps 2; " in done.err


@pytest.mark.parametrize("runtime", ["saved_model", "tflite"])
def test_attention_is_drawn(
    nlp_speech: NlpSpeech,
    trained_bundle: Path,
    answers: list[str],
    tmp_path: Path,
    runtime: str,
) -> None:
    file = tmp_path / "attention.png"
    words = ["--attention", file, "--runtime", runtime, *VARIANT[runtime]]
    done = nlp_speech("predict", trained_bundle, TEXTS[0], *words)
    assert (done.code, done.out) == (0, answers[0] + "\n")
    assert file.read_bytes().startswith(PNG)


def test_attention_of_nothing_is_an_empty_translation(
    nlp_speech: NlpSpeech, trained_bundle: Path, tmp_path: Path
) -> None:
    file = tmp_path / "attention.png"
    words = ["--attention", file, "--runtime", "tflite", "--json"]
    done = nlp_speech("predict", trained_bundle, "", *words)
    assert (done.code, json.loads(done.out)["text"]) == (0, "")
    assert "no alignment to draw" in done.err
    assert not file.exists()


def test_attention_of_a_model_without_alignment(
    nlp_speech: NlpSpeech, tmp_path: Path
) -> None:
    bundle = ROOT / "saved_models" / "sentiment_en"
    words = ("--attention", tmp_path / "a.png", "--runtime", "tflite")
    done = nlp_speech("predict", bundle, "Good.", *words)
    message = "nlp-speech: --attention: a sentiment model has no alignment to draw\n"
    assert (done.code, done.out, done.err) == (1, "", message)


def test_attention_of_two_texts_is_refused(
    nlp_speech: NlpSpeech, trained_bundle: Path, tmp_path: Path
) -> None:
    file = tmp_path / "attention.png"
    done = nlp_speech("predict", trained_bundle, "one", "two", "--attention", file)
    assert done.code == 1
    assert "give just one" in done.err
    assert not file.exists()


# benchmark


def test_benchmark(
    nlp_speech: NlpSpeech,
    trained_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Each runtime has a process of its own; one that loads TensorFlow takes long.
    monkeypatch.setattr("nlp_speech.benchmark.has_tensorflow", lambda: False)
    file = tmp_path / "report.json"
    done = nlp_speech("benchmark", trained_bundle, "--limit", 2, "--json", file)
    assert done.code == 0, done.err
    report = json.loads(file.read_text())
    assert (report["inputs"], report["threads"]) == (2, 1)
    rows = {row["runtime"]: row for row in report["runtimes"]}
    assert set(rows) == {"tflite dynamic", "tflite float"}
    for name, row in rows.items():
        assert name in done.out
        assert 0 < row["median_ms"] <= row["p90_ms"]
        assert row["inputs_per_second"] > 0
        assert 10 < row["megabytes"] < 10_000
    size = (trained_bundle / "model.tflite").stat().st_size
    assert rows["tflite dynamic"]["bytes"] == size


# Processes of their own

HELP = """
import sys, time
from nlp_speech import cli
sys.argv = ["nlp-speech", "--help"]
try:
    cli.main()
except SystemExit as end:
    assert end.code == 0
print(time.process_time(), sorted({"tensorflow", "keras", "numpy"} & set(sys.modules)))
"""

DEVICE = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"tensorflow", "keras", "tensorflow_text"}:
            raise ImportError(name + " is blocked")

sys.meta_path.insert(0, Blocked())
from nlp_speech import cli
cli.main()
"""

SERVER = """
import sys
import tensorflow as tf
import tensorflow_text
signature = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
text = signature(text=tf.constant(sys.argv[2:]))["text"].numpy()
assert not any(name.split(".")[0] == "nlp_speech" for name in sys.modules)
sys.stdout.buffer.write(b"\\n".join(row[0] for row in text) + b"\\n")
"""


def in_process(
    code: str, *words: Path | str, directory: Path, stdin: bytes = b""
) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        cwd=directory,
        input=stdin,
        capture_output=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode("utf-8")


ROOT = Path(__file__).parents[2]


def test_help_is_quick() -> None:
    done = in_process(HELP, directory=ROOT)
    for command in ("new", "train", "export", "evaluate", "verify", "predict"):
        assert f" {command} " in done
    seconds, heavy = done.splitlines()[-1].split(" ", 1)
    assert float(seconds) < 0.8
    assert heavy == "[]"


def test_a_device_translates_without_tensorflow(
    trained_bundle: Path, answers: list[str]
) -> None:
    words = ("predict", trained_bundle, "--runtime", "tflite", "--variant", "float")
    stdin = "\n".join(TEXTS).encode() + b"\n"
    found = in_process(DEVICE, *words, directory=ROOT, stdin=stdin)
    assert found.split("\n")[:-1] == answers


def test_a_server_needs_only_tensorflow(
    trained_bundle: Path, answers: list[str], tmp_path: Path
) -> None:
    found = in_process(SERVER, trained_bundle, *TEXTS, directory=tmp_path)
    assert found.split("\n")[:-1] == answers


def test_threads_can_be_limited_on_a_server(
    trained_bundle: Path, answers: list[str]
) -> None:
    code = "from nlp_speech.cli import main; main()"
    words = ("predict", trained_bundle, "--runtime", "saved_model", "--threads", "1")
    assert in_process(code, *words, *TEXTS, directory=ROOT).split("\n")[:-1] == answers
