"""The look at the data finds what was put there, and nothing else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from nlp_speech.check import Report, look_at
from nlp_speech.config import dump_config
from nlp_speech.errors import UserError
from nlp_speech.tasks.speech_recognition import check
from nlp_speech.tasks.speech_recognition.config import SpeechRecognitionConfig
from nlp_speech.tasks.speech_recognition.labels import learn_labels, save_labels
from nlp_speech.text.labels import Characters, Labels


def look(values: dict[str, Any]) -> Report:
    return look_at(SpeechRecognitionConfig.model_validate_json(json.dumps(values)))


def problems(values: dict[str, Any]) -> dict[tuple[str, str], int]:
    return {(f.split, f.problem): f.count for f in look(values).findings}


def test_good_data(values: dict[str, Any]) -> None:
    report = look(values)
    assert report.findings == []
    assert report.errors == 0
    assert report.lines() == ["nothing was found that is wrong"]


@pytest.mark.parametrize("skip", [False, True])
def test_a_file_that_cannot_be_read(
    values: dict[str, Any], folder: Path, skip: bool
) -> None:
    (folder / "1.wav").write_text("no sound")
    values["data"]["skip_bad"] = skip
    report = look(values)
    [found] = report.findings
    assert (found.split, found.problem, found.count) == ("train", "cannot be read", 1)
    assert "1.wav" in found.examples[0]
    assert report.errors == (0 if skip else 1)
    assert report.lines()[0].startswith("warning" if skip else "ERROR")


def test_a_row_that_cannot_be_read(values: dict[str, Any], folder: Path) -> None:
    manifest = folder / "m.tsv"
    manifest.write_text(manifest.read_text() + "7.wav\tab\n")
    assert problems(values) == {
        ("train", "cannot be read"): 1,
        ("validation", "cannot be read"): 1,
    }
    found = look(values).findings[0]
    assert found.is_error
    [place] = found.examples
    assert place.startswith(f"{manifest}:8: there are 2 columns")


@pytest.mark.parametrize(
    ("samples", "problem"),
    [
        (np.zeros(1200), "are silent"),
        (np.where(np.arange(1200) % 40 < 20, 1.0, -1.0), "are clipped"),
        (np.full(4400, 0.1), "are longer than batch.max_seconds 2, left out"),
        (np.full(40, 0.1), "are too short for their transcripts"),
    ],
)
def test_a_bad_clip(
    values: dict[str, Any], folder: Path, samples: np.ndarray, problem: str
) -> None:
    soundfile.write(folder / "0.wav", samples, 2000)
    [(split, found)] = problems(values)
    assert split == "train"
    assert found.startswith(problem)


def test_a_clip_that_is_too_short_when_made_faster(
    values: dict[str, Any], folder: Path
) -> None:
    frames = next(
        n for n in range(1, 200) if not problems_with(values, folder, n, fastest=1.0)
    )
    [(split, found)] = problems_with(values, folder, frames, fastest=2.0)
    assert split == "train"
    assert found.startswith("are too short when they are made faster")


def problems_with(
    values: dict[str, Any], folder: Path, frames: int, fastest: float
) -> Any:
    """What is found where the first clip has so many frames."""
    hop = values["frontend"]["hop_length"]
    soundfile.write(folder / "0.wav", np.full(frames * hop, 0.1), 2000)
    values["augmentation"] = {"speed": [1.0, fastest]}
    return problems(values)


def test_a_lower_rate(values: dict[str, Any]) -> None:
    values["frontend"]["sample_rate"] = 4000
    values["frontend"] |= {"window_length": 100, "hop_length": 40, "n_fft": 128}
    assert problems(values) == {
        ("train", "have a lower sample rate than 4000 Hz"): 4,
        ("validation", "have a lower sample rate than 4000 Hz"): 2,
    }


def test_copies_and_leaks(values: dict[str, Any], folder: Path) -> None:
    shutil.copy(folder / "0.wav", folder / "1.wav")
    shutil.copy(folder / "2.wav", folder / "4.wav")
    text = (folder / "m.tsv").read_text().replace("eve", "ann")
    (folder / "m.tsv").write_text(text)
    report = look(values)
    assert {(f.split, f.problem) for f in report.findings if f.is_error} == {
        ("train", "are copies of another sound with another transcript"),
        ("validation", "are sounds of the training set"),
    }
    [warning] = [f for f in report.findings if not f.is_error]
    assert warning.problem == "speakers speak in the training set too"
    assert warning.examples == ("ann",)
    assert report.summary() == "2 errors and 1 warning"
    levels = [line.split()[0] for line in report.lines() if line[0] != " "]
    assert levels == ["ERROR", "ERROR", "warning"]


def test_texts(values: dict[str, Any], folder: Path) -> None:
    text = (folder / "m.tsv").read_text()
    text = text.replace("\tab\t", "\t\t").replace("ab ab", "ab ?")
    (folder / "m.tsv").write_text(text)
    assert problems(values) == {
        ("train", "have an empty transcript"): 1,
        ("validation", "have characters that no training transcript has"): 1,
    }


@pytest.mark.parametrize("known", ["ab", "ab?"])
def test_characters_that_another_recognizer_knows(
    values: dict[str, Any], folder: Path, known: str
) -> None:
    (folder / "m.tsv").write_text(
        (folder / "m.tsv").read_text().replace("ab ab", "ab ?")
    )
    begin_with(values, folder / "run", lambda config: Characters(known))
    problem = "have characters that have no label"
    expected = {} if "?" in known else {("validation", problem): 1}
    assert problems(values) == expected
    values["vocabulary"] = {"case": "upper"}
    with pytest.raises(UserError, match=r"vocabulary\.case keep and the config upper"):
        look(values)


def begin_with(
    values: dict[str, Any],
    run: Path,
    labels: Callable[[SpeechRecognitionConfig], Labels],
) -> None:
    """Lets a config begin with a run of the same config that has these labels."""
    config = SpeechRecognitionConfig.model_validate_json(json.dumps(values))
    (run / "assets").mkdir(parents=True)
    save_labels(labels(config), run / "assets")
    (run / "config.yaml").write_text(dump_config(config))
    (run / "weights.npz").touch()
    values["model"]["pretrained"] = str(run)


WORDS = ["the quick brown", "fox jumps", "over the lazy", "dog", "the fox", "the dog"]


@pytest.mark.parametrize("pretrained", [False, True])
def test_pieces_are_looked_at(
    values: dict[str, Any], folder: Path, pretrained: bool
) -> None:
    rows = (folder / "m.tsv").read_text().splitlines()
    texts = [*WORDS[:5], "the d\u00f6g"]
    for number, text in enumerate(texts, start=1):
        cells = rows[number].split("\t")
        rows[number] = "\t".join([cells[0], text, *cells[2:]])
    (folder / "m.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    soundfile.write(folder / "1.wav", np.full(200, 0.1), 2000)  # 10 frames, 5 steps
    values["vocabulary"] = {"kind": "pieces", "size": 31}
    problem = "have characters that no training transcript has"
    if pretrained:
        begin_with(values, folder / "run", lambda c: learn_labels(c, WORDS))
        problem = "have characters that have no label"
    short = "are too short for their transcripts at model.subsampling 2"
    expected = {("train", short): 1, ("validation", problem): 1}
    assert problems(values) == expected
    [found] = [f for f in look(values).findings if f.is_error]
    assert "1.wav: 10 frames, " in found.examples[0]
    # To learn the pieces is not quick.
    config = SpeechRecognitionConfig.model_validate_json(json.dumps(values))
    quick = {(f.split, f.problem): f.count for f in look_at(config, True).findings}
    assert quick == (expected if pretrained else {})


def test_rows_of_joined_files(values: dict[str, Any], folder: Path) -> None:
    manifest = folder / "m.tsv"
    row = '["0.wav", 0.2, "1.wav"]\tab b a\tann\ttrain\n'
    manifest.write_text(manifest.read_text() + row * 2)
    config = SpeechRecognitionConfig.model_validate_json(json.dumps(values))
    for quick in (False, True):
        [found] = look_at(config, quick).findings
        assert (found.split, found.count) == ("train", 1)
        assert "copies" in found.problem


def test_a_quick_look_reads_headers_only(
    values: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soundfile.write(folder / "0.wav", np.full(40, 0.1), 2000)
    soundfile.write(folder / "1.wav", np.full(4400, 0.1), 2000)
    (folder / "2.wav").write_text("no sound")
    config = SpeechRecognitionConfig.model_validate_json(json.dumps(values))
    slow = {(f.split, f.problem, f.is_error) for f in look_at(config).findings}
    monkeypatch.delattr(check, "sample_blocks")
    quick = {(f.split, f.problem, f.is_error) for f in look_at(config, True).findings}
    assert quick == slow
    assert len(quick) == 3
