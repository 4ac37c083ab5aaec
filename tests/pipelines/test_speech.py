"""Recordings through the command line: a good look at them, and bad ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from nlp_speech import load, stream
from nlp_speech.decoding.arpa import read_arpa
from nlp_speech.tasks.speech_recognition.language import LANGUAGE_FILE

NlpSpeech = Any

CONFIG = """
task: speech_recognition
data:
  train: [{{manifest: {folder}/m.tsv, split: train}}]
  validation:
    - {{manifest: {folder}/m.tsv, split: test}}
frontend: {{sample_rate: 8000, window_length: 200, hop_length: 80, n_fft: {n_fft}}}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    rows = ["path\ttranscript\tsplit"]
    for n in range(6):
        tone = 0.3 * np.sin(np.arange(6000) * (0.1 + 0.02 * n))
        soundfile.write(tmp_path / f"{n}.wav", tone, 8000)
        rows.append(f"{n}.wav\tone two\t{'train' if n < 4 else 'test'}")
    (tmp_path / "m.tsv").write_text("\n".join(rows) + "\n")
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG.format(folder=tmp_path, n_fft=256))
    return path


def test_a_look_at_good_data(nlp_speech: NlpSpeech, config: Path) -> None:
    done = nlp_speech("check", config)
    assert done.code == 0, done
    assert done.out == "nothing was found that is wrong\n"


def test_a_look_at_bad_data(nlp_speech: NlpSpeech, config: Path) -> None:
    config.with_name("2.wav").write_bytes(b"RIFF")
    done = nlp_speech("check", config)
    assert done.code == 1
    assert done.out.startswith("ERROR    train       1 cannot be read\n")
    last = done.err.splitlines()[-1]
    assert last == f"nlp-speech: {config}: 1 error and 0 warnings; mend the data"
    done = nlp_speech("check", config, "--set", "data.skip_bad=true")
    assert done.code == 0
    assert done.out.startswith("warning  train       1 cannot be read\n")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("m.tsv", "path\ttranscript\tsplit\nnone.wav\tone\ttrain\n", "m.tsv:2: "),
        ("m.tsv", "path\ttext\tsplit\n0.wav\tone\ttrain\n", "no column 'transcript'"),
        ("m.tsv", "", "no rows"),
        ("1.wav", "", "m.tsv:3: "),
        ("1.wav", "a letter, not a sound", "1.wav: this is no sound file"),
    ],
)
def test_bad_data_are_not_trained_on(
    nlp_speech: NlpSpeech, config: Path, name: str, content: str, words: str
) -> None:
    config.with_name(name).write_text(content)
    done = nlp_speech("train", config, "--no-check", "--output", config.parent / "run")
    assert done.code == 1, done
    assert "Traceback" not in done.err
    assert words in done.err.splitlines()[-1]
    assert not (config.parent / "run").exists()


def test_bad_rows_are_skipped_when_asked(nlp_speech: NlpSpeech, config: Path) -> None:
    manifest = config.with_name("m.tsv")
    manifest.write_text(manifest.read_text() + "none.wav\tone two\ttrain\n")
    done = nlp_speech("check", config)
    assert done.code == 1
    assert "m.tsv:8: " in done.out
    assert "no such file" in done.out
    done = nlp_speech("check", config, "--skip-bad")
    assert done.code == 0
    assert done.out.startswith("warning  train       1 cannot be read\n")


def test_what_is_bad_is_left_out_of_everything(
    nlp_speech: NlpSpeech, config: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = config.parent
    manifest = folder / "m.tsv"
    text = manifest.read_text()
    manifest.write_text(f"{text}7.wav\tone\n8.wav\tone\ttest\n")
    (folder / "0.wav").write_bytes((folder / "0.wav").read_bytes()[:5000])
    config.write_text(
        config.read_text()
        + "model: {units: 8, layers: 1}\n"
        + "training: {updates: 2, warmup_updates: 1, evaluate_every: 2}\n"
    )
    train = ("train", config, "--output", folder / "run")
    done = nlp_speech(*train)
    assert done.code == 1
    assert f"train: 2 cannot be read, first {manifest}:8: " in done.err
    done = nlp_speech(*train, "--skip-bad")
    assert done.code == 0, done
    row = f"left out: {manifest}:8: there are 2 columns"
    assert row in caplog.text
    assert f"left out: {folder / '0.wav'}: the file is cut short" in caplog.text
    assert "3 training utterances" in caplog.text
    assert "2 left out" in caplog.text
    bundle = folder / "bundle"
    done = nlp_speech("export", folder / "run", "--output", bundle)
    assert done.code == 0, done

    evaluate = ("evaluate", bundle, "--data", manifest, "--runtime", "tflite")
    done = nlp_speech(*evaluate)
    assert done.code == 1
    assert f"{manifest}:8: there are 2 columns" in done.err
    caplog.clear()
    done = nlp_speech(*evaluate, "--skip-bad")
    assert done.code == 0, done
    assert row in caplog.text
    assert done.err.splitlines()[-1] == "2 inputs left out"
    assert "5 examples" in done.out

    given = [folder / f"{n}.wav" for n in (1, 0, 2, 8)]
    predict = ("predict", bundle, *given, "--json", "--runtime", "tflite")
    done = nlp_speech(*predict)
    assert done.code == 1
    assert done.err.splitlines()[-1].startswith(f"nlp-speech: {given[1]}: ")
    done = nlp_speech(*predict, "--skip-bad")
    assert done.code == 0, done
    answered = [json.loads(line)["input"] for line in done.out.splitlines()]
    assert answered == [str(given[0]), str(given[2])]
    assert done.err.splitlines()[-1] == "2 inputs left out"


def test_commands_that_nobody_has_recorded(
    nlp_speech: NlpSpeech, tmp_path: Path
) -> None:
    """Synthetic voices make data, and one recognizer begins with another."""
    for name, lines in {"a": "Light on!\nLight off!", "b": "Open up!\nGo on!"}.items():
        (tmp_path / f"{name}.txt").write_text(lines, encoding="utf-8")
        how = ("--times", 6, "--validation", 0.34, "--sample-rate", 8000)
        folder = tmp_path / name
        done = nlp_speech(
            "synthesize", folder.with_suffix(".txt"), "--output", folder, *how
        )
        assert done.code == 0, done
        assert done.out.startswith("12 sounds, 0.")
        text = CONFIG.format(folder=folder, n_fft=256)
        text = text.replace("m.tsv", "manifest.tsv").replace("test}", "validation}")
        text += "training: {updates: 2, warmup_updates: 1, evaluate_every: 2}\n"
        text += "model: {units: 8, layers: 1}\nvocabulary: {case: lower}\n"
        folder.with_suffix(".yaml").write_text(text, encoding="utf-8")
    first = ("train", tmp_path / "a.yaml", "--output", tmp_path / "run_a")
    assert nlp_speech(*first).code == 0
    second = ("train", tmp_path / "b.yaml", "--output", tmp_path / "run_b", "--set")
    done = nlp_speech(*second, f"model.pretrained={tmp_path / 'run_a'}")
    assert done.code == 0, done
    labels = (tmp_path / "run_b/assets/labels.json").read_text(encoding="utf-8")
    assert set("light of open up go") <= set(labels)
    done = nlp_speech(*second[:3], tmp_path / "c", "--set", "model.pretrained=nowhere")
    assert done.code == 1
    assert "nowhere: there is no trained model" in done.err.splitlines()[-1]


def test_sentences_of_a_table_are_spoken(nlp_speech: NlpSpeech, tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("Light on\tLicht an\nLight off\tLicht aus\n")
    how = ("--column", 1, "--sentences", 1, "--language", "de", "--output")
    done = nlp_speech("synthesize", tmp_path / "t.tsv", *how, tmp_path / "made")
    assert done.code == 0, done
    rows = (tmp_path / "made/manifest.tsv").read_text().splitlines()
    assert len(rows) == 2
    assert rows[1].split("\t")[1] in ("Licht an", "Licht aus")
    for texts, folder, message in (
        ("none.tsv", "more", "none.tsv: there is no such file; give texts to speak"),
        ("t.tsv", "made", "made: there is a corpus already; name another folder"),
    ):
        done = nlp_speech("synthesize", tmp_path / texts, *how, tmp_path / folder)
        assert done.code == 1
        assert done.err.splitlines()[-1].endswith(message)
    assert not (tmp_path / "more").exists()


def test_an_impossible_front_end_is_a_line_of_the_config(
    nlp_speech: NlpSpeech, config: Path
) -> None:
    config.write_text(CONFIG.format(folder=config.parent, n_fft=400))
    done = nlp_speech("check", config)
    assert done.code == 1
    last = done.err.splitlines()[-1]
    assert last.startswith(f"nlp-speech: {config}:7: frontend: n_fft 400")
    assert last.endswith("take 256")


def test_pieces_are_written_by_every_runtime(
    nlp_speech: NlpSpeech, config: Path
) -> None:
    folder = config.parent
    manifest, texts = config.with_name("m.tsv"), ("the quick fox", "two lazy dogs")
    rows = manifest.read_text().splitlines()
    rows = [row.replace("one two", texts[n % 2]) for n, row in enumerate(rows)]
    manifest.write_text("\n".join(rows) + "\n")
    config.write_text(
        config.read_text()
        + "vocabulary: {kind: pieces, size: 26}\n"
        + "model: {units: 32, layers: 1, dropout: 0, look_ahead: 1}\n"
        + "training: {updates: 80, warmup_updates: 4, learning_rate: 0.02,"
        + " evaluate_every: 80}\nexport: {quantize: [float]}\n"
    )
    done = nlp_speech("train", config, "--output", folder / "run")
    assert done.code == 0, done
    done = nlp_speech("export", folder / "run", "--output", folder / "bundle")
    assert done.code == 0, done
    sounds = [str(folder / f"{n}.wav") for n in range(4)]
    server = load(folder / "bundle", "saved_model")
    assert any(len(symbol) > 1 for symbol in server.assets.labels.symbols)
    found = [result.text for result in server(sounds)]
    assert all(found)
    assert len(set(found)) > 1
    device = load(folder / "bundle", "tflite", variant="float")
    assert [result.text for result in device(sounds)] == found
    streams = []
    for sound in sounds:
        listening = stream(device)
        parts = listening.accept(soundfile.read(sound)[0]) + listening.finish()
        streams.append(" ".join(part.text for part in parts))
    assert streams == found


def test_a_language_model_is_added_when_exporting(
    nlp_speech: NlpSpeech, config: Path
) -> None:
    """What no weight depends on need not be trained for."""
    folder = config.parent
    config.write_text(
        config.read_text()
        + "model: {units: 8, layers: 1}\n"
        + "training: {updates: 2, warmup_updates: 1, evaluate_every: 2}\n"
    )
    done = nlp_speech("train", config, "--no-check", "--output", folder / "run")
    assert done.code == 0, done
    (folder / "more.txt").write_text("Two, two!\n", encoding="utf-8")
    done = nlp_speech(
        "export",
        folder / "run",
        "--output",
        folder / "bundle",
        "--set",
        "language.order=2",
        "--set",
        f"language.text=[{{file: {folder}/more.txt}}]",
        "--set",
        "vocabulary.case=lower",
    )
    assert done.code == 0, done
    found = read_arpa(folder / "bundle/1" / LANGUAGE_FILE)
    assert {word for word, _ in found.words()} == {"one", "two"}
    assert ("two", "two") in found.tables[1]
    assert not list((folder / "run/assets").glob("*.arpa"))
