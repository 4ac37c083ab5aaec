"""The commands that prove and measure a bundle, whatever its task."""

from __future__ import annotations

from typing import Annotated

import typer

from nlp_speech.console import load_tensorflow, write_json
from nlp_speech.errors import UserError
from nlp_speech.options import BundlePath, DataFiles, JsonFile, Limit, Threads


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(verify)
    app.command()(benchmark)


def verify(bundle: BundlePath, data: DataFiles = None, limit: Limit = None) -> None:
    """Check that Keras, SavedModel and TFLite say the same; exit 1 if not."""
    load_tensorflow()
    from nlp_speech.bundle import Bundle
    from nlp_speech.export import verify_bundle
    from nlp_speech.runtime import examples_of

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
