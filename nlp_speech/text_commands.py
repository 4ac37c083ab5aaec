"""The commands that only tasks on text have."""

from __future__ import annotations

from typing import Annotated

import typer

from nlp_speech.console import lines_of_stdin, load_model_of
from nlp_speech.options import BundlePath, Runtime, Threads, Variant


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("continue")(continue_)


def continue_(
    bundle: BundlePath,
    prompts: Annotated[
        list[str] | None, typer.Argument(metavar="[TEXT]...", show_default=False)
    ] = None,
    pieces: Annotated[int, typer.Option(min=1, help="written at most")] = 50,
    temperature: Annotated[
        float, typer.Option(min=0.0, help="below 1: what is likely; 0: the likeliest")
    ] = 0.8,
    seed: Annotated[
        int, typer.Option(min=0, help="another seed writes another text")
    ] = 0,
    runtime: Runtime = "tflite",
    variant: Variant = None,
    threads: Threads = 1,
) -> None:
    """Write on where each text stops, piece by piece, with a language model.

    Without a text, standard input is read line by line.
    """
    from nlp_speech.tasks.language_model.continuing import written_text

    model = load_model_of("language_model", bundle, runtime, variant, threads)
    for prompt in prompts or lines_of_stdin():
        texts = written_text(
            model.predictor, model.assets, prompt, pieces, temperature, seed
        )
        spelled = next(texts)  # the prompt, as the vocabulary spells it
        shown = next(texts, spelled)
        typer.echo(_joined(prompt, shown.removeprefix(spelled)), nl=False)
        for text in texts:
            typer.echo(text.removeprefix(shown), nl=False)
            shown = text
        typer.echo()


def _joined(prompt: str, added: str) -> str:
    """The user's own prompt and what follows, with one space between at most."""
    return (prompt.rstrip() if added.startswith(" ") else prompt) + added
