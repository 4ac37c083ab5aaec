"""The commands that prove and measure a bundle, whatever its task."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nlp_speech.console import (
    Skipped,
    load_model,
    load_tensorflow,
    print_errors,
    print_scores,
    say,
    skipping,
    write_json,
)
from nlp_speech.console_plots import (
    check_confusion,
    draw_confusion_of,
)
from nlp_speech.errors import UserError
from nlp_speech.options import (
    BatchSize,
    BundlePath,
    DataFiles,
    JsonFile,
    Limit,
    Runtime,
    SkipBad,
    Threads,
    Variant,
)

if TYPE_CHECKING:
    from nlp_speech.runtime import Model


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(evaluate)
    app.command()(verify)
    app.command()(benchmark)


def evaluate(
    bundle: BundlePath,
    split: Annotated[
        str, typer.Option(help="validation, or a test set of its config")
    ] = "validation",
    data: DataFiles = None,
    runtime: Runtime = "auto",
    variant: Variant = None,
    batch_size: BatchSize = 32,
    threads: Threads = None,
    limit: Limit = None,
    json_file: JsonFile = None,
    record: Annotated[
        bool, typer.Option(help="write the scores into the bundle's card")
    ] = False,
    plot: Annotated[
        Path | None, typer.Option(help="draw the confusion matrix to this PNG")
    ] = None,
    worst: Annotated[
        int, typer.Option(min=0, help="examples with the most errors shown, at most")
    ] = 5,
    skip_bad: SkipBad = False,
) -> None:
    """Score a bundle on a data set."""
    from nlp_speech.evaluate import evaluate as evaluate_model

    model = load_model(bundle, runtime, variant, threads)
    if plot is not None:
        check_confusion(model, plot)
    if not data:
        _warn_of_changed_data(model)
    skipped = Skipped()
    inputs, references = model.task.references(
        skipping(model.config, skip_bad), split, data or ()
    )
    report = evaluate_model(
        model,
        inputs,
        references,
        batch_size=batch_size,
        limit=limit,
        worst=worst,
        on_bad=skipped if skip_bad else None,
    )
    skipped.finish()
    print_scores(report)
    print_errors(report)
    write_json(report, json_file)
    if record:
        from nlp_speech.export import record_scores

        name = " + ".join(file.name for file in data) if data else split
        record_scores(model.bundle, name, report)
    if plot is not None:
        draw_confusion_of(report, plot)


def _warn_of_changed_data(model: Model) -> None:
    from nlp_speech.run_files import changed_files

    for name in changed_files(model.config, model.bundle.metrics["data"]):
        say(
            f"warning: {name} is not what this bundle was made with; a split "
            "drawn from it may have been trained on"
        )


def verify(bundle: BundlePath, data: DataFiles = None, limit: Limit = None) -> None:
    """Check that Keras, SavedModel and TFLite say the same; exit 1 if not."""
    load_tensorflow()
    from nlp_speech.bundle import Bundle
    from nlp_speech.export import verify_bundle
    from nlp_speech.runtime.examples import examples_of

    opened = Bundle.open(bundle)
    if data:
        given = opened.task, opened.config, opened.load_assets()
        inputs, references = examples_of(*given, "", data)
    else:
        inputs, references = [s["input"] for s in opened.samples()], None
    report = verify_bundle(opened, inputs, references, limit)
    for line in report.lines():
        typer.echo(line)
    if not report.ok:
        raise UserError(f"{opened.path}: {report.first_difference}")


def benchmark(
    bundle: BundlePath,
    threads: Threads = 1,
    limit: Annotated[int, typer.Option(min=1, help="inputs timed")] = 100,
    json_file: JsonFile = None,
) -> None:
    """Measure latency, throughput, memory and bytes of each runtime."""
    from nlp_speech.benchmark import benchmark_bundle, table

    report = benchmark_bundle(bundle, threads=threads, limit=limit)
    typer.echo(table(report))
    write_json(report, json_file)
