"""A recognizer's language model: learned, kept, used the same by every runtime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from click.testing import Result
from pydantic import ValidationError
from typer.testing import CliRunner

from nlp_speech import cli
from nlp_speech.contract import Extras
from nlp_speech.decoding.arpa import END, read_arpa, write_arpa
from nlp_speech.decoding.fusion import Fusion, FusionOptions
from nlp_speech.decoding.ngram import estimate
from nlp_speech.errors import UserError
from nlp_speech.runtime import Model
from nlp_speech.tasks import speech_recognition as recognition
from nlp_speech.tasks.speech_recognition import (
    LABELS_FILE,
    Assets,
    after,
    training,
)
from nlp_speech.tasks.speech_recognition.language import (
    LANGUAGE_FILE,
    load_fusion,
    options_of,
    prepare_language,
)
from nlp_speech.tasks.speech_recognition.tuning import Grid, Heard, tune
from nlp_speech.text.labels import Characters

TEXTS = ["ab ad", "ab ad", "ac", "ab"]
SYMBOLS = ("", " ", "a", "b", "c", "d", "e", "f", "g")
LABELS = Characters(SYMBOLS[1:])


def spelled(text: str, other: str, share: float) -> np.ndarray:
    """Log-probabilities of a text, and of another one of the same length."""
    rows = []
    for first, second in zip(text, other, strict=True):
        row = np.full(len(SYMBOLS), 1e-4)
        row[SYMBOLS.index(first)] += share
        row[SYMBOLS.index(second)] += 1 - share
        blank = np.full(len(SYMBOLS), 1e-4)
        blank[0] = 1
        rows += [row, blank]
    values = np.array(rows)
    return np.log(values / values.sum(-1, keepdims=True)).astype(np.float32)


def outputs_of(log_probs: np.ndarray, ids: list[int]) -> dict[str, np.ndarray]:
    """What an endpoint returns for one sound."""
    count = len(ids)
    return {
        "ids": np.array([[ids]], np.int32),
        "lengths": np.array([[count]], np.int32),
        "score": np.array([[-3.0]], np.float32),
        "starts": np.arange(count, dtype=np.int32)[None] * 2,
        "ends": np.arange(count, dtype=np.int32)[None] * 2 + 1,
        "confidence": np.full([1, count], 0.5, np.float32),
        "log_probs": log_probs[None],
        "steps": np.array([len(log_probs)], np.int32),
    }


def assets_of(small: Any, config: Any, fusion: Fusion | None) -> Assets:
    assets, _ = small.recognizer(config)
    assert assets.labels.symbols == SYMBOLS
    return Assets(config, assets.labels, assets.front_end, fusion)


def test_learned_from_transcripts_and_text(small: Any, tmp_path: Path) -> None:
    written = "DA, \u201cda\u201d!\n\n...\n20 da\nzz\n"
    (tmp_path / "more.txt").write_text(written, encoding="utf-8")
    (tmp_path / "more.tsv").write_text("cab\tx\n", encoding="utf-8")
    files = [
        {"file": str(tmp_path / "more.txt")},
        {"file": str(tmp_path / "more.tsv"), "text": 0},
    ]
    config = small.config(
        language={"order": 2, "text": files}, vocabulary={"case": "lower"}
    )
    prepare_language(config, TEXTS, LABELS, tmp_path)
    expected = estimate((t.split() for t in [*TEXTS, "da da", "cab"]), 2)
    found = read_arpa(tmp_path / LANGUAGE_FILE)
    for sentence in (["ab", "ad"], ["da"], ["cab"], ["zz"]):
        assert found.sentence(sentence) == pytest.approx(
            expected.sentence(sentence), abs=1e-5
        )
    fusion = load_fusion(config, tmp_path)
    assert fusion is not None
    assert fusion.model is not None
    value, _ = fusion.model.score(fusion.model.start(), END)
    assert value == pytest.approx(expected.score(expected.start(), END)[0], abs=1e-5)


def test_an_arpa_file_of_the_user(small: Any, tmp_path: Path) -> None:
    write_arpa(estimate([["fa"]], 1), tmp_path / "mine.arpa")
    config = small.config(language={"file": str(tmp_path / "mine.arpa")})
    (tmp_path / "assets").mkdir()
    prepare_language(config, TEXTS, LABELS, tmp_path / "assets")
    found = read_arpa(tmp_path / "assets" / LANGUAGE_FILE)
    assert [word for word, _ in found.words()] == ["fa"]


def test_an_arpa_file_in_another_case(
    small: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "mine.arpa"
    config = small.config(language={"file": str(path)})
    write_arpa(estimate([["FA", "AB"]], 1), path)
    with pytest.raises(UserError, match=r"mine\.arpa: no word of this model can be"):
        prepare_language(config, TEXTS, LABELS, tmp_path)
    write_arpa(estimate([["FA", "AB", "ab"]], 1), path)
    prepare_language(config, TEXTS, LABELS, tmp_path)
    assert "2 of 3 words cannot be written" in caplog.text


def test_hot_words_of_a_config_get_its_case(small: Any, tmp_path: Path) -> None:
    case, section = {"case": "lower"}, {"hot_words": {"AB": 2.0}}
    config = small.config(vocabulary=case, language=section)
    prepare_language(config, TEXTS, LABELS, tmp_path)
    assert options_of(config).hot_words == {"ab": 2.0}
    config = small.config(vocabulary=case, language={"hot_words": {"naïve": 2.0}})
    with pytest.raises(UserError, match="'naïve' cannot be a hot word"):
        prepare_language(config, TEXTS, LABELS, tmp_path)


def test_no_language_is_no_file(small: Any, tmp_path: Path) -> None:
    prepare_language(small.config(), TEXTS, LABELS, tmp_path)
    assert not list(tmp_path.iterdir())
    assert load_fusion(small.config(), tmp_path) is None
    hot = load_fusion(small.config(language={"hot_words": {"ad": 2.0}}), tmp_path)
    assert hot is not None
    assert hot.model is None


def test_after_decodes_again_with_the_language(small: Any) -> None:
    log_probs = spelled("ab ac", "ab ad", 0.6)
    ids = [SYMBOLS.index(c) for c in "ab ac"]
    outputs = outputs_of(log_probs, ids)
    plain = assets_of(small, small.config(), None)
    [transcript] = after("recognize_labels", outputs, [""], plain)
    assert transcript.text == "ab ac"
    config = small.config(language={"order": 2, "weight": 1.0})
    fusion = Fusion(estimate((t.split() for t in TEXTS), 2), options_of(config))
    [transcript] = after("recognize", outputs, [""], assets_of(small, config, fusion))
    assert transcript.text == "ab ad"
    assert transcript.n_best[0].score == transcript.score
    assert len(transcript.n_best) <= config.decoding.beam_size
    # Each label lasts one step, and a blank follows.
    unit = plain.seconds_per_step
    assert [(w.text, w.start, w.end) for w in transcript.words] == [
        ("ab", 0.0, pytest.approx(3 * unit)),
        ("ad", pytest.approx(6 * unit), pytest.approx(9 * unit)),
    ]
    assert transcript.words[0].confidence == pytest.approx(1, abs=2e-3)
    assert transcript.words[1].confidence == pytest.approx(0.4, abs=2e-3)


@pytest.mark.parametrize("processes", [1, 2])
def test_tuning_finds_the_weight_that_helps(
    small: Any, tmp_path: Path, processes: int
) -> None:
    pairs = [("ab ac", "ab ad"), ("ab ad", "ab ac"), ("ac", "ad")]
    heard = Heard([spelled(a, b, 0.6) for a, b in pairs], small.config(), SYMBOLS)
    references = ["ab ad", "ab ad", "ac"]
    model = estimate((t.split() for t in TEXTS), 2)
    path = tmp_path / LANGUAGE_FILE
    write_arpa(model, path)
    given = path if processes > 1 else model
    grid = Grid(weights=(0.0, 1.0), bonuses=(0.0, 1.0), penalties=(4.0,))
    found = list(tune(heard, references, given, grid, processes))
    rates = {(o.weight, o.word_bonus): rate for rate, o in found}
    assert list(rates) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert {o.unknown_penalty for _, o in found} == {4.0}
    # One of five words is wrong without the model, and none with it.
    assert rates[0.0, 0.0] == pytest.approx(20)
    assert rates[1.0, 0.0] == 0


def test_a_grid_without_penalties_has_the_config_s(small: Any) -> None:
    config = small.config(language={"unknown_penalty": 7, "hot_words": {"ab": 1}})
    options = Grid(weights=(0, 1), bonuses=(0, 1, 2)).options(config)
    assert len(options) == 6
    assert {o.unknown_penalty for o in options} == {7}
    assert all(o.hot_words == {"ab": 1} for o in options)


@pytest.mark.parametrize(
    "section",
    [{"order": 2, "file": "m.arpa"}, {"hot_words": {"two words": 1.0}}, {"order": 9}],
)
def test_a_wrong_section_is_refused(small: Any, section: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        small.config(language=section)


def test_missing_files_are_named(small: Any, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    with pytest.raises(UserError, match="missing"):
        prepare_language(
            small.config(language={"file": missing}), TEXTS, LABELS, tmp_path
        )
    config = small.config(language={"order": 1, "text": [{"file": missing}]})
    with pytest.raises(UserError, match="missing"):
        prepare_language(config, TEXTS, LABELS, tmp_path)
    (tmp_path / "other.txt").write_text("AB\n", encoding="utf-8")
    files = [{"file": str(tmp_path / "other.txt")}]
    config = small.config(language={"order": 1, "text": files})
    with pytest.raises(UserError, match=r"other\.txt: .*set vocabulary\.case"):
        prepare_language(config, TEXTS, LABELS, tmp_path)
    with pytest.raises(ValidationError, match="columns are counted from 0"):
        small.config(language={"order": 1, "text": [{"file": "a.tsv", "text": -1}]})
    named = small.config(language={"order": 1, "text": [str(tmp_path / "other.txt")]})
    assert named == config
    with pytest.raises(UserError, match=LANGUAGE_FILE):
        load_fusion(small.config(language={"order": 1}), tmp_path)


def test_a_changed_config_gets_another_model(small: Any, tmp_path: Path) -> None:
    manifest = tmp_path / "m.tsv"
    # Nobody needs the sound itself.
    manifest.write_text("path\ttranscript\nnone.wav\tAB ad\n")
    split = {"manifest": str(manifest)}
    data = {"train": [split], "validation": [split]}
    bare = small.config(data=data)
    light = small.config(data=data, language={"order": 2, "weight": 0.1})
    heavy = small.config(
        data=data, language={"order": 2, "weight": 0.9}, vocabulary={"case": "lower"}
    )
    assert training.renewal(heavy, light) is None
    LABELS.save(tmp_path / LABELS_FILE)
    renewed(heavy, bare, tmp_path)
    assert dict(read_arpa(tmp_path / LANGUAGE_FILE).words()).keys() == {"ab", "ad"}
    other = small.config(data=data, language={"order": 2}, vocabulary={"case": "upper"})
    with pytest.raises(UserError, match=r"vocabulary\.case upper .* another case"):
        renewed(other, bare, tmp_path)
    manifest.unlink()
    renewed(bare, heavy, tmp_path)
    assert not (tmp_path / LANGUAGE_FILE).exists()


def renewed(config: Any, before: Any, directory: Path) -> None:
    renew = training.renewal(config, before)
    assert renew is not None
    renew(directory)


@pytest.fixture
def predict(small: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs `predict` with a model that hears "ab ac", or less likely "ab ad"."""
    outputs = outputs_of(
        spelled("ab ac", "ab ad", 0.6), [SYMBOLS.index(c) for c in "ab ac"]
    )

    def run(*words: str, fusion: Fusion | None = None, task: Any = recognition) -> Any:
        config = small.config()
        assets = assets_of(small, config, fusion)
        bundle: Any = SimpleNamespace(
            task=task, config=config, load_assets=lambda: assets
        )
        predictor = Mock(return_value=outputs, runtime="tflite", max_batch_size=1)
        model = Model(bundle, predictor)
        monkeypatch.setattr(cli, "load_model", lambda *_: model)
        given = ["predict", "bundle", "generated:tone:440:0.2", *words]
        return CliRunner().invoke(cli.app, given)

    return run


def test_hot_words_for_files(predict: Callable[..., Result]) -> None:
    assert predict().output == "ab ac\n"
    assert predict("--hot-word", "ad").output == "ab ad\n"
    assert predict("--hot-word", "ad=0.1").output == "ab ac\n"
    assert predict("--hot-word", "ad", "--hot-word", "ac").output == "ab ac\n"
    # Beside a language model, which goes on to count.
    model = estimate([["ab", "ad"]] * 9, 2)
    fusion = Fusion(model, FusionOptions(weight=0.5))
    assert predict(fusion=fusion).output == "ab ad\n"
    assert predict("--hot-word", "ac=9", fusion=fusion).output == "ab ac\n"


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("a b", "cannot be a hot word"),
        ("z", "cannot"),
        ("a=much", "WORD=BONUS"),
        ("a=nan", "finite"),
    ],
)
def test_words_that_cannot_be_expected(
    predict: Callable[..., Result], word: str, message: str
) -> None:
    done = predict("--hot-word", word)
    assert isinstance(done.exception, UserError)
    assert message in str(done.exception)


def test_a_task_that_hears_nothing_expects_no_words(
    predict: Callable[..., Result],
) -> None:
    task = SimpleNamespace(NAME="translation", EXTRAS=Extras())
    done = predict("--hot-word", "ad", task=task)
    assert isinstance(done.exception, UserError)
    assert str(done.exception) == "a translation model hears no words to expect"
