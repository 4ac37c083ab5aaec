"""Compares the runtimes of a bundle on the same inputs.

Float against float, every input must get the same answer: from Keras, the SavedModel
and the float device file, from the server's endpoint and from the device's. A quantized
device file may lose `export.budget` points of the task's metric where there are
references; without them it has to run. No runtime may return a number that is not
finite. What else answers the same inputs, such as a stream, is run on the first few.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nlp_speech.bundle import TEXT_VARIANT, VARIANT_FILES, Bundle
from nlp_speech.contract import LOWER_IS_BETTER, Predictor, Way, same_answer
from nlp_speech.errors import UserError
from nlp_speech.export.tflite import convert_bundle
from nlp_speech.progress import shown
from nlp_speech.runtime import Model, load
from nlp_speech.runtime.examples import draw
from nlp_speech.runtime.litert import LiteRTPredictor

WAYS_LIMIT = 50
"""The inputs that each further endpoint is run on: they are given one by one."""

_Row = tuple[str, Any, Any]  # an input, its answer, and what that should be


@dataclass(frozen=True)
class Check:
    """One runtime and endpoint, compared.

    Attributes:
        runtime: what ran.
        endpoint: the endpoint that it ran.
        variant: of the device file, or None on a server runtime.
        examples: how many inputs it was given.
        same: how many of them got the answer that they should: the SavedModel's.
        score: the task's metric, or None without references.
        lost: how much worse than the SavedModel's that is, in the metric's unit.
        failure: what is wrong, or None.
    """

    runtime: str
    endpoint: str
    variant: str | None
    examples: int
    same: int
    score: float | None = None
    lost: float | None = None
    failure: str | None = None

    def line(self) -> str:
        """The check as one line for a terminal."""
        name = f"{self.runtime}{' ' + self.variant if self.variant else ''}"
        text = f"{name} {self.endpoint}: {self.same} of {self.examples} the same"
        if self.score is not None and self.lost is not None:
            text += f", metric {self.score:.2f} ({0.0 - self.lost:+.2f})"
        return text + (f"; FAILED: {self.failure}" if self.failure else "")


@dataclass(frozen=True)
class VerifyReport:
    """What `verify_bundle` found.

    Attributes:
        examples: the inputs given to each runtime.
        metric: the task's metric, or None without references.
        checks: what was compared, in order.
    """

    examples: int
    metric: str | None
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether every check passed."""
        return self.first_difference is None

    @property
    def first_difference(self) -> str | None:
        """What the first failed check found, or None."""
        return next((c.failure for c in self.checks if c.failure), None)

    def as_dict(self) -> dict[str, Any]:
        """The report as plain JSON data."""
        return {
            "ok": self.ok,
            **asdict(self),
            "checks": [asdict(c) for c in self.checks],
        }

    def lines(self) -> list[str]:
        """The report for a terminal, a line for each check."""
        return [check.line() for check in self.checks]


@dataclass(frozen=True)
class _Truth:
    """What the SavedModel's server endpoint answered: all else is compared with it."""

    inputs: Sequence[str]
    references: Sequence[str] | None
    results: Sequence[Any]
    score: float | None


class _StrictPredictor:
    """A predictor that raises `UserError` where it fails or a number is not finite."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self.runtime = predictor.runtime
        self.max_batch_size = predictor.max_batch_size
        self.endpoints = predictor.endpoints

    def __call__(
        self, endpoint: str, arrays: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        try:
            outputs = self._predictor(endpoint, arrays)
        except UserError:
            raise
        except Exception as error:  # each runtime has classes of its own
            cause = " ".join(str(error).split())[:300] or repr(error)
            raise UserError(f"{self.runtime} {endpoint} fails: {cause}") from error
        for name, value in outputs.items():
            is_float = np.issubdtype(value.dtype, np.floating)
            if is_float and not np.isfinite(value).all():
                raise UserError(
                    f"{self.runtime} {endpoint}: output {name!r} is not finite"
                )
        return outputs


def verify_bundle(
    bundle: Bundle,
    inputs: Sequence[str] | None = None,
    references: Sequence[str] | None = None,
    limit: int | None = None,
    float_file: Path | None = None,
) -> VerifyReport:
    """Compares the runtimes of a bundle.

    Args:
        bundle: what is verified.
        inputs: the inputs to compare on, or None for the samples in the bundle.
        references: the right answers, or None: then quantized files only have to run.
        limit: so many examples only, drawn by the config's seed, or None for all.
        float_file: the float device file if it is not in the bundle; made again from
            the bundle's weights if None.

    Raises:
        UserError: there are no inputs, or not a reference for each.
    """
    if inputs is None:
        inputs, references = [s["input"] for s in bundle.samples()], None
    if references is not None and len(inputs) != len(references):
        raise UserError(
            f"there are {len(inputs)} inputs and {len(references)} references; give "
            "one reference for each input"
        )
    some = draw(len(inputs), limit, bundle.config.seed)
    inputs = [inputs[n] for n in some]
    references = None if references is None else [references[n] for n in some]
    if not inputs:
        raise UserError("there is nothing to verify with; give at least one input")
    metric = None if references is None else bundle.task.METRIC
    with tempfile.TemporaryDirectory(prefix="nlp-speech-verify-") as scratch:
        files = _device_files(bundle, float_file, Path(scratch))
        checks = tuple(_checks(bundle, inputs, references, files))
    return VerifyReport(len(inputs), metric, checks)


def _device_files(
    bundle: Bundle, float_file: Path | None, scratch: Path
) -> dict[str, Path]:
    """The device files to verify: all in the bundle, and the float one in any case."""
    files = {name: bundle.path / VARIANT_FILES[name] for name in bundle.variants}
    if "float" not in files and float_file is not None:
        files["float"] = float_file
    elif "float" not in files and bundle.metrics["device"]:
        files |= convert_bundle(bundle, ("float",), scratch)
    return dict(sorted(files.items(), key=lambda item: item[0] != "float"))


def _checks(
    bundle: Bundle,
    inputs: Sequence[str],
    references: Sequence[str] | None,
    files: Mapping[str, Path],
) -> Iterator[Check]:
    """Runs every runtime; the first one is what the others are compared with."""
    server, device = bundle.task.SERVER_ENDPOINT, bundle.task.DEVICE_ENDPOINT
    saved_model = _strict(load(bundle, "saved_model"))
    try:
        with shown("saved_model", len(inputs), "inputs") as advance:
            results = saved_model(inputs, endpoint=server, advance=advance)
    except UserError as error:
        yield Check("saved_model", server, None, len(inputs), 0, failure=str(error))
        return
    score = _score(bundle, results, references)
    truth = _Truth(inputs, references, results, score)
    count = len(inputs)
    yield Check("saved_model", server, None, count, count, score, score and 0.0)
    yield _check(saved_model, device, truth)
    yield from _further_checks(saved_model, truth)
    keras = _strict(load(bundle, "keras"))
    yield _check(keras, server, truth)
    yield _check(keras, device, truth)
    yield from _further_checks(keras, truth)
    for variant, path in files.items():
        with_text = variant == TEXT_VARIANT
        predictor = LiteRTPredictor(path, text_operators=with_text)
        model = _strict(Model(bundle, predictor, variant))
        yield _check(model, model.endpoint, truth)
        yield from _further_checks(model, truth)


def _strict(model: Model) -> Model:
    return Model(model.bundle, _StrictPredictor(model.predictor), model.variant)


def _score(
    bundle: Bundle, results: Sequence[Any], references: Sequence[str] | None
) -> float | None:
    if references is None:
        return None
    metrics, _ = bundle.task.score(results, references)
    return float(metrics[bundle.task.METRIC])


def _check(model: Model, endpoint: str, truth: _Truth) -> Check:
    """Runs one runtime and endpoint and compares it with the truth."""
    count = len(truth.inputs)
    try:
        with shown(_name(model), count, "inputs") as advance:
            results = model(truth.inputs, endpoint=endpoint, advance=advance)
    except UserError as error:
        return Check(
            model.runtime, endpoint, model.variant, count, 0, failure=str(error)
        )
    same = sum(map(same_answer, results, truth.results))
    score = _score(model.bundle, results, truth.references)
    lost = _lost(model.task.METRIC, truth.score, score)
    if _is_float(model):
        rows = zip(truth.inputs, results, truth.results, strict=True)
        failure = _first_difference(model, endpoint, rows)
    else:
        failure = _over_budget(model, lost)
    return Check(
        model.runtime, endpoint, model.variant, count, same, score, lost, failure
    )


def _further_checks(model: Model, truth: _Truth) -> Iterator[Check]:
    """Runs what else of a model answers the same inputs."""
    ways = model.task.EXTRAS.ways
    if ways is not None:
        for endpoint, way in ways(model.predictor, model.assets).items():
            yield _further_check(model, endpoint, way, truth)


def _further_check(model: Model, endpoint: str, way: Way, truth: _Truth) -> Check:
    """Compares a further endpoint; a quantized one only has to run."""
    inputs = truth.inputs[:WAYS_LIMIT]
    rows: list[_Row] = []
    try:
        with shown(_name(model), len(inputs), "inputs") as advance:
            for given, answer in zip(inputs, truth.results, strict=False):
                if (pair := way(given)) is not None:
                    found, expected = pair
                    rows.append((given, found, expected or answer))
                if advance is not None:
                    advance(1)
    except UserError as error:
        return Check(
            model.runtime, endpoint, model.variant, len(rows), 0, failure=str(error)
        )
    same = sum(same_answer(found, expected) for _, found, expected in rows)
    failure = _first_difference(model, endpoint, rows) if _is_float(model) else None
    return Check(
        model.runtime, endpoint, model.variant, len(rows), same, failure=failure
    )


def _is_float(model: Model) -> bool:
    return model.variant in (None, "float")


def _name(model: Model) -> str:
    return " ".join(filter(None, (model.runtime, model.variant)))


def _lost(metric: str, before: float | None, after: float | None) -> float | None:
    if before is None or after is None:
        return None
    return after - before if metric in LOWER_IS_BETTER else before - after


def _first_difference(model: Model, endpoint: str, rows: Iterable[_Row]) -> str | None:
    for number, (given, found, expected) in enumerate(rows, start=1):
        if not same_answer(found, expected):
            return (
                f"{_name(model)} {endpoint} answers input {number} "
                f"{given!r} with {found.as_text()!r} where saved_model "
                f"{model.task.SERVER_ENDPOINT} answers {expected.as_text()!r}"
            )
    return None


def _over_budget(model: Model, lost: float | None) -> str | None:
    budget = model.config.export.budget
    # Rounded, so that a loss of exactly the budget is not refused for its last digit.
    if lost is None or round(lost, 6) <= budget:
        return None
    return (
        f"the {model.variant} device file loses {lost:.2f} points of "
        f"{model.task.METRIC} where export.budget allows {budget:g}"
    )
