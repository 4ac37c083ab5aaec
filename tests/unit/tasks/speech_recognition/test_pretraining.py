"""A recognizer that begins with another one hears as that one does."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

from nlp_speech.config import dump_config
from nlp_speech.errors import UserError
from nlp_speech.export import _copy_assets
from nlp_speech.tasks import speech_recognition
from nlp_speech.tasks.speech_recognition import training
from nlp_speech.tasks.speech_recognition.config import SpeechRecognitionConfig
from nlp_speech.weights import read_arrays, save_weights, weights_by_path

SYMBOLS = ("", *" abcdefg")


def run_of(small: SimpleNamespace, directory: Path, **changes: Any) -> Any:
    """A run as training leaves it behind, with random weights; gives the model."""
    config = small.config(**changes)
    assets, model = small.recognizer(config)
    (directory / "assets").mkdir(parents=True)
    assets.labels.save(directory / "assets/labels.json")
    assets.front_end.statistics.save(directory / "assets/features.npz")
    save_weights(model, directory / "weights.npz")
    (directory / "config.yaml").write_text(dump_config(config), encoding="utf-8")
    return model


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Two recordings, whose transcripts have a letter that the other does not know."""
    path = tmp_path / "m.tsv"
    path.write_text("path\ttranscript\n0.wav\tbad cab\n1.wav\ta bäd\n")
    for n in range(2):
        tone = 0.3 * np.sin(np.arange(900) * (0.2 + n))
        soundfile.write(tmp_path / f"{n}.wav", tone, 1000)
    return path


def config_of(
    small: SimpleNamespace, manifest: Path, run: Path, **changes: Any
) -> SpeechRecognitionConfig:
    split = [{"manifest": str(manifest)}]
    changes["model"] = {"pretrained": str(run), **changes.get("model", {})}
    return small.config(data={"train": split, "validation": split}, **changes)


def test_it_answers_as_the_other_one(
    tmp_path: Path, manifest: Path, small: SimpleNamespace
) -> None:
    theirs = run_of(small, tmp_path / "run")
    config = config_of(small, manifest, tmp_path / "run")
    training.prepare(config, tmp_path / "assets")
    # From here on the run does not need the other recognizer.
    statistics = np.load(tmp_path / "run/assets/features.npz")["mean"]
    shutil.rmtree(tmp_path / "run")
    assets = speech_recognition.load_assets(config, tmp_path / "assets")
    ours = training.build(config, assets)
    np.testing.assert_array_equal(assets.front_end.statistics.mean, statistics)

    # All of its labels, and the new one.
    assert assets.labels.symbols == (*SYMBOLS, "ä")
    x = np.random.default_rng(0).normal(size=[2, 12, 6]).astype(np.float32)
    lengths = np.array([12, 8], np.int32)
    answer, expected = ours(x, lengths)[0], theirs(x, lengths)[0]
    np.testing.assert_array_equal(answer[..., : len(SYMBOLS)], expected)
    assert np.std(answer[..., -1]) > 0


def test_labels_move_with_their_weights(
    tmp_path: Path, manifest: Path, small: SimpleNamespace
) -> None:
    theirs = run_of(small, tmp_path / "run")
    manifest.write_text("path\ttranscript\n0.wav\tA bad\n")
    config = config_of(small, manifest, tmp_path / "run")
    training.prepare(config, tmp_path / "assets")
    assets = speech_recognition.load_assets(config, tmp_path / "assets")
    assert assets.labels.symbols == ("", " ", "A", *"abcdefg")
    kernel = weights_by_path(theirs)["kernel"].numpy()
    moved = weights_by_path(training.build(config, assets))["kernel"].numpy()
    np.testing.assert_array_equal(np.delete(moved, 2, axis=1), kernel)


PIECES = {"kind": "pieces", "size": 24}


def pieces_run(small: SimpleNamespace, manifest: Path, directory: Path) -> Path:
    """A finished run of a recognizer that writes pieces."""
    manifest.write_text("path\ttranscript\n0.wav\tthe quick brown\n1.wav\tfox jumps\n")
    split = [{"manifest": str(manifest)}]
    data = {"train": split, "validation": split}
    config = small.config(data=data, vocabulary=PIECES)
    run = directory / "run"
    training.prepare(config, run / "assets")
    assets = speech_recognition.load_assets(config, run / "assets")
    save_weights(training.build(config, assets), run / "weights.npz")
    (run / "config.yaml").write_text(dump_config(config), encoding="utf-8")
    return run


def test_pieces_are_those_of_the_other_one(
    tmp_path: Path, manifest: Path, small: SimpleNamespace
) -> None:
    run = pieces_run(small, manifest, tmp_path)
    config = config_of(small, manifest, run, vocabulary=PIECES)
    training.prepare(config, tmp_path / "assets")
    assets = speech_recognition.load_assets(config, tmp_path / "assets")
    ours = weights_by_path(training.build(config, assets))
    for path, weight in read_arrays(run / "weights.npz").items():
        np.testing.assert_array_equal(np.asarray(ours[path]), weight, path)


def test_a_bundle_does_not_hold_what_it_began_with(
    tmp_path: Path, manifest: Path, small: SimpleNamespace
) -> None:
    run_of(small, tmp_path / "run")
    config = config_of(small, manifest, tmp_path / "run")
    training.prepare(config, tmp_path / "assets")
    (tmp_path / "bundle").mkdir()
    _copy_assets(tmp_path / "assets", tmp_path / "bundle")
    load = speech_recognition.load_assets
    assert load(config, tmp_path / "assets").pretrained is not None
    assert load(config, tmp_path / "bundle").pretrained is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"units": 9}}, r"recognizer has model\.units 8 and the config 9"),
        ({"model": {"bidirectional": True}}, r"model\.bidirectional False and"),
        ({"frontend": {"n_mels": 7}}, r"frontend\.n_mels 6 and the config 7"),
        ({"frontend": {"normalization": "global"}}, r"frontend\.normalization running"),
        ({"vocabulary": {"case": "upper"}}, r"vocabulary\.case keep and the config up"),
        ({"vocabulary": {"kind": "pieces"}}, r"vocabulary\.kind characters and the"),
    ],
)
def test_one_that_hears_otherwise(
    tmp_path: Path,
    manifest: Path,
    small: SimpleNamespace,
    changes: dict[str, Any],
    message: str,
) -> None:
    run_of(small, tmp_path / "run")
    config = config_of(small, manifest, tmp_path / "run", **changes)
    with pytest.raises(UserError, match=message):
        training.prepare(config, tmp_path / "assets")


def test_what_it_begins_with_is_looked_at_first(
    tmp_path: Path, manifest: Path, small: SimpleNamespace
) -> None:
    (tmp_path / "0.wav").write_text("no sound: decoding it would fail")
    config = config_of(small, manifest, tmp_path / "nowhere")
    with pytest.raises(UserError, match="there is no trained model"):
        training.prepare(config, tmp_path / "assets")
    assert not (tmp_path / "assets").exists()


def test_pieces_that_cannot_spell_a_transcript(
    tmp_path: Path,
    manifest: Path,
    small: SimpleNamespace,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = pieces_run(small, manifest, tmp_path)
    manifest.write_text("path\ttranscript\n0.wav\tthe f\u00f6x\n1.wav\tthe quick\n")
    config = config_of(small, manifest, run, vocabulary=PIECES)
    training.prepare(config, tmp_path / "assets")
    assert "1 transcripts lose characters" in caplog.text
    larger = {**PIECES, "size": 30}
    config = config_of(small, manifest, run, vocabulary=larger)
    with pytest.raises(UserError, match=r"vocabulary\.size 24 and the config 30"):
        training.prepare(config, tmp_path / "assets")
