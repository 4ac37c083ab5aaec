"""What the command line draws, and the words of a decision that it colours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlp_speech.console import print_json, print_result, say, say_warning
from nlp_speech.errors import UserError, need_packages

if TYPE_CHECKING:
    from nlp_speech.runtime import Model


def draw_alignment_of(
    model: Model, inputs: list[str], path: Path, as_json: bool, n_best: int
) -> None:
    """Draws what the attention looked at for one text (`predict --attention`)."""
    from nlp_speech.plots import draw_attention

    alignment = model.task.EXTRAS.alignment
    if alignment is None:
        raise UserError(
            f"--attention: a {model.task.NAME} model has no alignment to draw"
        )
    need_packages("--attention", "matplotlib")
    if len(inputs) != 1:
        raise UserError("--attention draws the alignment of one text; give just one")
    [result] = model(inputs, endpoint=model.task.DEVICE_ENDPOINT)
    print_result(inputs[0], result, as_json, n_best)
    read, written, weights = alignment(result)
    if read and written:
        draw_attention(read, written, weights, path)
    else:
        say("nothing was read or written, so there is no alignment to draw")


def draw_sound_of(
    model: Model, inputs: list[str], path: Path, as_json: bool, n_best: int
) -> None:
    """Draws a sound and what was heard in it (`predict --plot`)."""
    from nlp_speech.sound_plots import draw_sounds

    picture = model.task.EXTRAS.picture
    if picture is None:
        raise UserError(f"--plot: a {model.task.NAME} model hears no sound to draw")
    need_packages("--plot", "matplotlib")
    if len(inputs) != 1:
        raise UserError("--plot draws one sound; give just one")
    [result] = model(inputs)
    draw_sounds([picture(inputs[0], result, model.assets)], path)
    print_result(inputs[0], result, as_json, n_best)


def print_explanations(
    model: Model, inputs: list[str], path: Path, batch_size: int, as_json: bool
) -> None:
    """Shows how much each word speaks for an answer (`predict --explain`).

    As JSON it is `explanation`: parts that join to the text, each with its weight.
    """
    from rich.console import Console

    from nlp_speech.files import write_text
    from nlp_speech.highlight import Highlighted, html_page, terminal_text

    explain = model.task.EXTRAS.explain
    if explain is None:
        raise UserError(f"--explain: a {model.task.NAME} has no words to weigh")
    console = Console(highlight=False, soft_wrap=True)
    pages = []
    for text in inputs:
        result, parts = explain(lambda t: model(t, batch_size=batch_size), text)
        say_warning(text, result)
        page = Highlighted(f"{result.as_text()} {result.n_best[0].score:.3f}", parts)
        pages.append(page)
        if as_json:
            print_json(text, result, explanation=parts)
        else:
            console.print(page.answer, terminal_text(page), sep="\t", markup=False)
    write_text(path, html_page(model.bundle.name, pages))


def check_confusion(model: Model, path: Path) -> None:
    """Refuses to draw what a task has not, or in no format, before it answers."""
    if model.task.EXTRAS.confusion is None:
        raise UserError(f"--plot: a {model.task.NAME} has no classes to confuse")
    need_packages("--plot", "matplotlib")
    from nlp_speech.plots import picture_format

    picture_format(path)


def draw_confusion_of(report: dict[str, Any], path: Path) -> None:
    """Draws what was taken for what (`evaluate --plot`)."""
    from nlp_speech.plots import draw_confusion

    draw_confusion(report["confusion"]["labels"], report["confusion"]["counts"], path)
