"""What the command line reads, prints and draws."""

from __future__ import annotations

import json
import os
import shlex
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from nlp_speech.errors import UserError

if TYPE_CHECKING:
    from nlp_speech.runtime import Model

HOT_WORD_BONUS = 4.0  # nats: a word that is 50 times likelier than it seems


def quoted(path: Path) -> str:
    """A path as it is written in a command that is to be copied."""
    return shlex.quote(str(path))


def load_model(
    bundle: Path, runtime: str, variant: str | None, threads: int | None
) -> Model:
    """Opens a bundle, with TensorFlow made silent if it is used."""
    from nlp_speech.runtime import has_tensorflow, load

    device = runtime == "tflite" or (runtime == "auto" and variant is not None)
    if (not device or variant == "text") and has_tensorflow():
        load_tensorflow(threads)
    return load(bundle, runtime, variant, threads)


def load_model_of(
    task: str, bundle: Path, runtime: str, variant: str | None, threads: int | None
) -> Model:
    """`load_model` for a command of one task.

    Raises:
        UserError: the bundle is of another task.
    """
    model = load_model(bundle, runtime, variant, threads)
    if model.task.NAME != task:
        raise UserError(
            f"{bundle}: its task is {model.task.NAME}; this command is for {task}"
        )
    return model


def load_tensorflow(threads: int | None = None) -> None:
    """Imports TensorFlow without what its libraries print before they can be told.

    The number of threads is fixed with its first use, which is here.
    """
    kept = os.dup(2)
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 2)
    try:
        import tensorflow
        import tensorflow_text  # noqa: F401

        from nlp_speech.runtime.saved_model import limit_threads

        limit_threads(threads)
        # One of several machines has to say so before anything else is done.
        if "TF_CONFIG" not in os.environ:
            tensorflow.config.list_physical_devices()
            tensorflow.zeros([])
    except ImportError as error:
        raise UserError(
            f"this needs TensorFlow; pip install 'nlp-speech[train]' ({error})"
        ) from error
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(silent)


def say(message: str) -> None:
    """Prints a message to stderr."""
    typer.echo(message, err=True)


def read_experiment(path: Path, overrides: list[str] | None, skip_bad: bool) -> Any:
    """The config of an experiment that leaves bad rows out if it is to.

    Raises:
        UserError: as `read_config`, or the task has no such choice.
    """
    from nlp_speech.config import read_config

    given = list(overrides or [])
    config: Any = read_config(path, given)
    if not skip_bad:
        return config
    if not hasattr(config.data, "skip_bad"):
        raise UserError(
            f"--skip-bad: a {config.task} config has no such choice; mend the rows "
            "that `nlp-speech check` names"
        )
    return read_config(path, [*given, "data.skip_bad=true"])


def hot_words(given: Sequence[str] | None) -> dict[str, float]:
    """Words to expect and what is added for each: ``WORD`` or ``WORD=5``.

    Raises:
        UserError: a bonus is no number.
    """
    found = {}
    for text in given or ():
        word, _, bonus = text.partition("=")
        try:
            found[word] = float(bonus) if bonus else HOT_WORD_BONUS
        except ValueError:
            raise UserError(f"--hot-word {text}: write WORD or WORD=BONUS") from None
    return found


class Skipped:
    """Inputs that were left out because they cannot be read (`--skip-bad`).

    Attributes:
        count: how many.
    """

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, given: str, error: UserError) -> None:
        """Names one."""
        self.count += 1
        say(f"left out: {error}")

    def finish(self) -> None:
        """Says how many there were."""
        if self.count:
            say(f"{self.count} input{'s' * (self.count != 1)} left out")


def skipping(config: Any, skip_bad: bool) -> Any:
    """A config whose data may have bad rows if that is asked for, however trained."""
    if not hasattr(config.data, "skip_bad"):
        return config
    data = config.data.model_copy(update={"skip_bad": skip_bad})
    return config.model_copy(update={"data": data})


def check_before_training(experiment: Any, config: Path) -> None:
    """Looks at the data of a config quickly; warnings are shown, errors stop.

    Raises:
        UserError: there is an error.
    """
    from nlp_speech.check import look_at

    report = look_at(experiment, quick=True)
    for line in report.lines(brief=True) if report.findings else []:
        say(line)
    if report.errors:
        first = report.findings[0]
        place = f", first {first.examples[0]}" if first.examples else ""
        raise UserError(
            f"{config}: {first.split}: {first.count} {first.problem}{place}; mend the "
            f"data (nlp-speech check {quoted(config)} shows more), or train with "
            "--no-check"
        )


def write_previews(experiment: Any, directory: Path, count: int) -> None:
    """Writes training sounds before and after augmentation (`check --listen`).

    Raises:
        UserError: the task has no sounds, or they cannot be read or written.
    """
    from nlp_speech.audio.decode import write_samples
    from nlp_speech.contract import load_previews
    from nlp_speech.sound_plots import draw_sounds

    directory.mkdir(parents=True, exist_ok=True)
    previews = load_previews(experiment.task)
    for number, pair in enumerate(previews(experiment, count), start=1):
        for picture, name in zip(pair, ("before", "after"), strict=True):
            if picture.samples is not None:
                path = directory / f"{number}_{name}.wav"
                write_samples(path, picture.samples, picture.sample_rate)
        draw_sounds(pair, directory / f"{number}.png")
    typer.echo(f"wrote training sounds before and after augmentation to {directory}")


def lines_of_stdin() -> Iterator[str]:
    """Standard input line by line.

    Raises:
        UserError: a line is not UTF-8.
    """
    for number, line in enumerate(sys.stdin.buffer, start=1):
        try:
            yield line.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise UserError.at(
                "standard input", number, "this line is not UTF-8; convert it first"
            ) from error


def check_n_best(model: Model, n_best: int) -> None:
    """Refuses to show more answers than a model's search keeps (`predict --n-best`).

    Raises:
        UserError: they are more.
    """
    decoding = getattr(model.config, "decoding", None)
    if decoding is not None and n_best > decoding.beam_size:
        raise UserError(
            f"--n-best {n_best}: the search of this model keeps {decoding.beam_size}; "
            "give no more, or export it again with --set "
            f"decoding.beam_size={n_best}"
        )


def print_json(text: str, result: Any, n_best: int = 1, **more: Any) -> None:
    """Prints the answer to one input as a line of JSON."""
    # An argument that is not UTF-8 has lone surrogates, which cannot be printed.
    shown = text.encode("utf-8", "replace").decode("utf-8")
    record = {"input": shown, **result.as_dict(), **more}
    if "n_best" in record:
        record["n_best"] = record["n_best"][:n_best]
    typer.echo(json.dumps(record, ensure_ascii=False))


def say_warning(text: str, result: Any) -> None:
    """Tells on stderr what an answer is worth, if that is little."""
    if warning := result.warning():
        say(f"warning: {text[:40]!r}...: {warning}")


def print_result(text: str, result: Any, as_json: bool, n_best: int) -> None:
    """Prints the answer to one input, and its warning to stderr.

    Raises:
        UserError: several answers are asked for where there is only one.
    """
    say_warning(text, result)
    if as_json:
        print_json(text, result, n_best)
    elif n_best > 1:
        if not hasattr(result, "n_best"):
            raise UserError(f"--n-best {n_best}: this model gives one answer")
        for hypothesis in result.n_best[:n_best]:
            typer.echo(f"{hypothesis.score:8.4f}\t{hypothesis.text}")
    else:
        typer.echo(result.as_text())


def print_growing(
    model: Model, inputs: Iterable[str], as_json: bool, n_best: int
) -> None:
    """Prints each answer while it is written (`predict --progressive`).

    What is not a terminal gets the whole answer only.

    Raises:
        UserError: the task's answers come at once.
    """
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from nlp_speech.runtime.progressive import growing_answers, partial_endpoint

    partial_endpoint(model)
    console = Console(highlight=False)
    for given in inputs:
        if console.is_terminal:
            with Live(console=console, transient=True) as live:
                for result in growing_answers(model, given):
                    live.update(Text(result.as_text()), refresh=True)
        [result] = model([given])
        print_result(given, result, as_json, n_best)


def print_segment(segment: Any, as_json: bool) -> None:
    """Prints a part of a stream as soon as it is known."""
    text = json.dumps(segment.as_dict(), ensure_ascii=False) if as_json else None
    print(text or segment.as_text(), flush=True)


def print_scores(report: dict[str, Any]) -> None:
    """Prints each score with how it was made, and how fast the answers came."""
    for name, value in report["metrics"].items():
        shown = f"{value:7.2f}" if abs(value) >= 1 else f"{value:7.4f}"
        typer.echo(f"{name:16s} {shown}  {report['signatures'].get(name, '')}")
    rate = report["examples"] / max(report["seconds"], 1e-9)
    typer.echo(
        f"{report['examples']} examples in {report['seconds']:.1f} s "
        f"({rate:.1f}/s) on {report['runtime']}"
    )


def print_errors(report: dict[str, Any]) -> None:
    """Prints the errors by kind and the worst examples, where a task counts them."""
    from nlp_speech.word_errors import aligned

    errors = report.get("errors")
    if errors is None:
        return
    typer.echo(f"{_counts(errors)} in {errors['words']} words")
    for worst in errors["worst"]:
        name = textwrap.shorten(worst["input"], 120, placeholder=" ...")
        typer.echo(f"\n{name}: {_counts(worst)} in {worst['words']} words")
        for line in aligned(worst["answer"], worst["reference"]):
            typer.echo(f"  {line}")


def _counts(errors: dict[str, Any]) -> str:
    kinds = ("substitutions", "deletions", "insertions")
    return ", ".join(f"{errors[kind]} {kind}" for kind in kinds)


def write_json(report: dict[str, Any], path: Path | None) -> None:
    """Writes a report to a file, if one is given (`--json`)."""
    if path is None:
        return
    from nlp_speech.files import write_text

    write_text(path, json.dumps(report, indent=1, ensure_ascii=False) + "\n")
