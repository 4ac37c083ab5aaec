"""The command line: parses, calls, prints."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperGroup

from nlp_speech import bundle_commands, speech_commands, text_commands
from nlp_speech.console import (
    Skipped,
    check_before_training,
    check_n_best,
    hot_words,
    lines_of_stdin,
    load_model,
    load_tensorflow,
    print_growing,
    print_result,
    quoted,
    read_experiment,
    say,
    write_previews,
)
from nlp_speech.console_plots import (
    draw_alignment_of,
    draw_sound_of,
    print_explanations,
)
from nlp_speech.errors import UserError
from nlp_speech.options import (
    BatchSize,
    BundlePath,
    ConfigPath,
    HotWords,
    Overrides,
    Runtime,
    SkipBad,
    Threads,
    Variant,
)

T = TypeVar("T")

_PANELS = {
    "Begin": ("demo", "new", "fetch", "synthesize", "check"),
    "Train": ("train", "tune", "export"),
    "Measure": ("evaluate", "verify", "benchmark", "tune-language"),
    "Use": ("predict", "stream", "continue"),
}


class _Commands(TyperGroup):
    """The commands in the order in which they come to be needed."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [name for names in _PANELS.values() for name in names]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        command: Any = super().get_command(ctx, cmd_name)
        for panel, names in _PANELS.items():
            if cmd_name in names:
                command.rich_help_panel = panel
        return command


app = typer.Typer(
    cls=_Commands,
    help="LSTM models for text and speech: train, export, verify, use.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

bundle_commands.register(app)
speech_commands.register(app)
text_commands.register(app)


@app.command()
def new(
    task: Annotated[str, typer.Argument(help="translation, ...")],
    directory: Annotated[Path, typer.Argument(help="made if missing")],
) -> None:
    """Write a commented config and a small data sample to start from."""
    from nlp_speech.starter import write_starter

    config = write_starter(task, directory)
    typer.echo(f"wrote {config}; train with: nlp-speech train {quoted(config)}")


@app.command()
def check(
    config: ConfigPath,
    overrides: Overrides = None,
    skip_bad: SkipBad = False,
    listen: Annotated[
        Path | None,
        typer.Option(
            help="write training sounds before and after augmentation to this folder, "
            "as WAV files and pictures"
        ),
    ] = None,
    sounds: Annotated[int, typer.Option(min=1, help="how many for --listen")] = 5,
) -> None:
    """Look at the data of a config before training on them; exit 1 on errors."""
    from nlp_speech.check import look_at

    experiment = read_experiment(config, overrides, skip_bad)
    if listen is not None:
        load_tensorflow()
        write_previews(experiment, listen, sounds)
    report = look_at(experiment)
    for line in report.lines():
        typer.echo(line)
    if report.errors:
        raise UserError(f"{config}: {report.summary()}; mend the data")


@app.command()
def train(
    config: ConfigPath,
    overrides: Overrides = None,
    output: Annotated[
        Path | None, typer.Option(help="the run's directory [runs/<config name>]")
    ] = None,
    resume: Annotated[bool, typer.Option(help="go on with an interrupted run")] = False,
    skip_bad: SkipBad = False,
    check: Annotated[
        bool,
        typer.Option(
            help="look at the data first, without listening to sound; errors stop"
        ),
    ] = True,
    workers: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT,...",
            help="train with several processes, here or on several machines that "
            "reach the same --output; run the same command on each machine",
        ),
    ] = None,
) -> None:
    """Train a model from a config."""
    from nlp_speech.contract import load_task, load_training_task

    experiment = read_experiment(config, overrides, skip_bad)
    directory = output or Path("runs") / config.stem
    # One of several workers is begun by a command that has looked already.
    if check and not resume and "TF_CONFIG" not in os.environ:
        check_before_training(experiment, config)
    if workers is not None:
        from nlp_speech.workers import launch, parse_workers, without_workers

        sys.exit(
            launch(
                parse_workers(workers), without_workers(sys.argv[1:]), directory, say
            )
        )
    load_tensorflow()
    from nlp_speech import training

    task, training_task = (
        load_task(experiment.task),
        load_training_task(experiment.task),
    )
    training.train(task, training_task, experiment, directory, resume)
    typer.echo(
        f"trained; export with: nlp-speech export {quoted(directory)} --output BUNDLE"
    )


@app.command()
def tune(
    config: ConfigPath,
    trials: Annotated[
        int, typer.Option(min=1, help="in all; a search that was begun goes on")
    ],
    overrides: Overrides = None,
    output: Annotated[
        Path | None, typer.Option(help="its directory [runs/<config name>-tune]")
    ] = None,
) -> None:
    """Search the values under `tune.space` of a config that score best."""
    from nlp_speech.config import read_config
    from nlp_speech.contract import load_task, load_training_task

    experiment = read_config(config, overrides or [])
    directory = output or Path("runs") / f"{config.stem}-tune"
    load_tensorflow()
    from nlp_speech import tune as tuning
    from nlp_speech.tune.tables import print_report

    task = load_task(experiment.task)
    training_task = load_training_task(experiment.task)
    report = tuning.tune(task, training_task, experiment, directory, trials, say)
    print_report(report)
    if report.best is None:
        raise UserError("no trial was completed; the table says why")
    typer.echo(f"{directory / 'tune.png'} shows this; train with the best values:")
    typer.echo(f"nlp-speech train {quoted(directory / 'best.yaml')} --output RUN")


@app.command()
def export(
    source: Annotated[Path, typer.Argument(metavar="RUN|BUNDLE", show_default=False)],
    output: Annotated[
        Path, typer.Option(help="the bundle's directory; takes the next version in it")
    ],
    quantize: Annotated[
        list[str] | None,
        typer.Option(help="device files: float, float16, dynamic (repeat for several)"),
    ] = None,
    text_to_text: Annotated[
        bool, typer.Option(help="also a device file from strings to strings")
    ] = False,
    overrides: Overrides = None,
) -> None:
    """Export a run, or the weights of a bundle again, as a bundle that is verified."""
    from nlp_speech.bundle import Bundle, is_bundle

    bundle = Bundle.open(source) if is_bundle(source) else None
    load_tensorflow()
    from nlp_speech.runs import export_run, renew_bundle

    changes = list(overrides or [])
    changes += [f"export.quantize=[{', '.join(quantize)}]"] if quantize else []
    changes += ["export.text_to_text=true"] if text_to_text else []
    if bundle is None:
        typer.echo(export_run(source, output, changes, say))
    else:
        typer.echo(renew_bundle(bundle, output, changes, say))


@app.command()
def predict(
    bundle: BundlePath,
    inputs: Annotated[
        list[str] | None, typer.Argument(metavar="[TEXT]...", show_default=False)
    ] = None,
    runtime: Runtime = "auto",
    variant: Variant = None,
    batch_size: BatchSize = 32,
    threads: Threads = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="a JSON object a line")
    ] = False,
    n_best: Annotated[
        int, typer.Option("--n-best", min=1, help="answers shown for each input")
    ] = 1,
    attention: Annotated[
        Path | None, typer.Option(help="draw the alignment of one text to this PNG")
    ] = None,
    explain: Annotated[
        Path | None, typer.Option(help="write what each word did to this HTML file")
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(help="draw one sound and what was heard in it to this PNG"),
    ] = None,
    progressive: Annotated[
        bool, typer.Option("--progressive", help="show each answer while it is written")
    ] = False,
    hot_word: HotWords = None,
    skip_bad: SkipBad = False,
) -> None:
    """Answer the given texts, or standard input line by line."""
    model = load_model(bundle, runtime, variant, threads)
    check_n_best(model, n_best)
    if hot_word:
        model = model.expecting(hot_words(hot_word))
    if explain is not None:
        given = inputs or list(lines_of_stdin())
        print_explanations(model, given, explain, batch_size, as_json)
        return
    if attention is not None:
        draw_alignment_of(model, inputs or [], attention, as_json, n_best)
        return
    if plot is not None:
        draw_sound_of(model, inputs or [], plot, as_json, n_best)
        return
    lines = iter(inputs) if inputs else lines_of_stdin()
    if progressive:
        print_growing(model, lines, as_json, n_best)
        return
    # A person who types wants each answer at once.
    size = 1 if not inputs and sys.stdin.isatty() else batch_size
    skipped = Skipped()
    on_bad = skipped if skip_bad else None
    while batch := list(islice(lines, size)):
        results = model(batch, batch_size=size, on_bad=on_bad)
        for text, result in zip(batch, results, strict=True):
            if result is not None:
                print_result(text, result, as_json, n_best)
    skipped.finish()


@app.command()
def fetch(
    dataset: Annotated[str, typer.Argument(help="multi30k")],
) -> None:
    """Download a data set from its official address and check it."""
    from nlp_speech.data.fetch import fetch as fetch_dataset

    typer.echo(fetch_dataset(dataset))


@app.command()
def demo(
    directory: Annotated[
        Path, typer.Option(help="where the run and its bundle go")
    ] = Path("runs/demo"),
) -> None:
    """The tour: train, export, verify, translate; no network and no data needed."""
    load_tensorflow()
    from nlp_speech.demo import run_demo

    run_demo(directory, typer.echo)


def main() -> None:
    """The program `nlp-speech`."""
    run(app)


def run(function: Callable[[], T]) -> T:
    """Calls `function`; a wrong input ends in one sentence and exit status 1."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.basicConfig(format="%(message)s")
    logging.getLogger("nlp_speech").setLevel(logging.INFO)
    try:
        return function()
    except UserError as error:
        print(f"nlp-speech: {error}", file=sys.stderr)
        sys.exit(error.status)
    except KeyboardInterrupt:
        print("nlp-speech: interrupted", file=sys.stderr)
    except BrokenPipeError:
        # The reader has gone: nobody is left to be told.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        if error.filename is None:
            raise
        print(f"nlp-speech: {error.filename}: {error.strerror}", file=sys.stderr)
    sys.exit(1)
