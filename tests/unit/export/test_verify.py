from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nlp_speech.bundle import Bundle
from nlp_speech.contract import Extras
from nlp_speech.errors import UserError
from nlp_speech.export.verify import VerifyReport, verify_bundle
from nlp_speech.runtime import load
from nlp_speech.runtime.litert import LiteRTPredictor
from nlp_speech.runtime.saved_model import SavedModelPredictor

INPUTS = ["hello", "", "zebra", "|"]


def _spoil(monkeypatch: pytest.MonkeyPatch, kind: Any, name: str, change: Any) -> None:
    """Lets predictors of one kind return something else as output `name`."""
    call = kind.__call__

    def changed(self: Any, endpoint: str, arrays: Any) -> Any:
        outputs = call(self, endpoint, arrays)
        return outputs | {name: change(outputs[name])}

    monkeypatch.setattr(kind, "__call__", changed)


def _failed(report: VerifyReport) -> list[tuple[str, str, str | None]]:
    return [(c.runtime, c.endpoint, c.variant) for c in report.checks if c.failure]


def test_all_runtimes_and_endpoints_are_compared(toy_bundle: Path) -> None:
    report = verify_bundle(Bundle.open(toy_bundle), INPUTS)
    assert report.ok
    assert report.first_difference is None
    assert report.examples == 4
    assert report.metric is None
    assert [(c.runtime, c.endpoint, c.variant) for c in report.checks] == [
        ("saved_model", "change", None),
        ("saved_model", "change_ids", None),
        ("keras", "change", None),
        ("keras", "change_ids", None),
        ("tflite", "change_ids", "float"),
        ("tflite", "change_ids", "dynamic"),
        ("tflite", "change_ids", "float16"),
    ]
    assert all(c.same == 4 for c in report.checks if c.variant != "dynamic")
    assert json.loads(json.dumps(report.as_dict()))["ok"] is True
    assert report.lines()[0] == "saved_model change: 4 of 4 the same"


def test_samples_serve_without_data(toy_bundle: Path) -> None:
    report = verify_bundle(Bundle.open(toy_bundle))
    assert (report.ok, report.examples) == (True, 4)


def test_the_float_file_is_made_again_if_it_was_not_shipped(toy_copy: Path) -> None:
    path = toy_copy / "metrics.json"
    metrics = json.loads(path.read_text())
    for name in ("model.float.tflite", "model.float16.tflite"):
        (toy_copy / name).unlink()
        del metrics["files"][name]
    path.write_text(json.dumps(metrics))
    before = sorted(p.name for p in toy_copy.iterdir())
    report = verify_bundle(Bundle.open(toy_copy), INPUTS)
    assert [c.variant for c in report.checks][-2:] == ["float", "dynamic"]
    assert report.ok
    assert sorted(p.name for p in toy_copy.iterdir()) == before


def test_limit(toy_bundle: Path) -> None:
    report = verify_bundle(Bundle.open(toy_bundle), INPUTS, limit=2)
    assert report.examples == 2
    assert {c.examples for c in report.checks} == {2}


def test_nothing_to_verify_with(toy_bundle: Path) -> None:
    bundle = Bundle.open(toy_bundle)
    with pytest.raises(UserError, match="nothing to verify with"):
        verify_bundle(bundle, [])
    with pytest.raises(UserError, match="4 inputs and 1 references"):
        verify_bundle(bundle, INPUTS, ["x"])


def test_first_difference_is_told(
    toy_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change(ids: np.ndarray) -> np.ndarray:
        return np.where(ids.shape[1] == 5, 0, ids)

    _spoil(monkeypatch, LiteRTPredictor, "ids", change)
    texts = [r.as_text() for r in load(toy_bundle, "keras")(INPUTS)]
    report = verify_bundle(Bundle.open(toy_bundle), INPUTS)
    assert not report.ok
    # Quantized files are judged by the metric, and there are no references.
    assert _failed(report) == [("tflite", "change_ids", "float")]
    assert report.first_difference == (
        "tflite float change_ids answers input 1 'hello' with '?????' where "
        f"saved_model change answers {texts[0]!r}"
    )
    assert report.checks[4].same == 2
    assert "2 of 4 the same; FAILED" in report.lines()[4]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite(
    toy_bundle: Path, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    _spoil(monkeypatch, LiteRTPredictor, "score", lambda x: np.full_like(x, value))
    report = verify_bundle(Bundle.open(toy_bundle), INPUTS)
    assert [v for _, _, v in _failed(report)] == ["float", "dynamic", "float16"]
    assert report.first_difference == (
        "tflite change_ids: output 'score' is not finite"
    )


def test_a_broken_server_ends_the_comparison(
    toy_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _spoil(monkeypatch, SavedModelPredictor, "score", lambda x: x + np.nan)
    report = verify_bundle(Bundle.open(toy_bundle), INPUTS)
    assert [c.runtime for c in report.checks] == ["saved_model"]
    assert not report.ok


@pytest.mark.parametrize(
    ("budget", "ok"), [(0.0, False), (24.9, False), (25.0, True), (100.0, True)]
)
def test_quantized_files_have_a_budget(
    toy_copy: Path, monkeypatch: pytest.MonkeyPatch, budget: float, ok: bool
) -> None:
    bundle = Bundle.open(toy_copy)
    export = bundle.config.export.model_copy(update={"budget": budget})
    config = bundle.config.model_copy(update={"export": export})
    bundle = Bundle(bundle.path, bundle.task, config, bundle.metrics)
    texts = [r.as_text() for r in load(toy_copy, "saved_model")(INPUTS)]
    call = LiteRTPredictor.__call__

    def changed(self: Any, endpoint: str, arrays: Any) -> Any:
        outputs = call(self, endpoint, arrays)
        if self.wrong and arrays["lengths"][0] == 1:
            outputs["ids"] = 0 * outputs["ids"]
        return outputs

    make = LiteRTPredictor.__init__

    def init(self: Any, path: Path, *options: Any, **named: Any) -> None:
        make(self, path, *options, **named)
        self.wrong = path.name == "model.tflite"

    monkeypatch.setattr(LiteRTPredictor, "__call__", changed)
    monkeypatch.setattr(LiteRTPredictor, "__init__", init)
    report = verify_bundle(bundle, INPUTS, texts)
    dynamic = next(c for c in report.checks if c.variant == "dynamic")
    assert (dynamic.score, dynamic.lost, dynamic.same) == (75.0, 25.0, 3)
    assert report.metric == "accuracy"
    assert report.ok is ok
    if not ok:
        assert report.first_difference == (
            "the dynamic device file loses 25.00 points of accuracy where "
            f"export.budget allows {budget:g}"
        )


def test_fewer_errors_are_no_loss() -> None:
    from nlp_speech.export.verify import _lost

    assert _lost("wer", 10.0, 12.0) == 2.0
    assert _lost("bleu", 10.0, 12.0) == -2.0
    assert _lost("bleu", None, None) is None


def _further(monkeypatch: pytest.MonkeyPatch, bundle: Bundle, way: Any) -> None:
    """Gives the toy task a further endpoint."""

    def ways(predictor: Any, assets: str) -> dict[str, Any]:
        return {"change_part": lambda given: way(predictor, assets, given)}

    monkeypatch.setattr(bundle.task, "EXTRAS", Extras(ways=ways))


def test_further_endpoints_are_compared(
    toy_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = Bundle.open(toy_bundle)
    task = bundle.task

    def change(predictor: Any, assets: str, given: str) -> Any:
        if given == "zebra":
            return None
        outputs = predictor("change_ids", task.before("change_ids", [given], assets))
        [result] = task.after("change_ids", outputs, [given], assets)
        # What it should be: the server's answer, or what is said here.
        return result, result if given == "|" else None

    _further(monkeypatch, bundle, change)
    report = verify_bundle(bundle, INPUTS)
    found = [c for c in report.checks if c.endpoint == "change_part"]
    assert report.ok
    assert [(c.runtime, c.variant) for c in found] == [
        ("saved_model", None),
        ("keras", None),
        ("tflite", "float"),
        ("tflite", "dynamic"),
        ("tflite", "float16"),
    ]
    assert {(c.examples, c.same, c.score) for c in found if c.variant != "dynamic"} == {
        (3, 3, None)
    }
    assert "saved_model change_part: 3 of 3 the same" in report.lines()


def test_a_further_endpoint_that_differs(
    toy_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = Bundle.open(toy_bundle)
    answers = load(toy_bundle, "keras")(INPUTS)
    _further(monkeypatch, bundle, lambda predictor, assets, given: (answers[2], None))
    report = verify_bundle(bundle, INPUTS)
    # A quantized file only has to run.
    assert _failed(report) == [
        ("saved_model", "change_part", None),
        ("keras", "change_part", None),
        ("tflite", "change_part", "float"),
    ]
    assert "change_part answers input 1 'hello'" in str(report.first_difference)


def test_a_runtime_that_fails_is_told(
    toy_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = Bundle.open(toy_bundle)

    def fail(self: Any, endpoint: str, arrays: Any) -> Any:
        raise RuntimeError("no kernel\nfor this")

    monkeypatch.setattr(LiteRTPredictor, "__call__", fail)
    report = verify_bundle(bundle, INPUTS)
    assert [v for _, _, v in _failed(report)] == ["float", "dynamic", "float16"]
    assert report.first_difference == "tflite change_ids fails: no kernel for this"
