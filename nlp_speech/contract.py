"""What a task, an endpoint and a predictor are: plain data and protocols.

No task is named here and no TensorFlow is imported. A task is a package
``nlp_speech.tasks.<name>``. The package itself is the light side (`Task`): it imports
no TensorFlow and is all that a device needs. Its module ``training`` is the TensorFlow
side (`TrainingTask`), gathered from ``data``, ``model`` and ``endpoints``.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from nlp_speech.errors import UserError

if TYPE_CHECKING:
    import keras
    import numpy as np
    import tensorflow as tf

    Arrays = Mapping[str, np.ndarray]


LOWER_IS_BETTER = frozenset(
    {
        "wer",
        "cer",
        "ece",
        "perplexity",
        "word_perplexity",
        "backward_perplexity",
        "bits_per_character",
    }
)
"""Metrics that count errors."""


@dataclass(frozen=True)
class Endpoint:
    """One definition of inference, exported to the server and, if asked, to the device.

    Attributes:
        function: takes the tensors of `signature` by keyword, returns named tensors.
        signature: the server's inputs, a `tf.TensorSpec` each; any batch size.
        device_signature: the device's inputs (batch size 1), or None if the endpoint
            stays on the server.
        text_operators: whether it needs the operators of tensorflow-text on the device:
            then it goes into a file of its own, and not to the server.
    """

    function: Callable[..., dict[str, Any]]
    signature: Mapping[str, Any]
    device_signature: Mapping[str, Any] | None = None
    text_operators: bool = False


class Predictor(Protocol):
    """Runs endpoints of a bundle: the same call for Keras, SavedModel and LiteRT."""

    runtime: str
    max_batch_size: int | None

    @property
    def endpoints(self) -> tuple[str, ...]:
        """The names of what can be run."""
        ...

    def __call__(self, endpoint: str, arrays: Arrays) -> dict[str, np.ndarray]:
        """Runs `endpoint` on named arrays with a leading batch axis."""
        ...


@dataclass(frozen=True)
class Finding:
    """Something that a `DataCheck` found.

    Attributes:
        split: where, such as ``train``.
        problem: what it is, in a few words that follow a number.
        count: how often.
        examples: a few of the places, or what is wrong there.
        is_error: whether training on it would go wrong; else it is worth a look.
    """

    split: str
    problem: str
    count: int
    examples: tuple[str, ...] = ()
    is_error: bool = False


class Result(Protocol):
    """What a task answers to one input.

    A result whose text holds numbers may also have ``agrees(other)``, which says
    whether two runtimes' answers differ by no more than rounding; see `same_answer`.
    """

    def as_dict(self) -> dict[str, Any]:
        """The result as plain JSON data."""
        ...

    def as_text(self) -> str:
        """The result as one line for a terminal."""
        ...

    def warning(self) -> str | None:
        """What the user should know about this answer, if anything."""
        ...


def same_answer(one: Any, other: Any) -> bool:
    """Whether two runtimes gave the same answer: the same text, or within rounding."""
    agrees = getattr(one, "agrees", None)
    if agrees is not None:
        return bool(agrees(other))
    return bool(one.as_text() == other.as_text())


Way = Callable[[str], tuple[Any, Any] | None]
"""Answers an input through a further endpoint.

What comes out are the result and what it should be, None if that is the server
endpoint's; or nothing, where the endpoint does not take the input.
"""


@dataclass(frozen=True)
class Extras:
    """What some tasks offer besides; None: this one does not.

    Attributes:
        partial_endpoint: takes what the device endpoint takes and how many pieces to
            write at most (`predict --progressive`).
        ways: ``(predictor, assets)``: a `Way` by endpoint, for those that no constant
            of the task names (`verify`).
        expecting: ``(assets, words)``: assets that expect some words (`predict
            --hot-word`).
        explain: ``(answer, text)``: the result, and how much each word speaks for it
            (`predict --explain`).
        alignment: ``(result)``: the pieces read, those written, and how much each
            written one looked at each read one (`predict --attention`).
        picture: ``(given, result, assets)``: a `SoundPicture` of a sound and what was
            heard in it (`predict --plot`).
        pieces: ``(given, assets)``: the inputs that stand for one that is too long to
            be answered at once.
        joined: ``(pieces, results)``: the one result of such an input.
        size: ``(given, assets)``: how long an input is, so that those of like length
            are run together; None: the length of the string.
        confusion: ``(results, references)``: labels, and what was taken for what
            (`evaluate --plot`).
        errors: ``(inputs, results, references, count)``: errors by kind, and so many of
            the worst examples, as `word_errors.error_report` gives (`evaluate`).
        facts: ``(config)``: lines for the model card.
        scorers: the packages of the extra ``train`` that `score` imports.
    """

    partial_endpoint: str | None = None
    ways: Callable[[Predictor, Any], Mapping[str, Way]] | None = None
    expecting: Callable[[Any, Mapping[str, float]], Any] | None = None
    explain: Callable[[Callable[..., Any], str], tuple[Any, Any]] | None = None
    alignment: Callable[[Any], tuple[Sequence[str], Sequence[str], Any]] | None = None
    picture: Callable[[str, Any, Any], Any] | None = None
    pieces: Callable[[str, Any], list[str]] | None = None
    joined: Callable[[Sequence[str], Sequence[Any]], Any] | None = None
    size: Callable[[str, Any], float] | None = None
    confusion: Callable[[Any, Any], tuple[Sequence[str], np.ndarray]] | None = None
    errors: Callable[..., dict[str, Any]] | None = None
    facts: Callable[[Any], Sequence[str]] | None = None
    scorers: tuple[str, ...] = ()


class Task(Protocol):
    """The light side of a task: ``nlp_speech.tasks.<name>``, no TensorFlow.

    Beside it are the modules ``config``, ``check`` (a `DataCheck`) and ``training`` (a
    `TrainingTask`).

    `SERVER_ENDPOINT` takes what a user has (strings, samples); `DEVICE_ENDPOINT` takes
    what the host side of a device prepares (ids, samples); `TEXT_ENDPOINT`, if there is
    one, takes strings on a device that has the operators of tensorflow-text. `METRIC`
    is the metric of `score` that chooses checkpoints, `COUNTED` what the loss is a mean
    over: ``tokens``, ``labels``, ``examples``.
    """

    NAME: str
    Config: type[Any]
    SERVER_ENDPOINT: str
    DEVICE_ENDPOINT: str
    TEXT_ENDPOINT: str | None
    METRIC: str
    COUNTED: str
    EXTRAS: Extras

    def load_assets(self, config: Any, directory: Path) -> Any:
        """Opens what `TrainingTask.prepare` learned: vocabulary, statistics."""
        ...

    def before(self, endpoint: str, inputs: Sequence[str], assets: Any) -> Arrays:
        """Turns a batch of inputs into the arrays that `endpoint` takes."""
        ...

    def after(
        self, endpoint: str, outputs: Arrays, inputs: Sequence[str], assets: Any
    ) -> list[Any]:
        """Turns the arrays that `endpoint` returned into a result for each input."""
        ...

    def references(
        self, config: Any, split: str, files: Sequence[Path] = ()
    ) -> tuple[list[str], list[Any]]:
        """Reads a split (or the given files instead) as inputs and references.

        A reference is what `score` takes: a string, or several where any is right.
        """
        ...

    def score(
        self, results: Sequence[Any], references: Sequence[Any]
    ) -> tuple[dict[str, float], dict[str, str]]:
        """Scores results: metrics by name, and the signature of each."""
        ...

    def samples(self, config: Any) -> list[str]:
        """A few hand-written inputs, used to verify when there is no data."""
        ...


class TrainingData(Protocol):
    """The examples of a split, laid out anew for each epoch from a seed."""

    def batches(self, epoch: int) -> int:
        """The number of batches of an epoch."""
        ...

    def left_out(self, epoch: int) -> int:
        """The examples of an epoch that are too long for every batch."""
        ...

    def dataset(self, epoch: int, start: int = 0) -> tf.data.Dataset:
        """The batches of an epoch from number `start` on, in their one fixed order."""
        ...


@dataclass(frozen=True)
class TrainingExtras:
    """What the training of some tasks needs besides; None: this one does not.

    Attributes:
        finish: ``(config, model, validation)``, called once the weights are final and
            before they are saved: to calibrate on the validation data, for one.
        rates: ``(config, model)``: for paths of variables a function from the number of
            an update, a tensor counted from 0, to what the learning rate is multiplied
            with; 0 keeps a variable as it is.
        renewal: ``(config, before)``, for a run that was trained with the config
            `before` and is exported with another one: a function that is given a copy
            of its assets and makes those anew that no weight depends on, or None where
            they are as they should be.
    """

    finish: Callable[[Any, keras.Model, TrainingData], None] | None = None
    rates: Callable[[Any, keras.Model], Mapping[str, Callable[..., Any]]] | None = None
    renewal: Callable[[Any, Any], Callable[[Path], None] | None] | None = None


class TrainingTask(Protocol):
    """The TensorFlow side of a task: its module ``training``."""

    EXTRAS: TrainingExtras

    def prepare(self, config: Any, directory: Path) -> None:
        """Learns from the data what must be learned, and writes it to `directory`."""
        ...

    def training_data(self, config: Any, assets: Any, split: str) -> TrainingData:
        """The features of a split as the model wants them."""
        ...

    def build(self, config: Any, assets: Any) -> keras.Model:
        """The model with its weights created."""
        ...

    def loss(
        self, config: Any, model: keras.Model, batch: Any, training: bool
    ) -> tuple[Any, Any]:
        """The loss summed over real tokens, and their count."""
        ...

    def endpoints(
        self, config: Any, assets: Any, model: keras.Model
    ) -> dict[str, Endpoint]:
        """What is exported."""
        ...


class DataCheck(Protocol):
    """What looks at the data of a task: its module ``check``, no TensorFlow."""

    def findings(self, config: Any, quick: bool = False) -> Iterable[Finding]:
        """Reads the data that a config names, and tells what is wrong.

        `quick` leaves out what takes as long as to prepare the training.
        """
        ...


def task_names() -> list[str]:
    """The names of all tasks, found as packages under ``nlp_speech.tasks``."""
    package = importlib.import_module("nlp_speech.tasks")
    return sorted(m.name for m in pkgutil.iter_modules(package.__path__) if m.ispkg)


def load_task(name: str) -> Task:
    """The light side of the task called `name`.

    Raises:
        UserError: there is no such task.
    """
    if name not in task_names():
        choices = ", ".join(task_names())
        raise UserError(f"there is no task {name!r}; choose one of: {choices}")
    return cast(Task, importlib.import_module(f"nlp_speech.tasks.{name}"))


def load_check(name: str) -> DataCheck:
    """What looks at the data of the task called `name`.

    Raises:
        UserError: there is no such task.
    """
    load_task(name)
    return cast(DataCheck, importlib.import_module(f"nlp_speech.tasks.{name}.check"))


def load_training_task(name: str) -> TrainingTask:
    """The TensorFlow side of the task called `name`: imports TensorFlow.

    Raises:
        UserError: there is no such task.
    """
    load_task(name)
    return cast(
        TrainingTask, importlib.import_module(f"nlp_speech.tasks.{name}.training")
    )


def load_previews(task: str) -> Callable[[Any, int], Iterator[tuple[Any, Any]]]:
    """What shows a few training examples before and after augmentation.

    That is ``previews(config, count)`` of a task's module ``preview``, which yields
    pairs of `SoundPicture`; it imports TensorFlow.

    Raises:
        UserError: the task has no such module.
    """
    name = f"nlp_speech.tasks.{task}.preview"
    try:
        return importlib.import_module(name).previews
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise UserError(f"{task} has no sounds to listen to") from error
