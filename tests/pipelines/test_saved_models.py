"""The committed bundles are whole, small, and answer as on the day they were made."""

from __future__ import annotations

from pathlib import Path

import pytest

import nlp_speech
from nlp_speech.bundle import Bundle
from nlp_speech.export import verify_bundle

FOLDER = Path(__file__).parents[2] / "saved_models"
BUNDLES = sorted(path for path in FOLDER.iterdir() if path.is_dir())


def test_there_are_bundles() -> None:
    assert "translation_en_de" in {path.name for path in BUNDLES}


@pytest.mark.parametrize("path", BUNDLES, ids=lambda path: path.name)
def test_is_small_and_says_its_licences(path: Path) -> None:
    bundle = Bundle.open(path)
    files = [file for file in bundle.path.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < 30e6
    assert bundle.license
    assert bundle.data_licenses
    assert f"license: {bundle.license}" in bundle.path.joinpath("README.md").read_text(
        encoding="utf-8"
    ).replace('"', "")


@pytest.mark.parametrize("path", BUNDLES, ids=lambda path: path.name)
def test_answers_its_samples(path: Path) -> None:
    samples = Bundle.open(path).samples()
    model = nlp_speech.load(path, runtime="saved_model")
    answers = [result.as_text() for result in model([s["input"] for s in samples])]
    assert answers == [sample["output"] for sample in samples]


@pytest.mark.parametrize("path", BUNDLES, ids=lambda path: path.name)
def test_runtimes_agree(path: Path) -> None:
    bundle = Bundle.open(path)
    report = verify_bundle(bundle, [s["input"] for s in bundle.samples()])
    assert report.ok, report.first_difference


def test_translates_a_caption_on_the_device() -> None:
    translator = nlp_speech.load(FOLDER / "translation_en_de", runtime="tflite")
    [answer] = translator(["Two men are talking."])
    assert answer.text == "Zwei Männer unterhalten sich."
