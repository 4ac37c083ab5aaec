"""The commands that only speech recognition has."""

from __future__ import annotations

from typing import Annotated

import typer

from nlp_speech.console import load_model, print_segment
from nlp_speech.errors import UserError
from nlp_speech.options import BundlePath, Runtime, Threads, Variant


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(stream)


def stream(
    bundle: BundlePath,
    source: Annotated[
        str, typer.Argument(help="a sound file, - for standard input, or mic")
    ] = "-",
    runtime: Runtime = "tflite",
    variant: Variant = "dynamic",
    threads: Threads = 1,
    as_json: Annotated[
        bool, typer.Option("--json", help="a JSON object a line")
    ] = False,
) -> None:
    """Recognize sound while it comes in: partial results, finals with their times.

    Standard input is a 16-bit WAV file, or bare 16-bit samples of one channel at the
    model's rate.
    """
    from nlp_speech.audio.live import live_blocks
    from nlp_speech.tasks.speech_recognition.streaming import StreamingRecognizer

    model = load_model(bundle, runtime, variant, threads)
    if model.task.NAME != "speech_recognition":
        raise UserError(f"{bundle}: its task is {model.task.NAME}, which hears nothing")
    recognizer = StreamingRecognizer(model)
    config, shown = model.config, ""
    for block in live_blocks(source, config.frontend.sample_rate, config.chunk_samples):
        for segment in recognizer.accept(block):
            print_segment(segment, as_json)
        partial = recognizer.partial()
        if partial.text != shown and partial.text:
            print_segment(partial, as_json)
        shown = partial.text
    for segment in recognizer.finish():
        print_segment(segment, as_json)
