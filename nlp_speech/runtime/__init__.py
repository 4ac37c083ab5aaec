"""Runs a bundle: Keras, SavedModel or LiteRT, one call for all three.

Nothing here imports TensorFlow unless a runtime is asked for that needs it.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any

from nlp_speech.bundle import SAVED_MODEL_FILE, TEXT_VARIANT, Bundle
from nlp_speech.contract import Predictor, Task
from nlp_speech.errors import UserError
from nlp_speech.progress import Advance

OnBad = Callable[[str, UserError], None]
RUNTIMES = ("auto", "keras", "saved_model", "tflite")


class Model:
    """A bundle that answers: inputs in, results out.

    Attributes:
        bundle: what it was loaded from.
        predictor: what runs it.
        variant: which device file it runs, or None on a server runtime.
        assets: what the task learned from its data.
    """

    def __init__(
        self, bundle: Bundle, predictor: Predictor, variant: str | None = None
    ) -> None:
        """Puts a predictor behind a bundle's task; see `load`."""
        self.bundle = bundle
        self.predictor = predictor
        self.variant = variant
        self.assets = bundle.load_assets()

    @property
    def task(self) -> Task:
        """The light side of its task."""
        return self.bundle.task

    @property
    def config(self) -> Any:
        """The config it was made from."""
        return self.bundle.config

    @property
    def runtime(self) -> str:
        """What runs it: ``keras``, ``saved_model`` or ``tflite``."""
        return self.predictor.runtime

    @property
    def license(self) -> str:
        """The licence of the bundle, or an empty string if it was not stated."""
        return self.bundle.license

    @property
    def data_licenses(self) -> tuple[str, ...]:
        """The licences of the data it was trained on."""
        return self.bundle.data_licenses

    @property
    def endpoint(self) -> str:
        """The endpoint run when none is asked for."""
        if self.variant == TEXT_VARIANT and self.task.TEXT_ENDPOINT is not None:
            return self.task.TEXT_ENDPOINT
        on_device = self.runtime == "tflite"
        return self.task.DEVICE_ENDPOINT if on_device else self.task.SERVER_ENDPOINT

    def __call__(
        self,
        inputs: Sequence[str],
        *,
        batch_size: int = 32,
        endpoint: str | None = None,
        on_bad: OnBad | None = None,
        advance: Advance | None = None,
    ) -> list[Any]:
        """Answers each input.

        Args:
            inputs: any number of them, in any order: those of like length are run
                together, and the composition of a batch changes no answer.
            batch_size: inputs run together at most; a device file runs one at a time.
            endpoint: which of the task's endpoints; None for the runtime's own.
            on_bad: told of each input that cannot be read and why; its result is None
                then. Without it such an input is an error.
            advance: told how many more inputs are done, bad ones as well.

        Returns:
            A result for each input, in the order of `inputs`.

        Raises:
            UserError: `batch_size` is not positive, or there is no such endpoint.
            TypeError: `inputs` is a single string.
        """
        return answer(
            self.task,
            self.assets,
            self.predictor,
            inputs,
            batch_size=batch_size,
            endpoint=endpoint or self.endpoint,
            on_bad=on_bad,
            advance=advance,
        )

    def expecting(self, words: Mapping[str, float]) -> Model:
        """The model with some words that it is to expect, besides the config's.

        Args:
            words: each with what is added to the score in nats, such as 4.

        Returns:
            Another model, which shares what runs it with this one.

        Raises:
            UserError: the task hears no words, or cannot write one of these.
        """
        with_words = self.task.EXTRAS.expecting
        if with_words is None:
            raise UserError(f"a {self.task.NAME} model hears no words to expect")
        other = copy(self)
        other.assets = with_words(self.assets, words)
        return other

    def __repr__(self) -> str:
        """Names the bundle, what runs it, and the licences."""
        runtime = self.runtime + (f" {self.variant}" if self.variant else "")
        data = ", ".join(self.data_licenses) or "not stated"
        return (
            f"<Model {self.bundle.name} on {runtime}; license: "
            f"{self.license or 'not stated'}; licenses of its data: {data}>"
        )


def answer(
    task: Task,
    assets: Any,
    predictor: Predictor,
    inputs: Sequence[str],
    *,
    endpoint: str,
    batch_size: int = 32,
    on_bad: OnBad | None = None,
    advance: Advance | None = None,
) -> list[Any]:
    """Answers each input through a predictor; see `Model.__call__`."""
    if isinstance(inputs, str):
        raise TypeError("give a list of inputs, such as [text], not one string")
    inputs = [os.fspath(i) if isinstance(i, os.PathLike) else i for i in inputs]
    if not all(isinstance(i, str) for i in inputs):
        raise TypeError("inputs are strings: texts, or paths of sound files")
    if batch_size < 1:
        raise UserError(f"batch size must be 1 or more, not {batch_size}")
    size = min(batch_size, predictor.max_batch_size or batch_size)

    pieces, bad = _pieces(task, assets, inputs, on_bad is not None)
    owners = [number for number, parts in enumerate(pieces) for _ in parts]
    left = [len(parts) for parts in pieces]
    if advance is not None:
        advance(left.count(0))
    flat = [part for parts in pieces for part in parts]
    size_of = task.EXTRAS.size or (lambda given, _: len(given))
    sizes = [size_of(part, assets) for part in flat]
    order = sorted(range(len(flat)), key=sizes.__getitem__)
    results: list[Any] = [None] * len(flat)

    def run(batch: Sequence[str]) -> list[Any]:
        outputs = predictor(endpoint, task.before(endpoint, batch, assets))
        return task.after(endpoint, outputs, batch, assets)

    for start in range(0, len(order), size):
        rows = order[start : start + size]
        found = _run(run, [flat[row] for row in rows], on_bad is not None)
        for row, result in zip(rows, found, strict=True):
            if isinstance(result, UserError):
                bad[owners[row]] = result
            results[row] = result
            left[owners[row]] -= 1
        if advance is not None:
            advance(len({owners[row] for row in rows if not left[owners[row]]}))
    if on_bad is not None:
        for number, error in sorted(bad.items()):
            on_bad(inputs[number], error)
    rest = iter(results)
    answers = [[next(rest) for _ in parts] for parts in pieces]
    return [
        None if n in bad else _joined(task, *pair)
        for n, pair in enumerate(zip(pieces, answers, strict=True))
    ]


def _run(
    run: Callable[[Sequence[str]], list[Any]], batch: Sequence[str], skip: bool
) -> list[Any]:
    """The results of a batch; with `skip`, the error of what cannot be read instead."""
    try:
        return run(batch)
    except UserError as error:
        if not skip:
            raise
        if len(batch) == 1:
            return [error]
    return [result for one in batch for result in _run(run, [one], skip)]


def _pieces(
    task: Task, assets: Any, inputs: Sequence[str], skip: bool
) -> tuple[list[list[str]], dict[int, UserError]]:
    """What each input is answered by, and the inputs that cannot be read."""
    cut = task.EXTRAS.pieces
    if cut is None:
        return [[given] for given in inputs], {}
    pieces: list[list[str]] = []
    bad: dict[int, UserError] = {}
    for number, given in enumerate(inputs):
        try:
            pieces.append(cut(given, assets))
        except UserError as error:
            if not skip:
                raise
            pieces.append([])
            bad[number] = error
    return pieces, bad


def _joined(task: Task, pieces: Sequence[str], results: Sequence[Any]) -> Any:
    join = task.EXTRAS.joined
    return results[0] if join is None or len(pieces) == 1 else join(pieces, results)


def load(
    path: Path | str | Bundle,
    runtime: str = "auto",
    variant: str | None = None,
    threads: int | None = None,
) -> Model:
    """Opens a bundle to run it.

    Args:
        path: a version directory, or the directory of a name: then its newest version.
        runtime: ``keras``, ``saved_model``, ``tflite``, or ``auto``: the SavedModel if
            TensorFlow is installed and no variant named, the device file otherwise.
        variant: which device file, ``dynamic``, ``float``, ``float16`` or ``text``; if
            None, the first of these that the bundle has.
        threads: threads at most, or None for the runtime's own choice.

    Returns:
        The model; call it on a list of inputs.

    Raises:
        UserError: the bundle is damaged, there is no such runtime or variant, or a
            variant was named for a runtime that has none.
    """
    if runtime not in RUNTIMES:
        raise UserError(
            f"there is no runtime {runtime!r}; choose one of: {', '.join(RUNTIMES)}"
        )
    if threads is not None and threads < 1:
        raise UserError(f"threads must be 1 or more, not {threads}")
    bundle = path if isinstance(path, Bundle) else Bundle.open(path)
    if runtime == "auto":
        server = has_tensorflow() and (bundle.path / SAVED_MODEL_FILE).is_file()
        runtime = "saved_model" if server and variant is None else "tflite"
    return _load_runtime(bundle, runtime, variant, threads)


def _load_runtime(
    bundle: Bundle, runtime: str, variant: str | None, threads: int | None
) -> Model:
    if runtime == "tflite":
        from nlp_speech.runtime.litert import LiteRTPredictor

        variant = variant or bundle.usual_variant
        file = bundle.device_file(variant)
        predictor = LiteRTPredictor(file, threads, variant == TEXT_VARIANT)
        return Model(bundle, predictor, variant)
    if variant is not None:
        raise UserError(
            f"variant {variant!r} is of a device file and the runtime is {runtime}: "
            "choose runtime tflite, or no variant"
        )
    if not has_tensorflow():
        raise UserError(
            f"runtime {runtime!r} needs TensorFlow; pip install 'nlp-speech[train]' or "
            "use runtime 'tflite'"
        )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if runtime == "keras":
        from nlp_speech.runtime.keras import KerasPredictor

        return Model(bundle, KerasPredictor.from_bundle(bundle, threads=threads))
    from nlp_speech.runtime.saved_model import SavedModelPredictor

    return Model(bundle, SavedModelPredictor(bundle.path, threads))


def has_tensorflow() -> bool:
    """Says whether TensorFlow and its text ops are installed; imports neither."""
    try:
        return all(
            importlib.util.find_spec(name) is not None
            for name in ("tensorflow", "tensorflow_text")
        )
    except (ImportError, ValueError):
        return False
