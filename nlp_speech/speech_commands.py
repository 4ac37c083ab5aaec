"""The commands that only speech recognition has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nlp_speech.console import hot_words, load_model_of, print_segment, quoted, say
from nlp_speech.errors import UserError, need_packages
from nlp_speech.options import (
    BundlePath,
    DataFiles,
    HotWords,
    Limit,
    Runtime,
    Threads,
    Variant,
)

if TYPE_CHECKING:
    from nlp_speech.runtime import Model

_TASK = "speech_recognition"


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(stream)
    app.command()(tune_language)
    app.command()(synthesize)


def stream(
    bundle: BundlePath,
    source: Annotated[
        str, typer.Argument(help="a sound file, - for standard input, or mic")
    ] = "-",
    runtime: Runtime = "tflite",
    variant: Variant = None,
    threads: Threads = 1,
    hot_word: HotWords = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="a JSON object a line")
    ] = False,
) -> None:
    """Recognize sound while it comes in: partial results, finals with their times.

    Standard input is a 16-bit WAV file, or bare 16-bit samples of one channel at the
    model's rate.
    """
    from nlp_speech.audio.live import MICROPHONE, live_blocks
    from nlp_speech.tasks.speech_recognition.streaming import StreamingRecognizer

    model = load_model_of(_TASK, bundle, runtime, variant, threads)
    recognizer = StreamingRecognizer(model, hot_words(hot_word))
    config = model.config
    blocks = live_blocks(source, config.frontend.sample_rate, config.chunk_samples)
    try:
        _listen(recognizer, blocks, as_json)
    except KeyboardInterrupt:
        # A microphone has no other end.
        if source != MICROPHONE:
            raise
    for segment in recognizer.finish():
        print_segment(segment, as_json)


def _listen(recognizer: Any, blocks: Iterable[Any], as_json: bool) -> None:
    """Prints what is heard as soon as it is."""
    shown = ""
    for block in blocks:
        for segment in recognizer.accept(block):
            print_segment(segment, as_json)
        partial = recognizer.partial()
        if partial.text != shown and partial.text:
            print_segment(partial, as_json)
        shown = partial.text


def without_language(model: Model) -> Callable[[Sequence[str]], list[Any]]:
    """What answers as a model does, without its language model."""
    from nlp_speech.runtime import answer

    assets = replace(model.assets, fusion=None)
    return lambda inputs: answer(
        model.task, assets, model.predictor, inputs, endpoint=model.endpoint
    )


def print_rate(task: Any, results: Sequence[Any], references: Sequence[str]) -> None:
    """Prints the word error rate without a language, and the head of a table."""
    if not results:
        raise UserError("there are no utterances to tune with; give a split with some")
    values, _ = task.score(results, references)
    typer.echo(f"WER {values['wer']:.2f} without a language, {len(results)} utterances")
    typer.echo(f"{'WER':>7s}  {'weight':>7s}  {'bonus':>7s}  {'penalty':>7s}")


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise UserError(f"{text!r}: give numbers, with commas between") from None


def _some_numbers(text: str) -> tuple[float, ...]:
    if not (found := _numbers(text)):
        raise UserError("give one number to try at least, for weights and bonuses")
    return found


def tune_language(
    bundle: BundlePath,
    split: Annotated[
        str, typer.Option(help="validation, or a test set of its config")
    ] = "validation",
    data: DataFiles = None,
    limit: Limit = None,
    weights: Annotated[
        str, typer.Option(help="of the language model, tried each with each bonus")
    ] = "0,0.25,0.5,0.75,1,1.5",
    bonuses: Annotated[str, typer.Option(help="added for each word")] = "-1,0,1,2",
    penalties: Annotated[
        str, typer.Option(help="for an unknown word; empty: that of the config")
    ] = "",
    processes: Annotated[int, typer.Option(min=1, help="that search at once")] = 2,
    runtime: Runtime = "auto",
    variant: Variant = None,
    threads: Threads = None,
) -> None:
    """Try how much the language model of a recognizer should count.

    The sound is run through the model once; then each combination is searched with.
    """
    from nlp_speech.runtime.examples import examples_of
    from nlp_speech.tasks.speech_recognition.language import LANGUAGE_FILE
    from nlp_speech.tasks.speech_recognition.tuning import Grid, Heard, tune

    need_packages("tune-language", "jiwer")
    grid = Grid(_some_numbers(weights), _some_numbers(bonuses), _numbers(penalties))
    model = load_model_of(_TASK, bundle, runtime, variant, threads)
    config = model.config
    if not config.language.has_model:
        raise UserError(
            f"{bundle}: there is no language model in it; export it again with "
            "--set language.order=3, or with --set language.file=FILE.arpa"
        )
    given = model.task, config, model.assets
    inputs, references = examples_of(*given, split, data or (), limit)
    heard = without_language(model)(inputs)
    kept = [n for n, result in enumerate(heard) if result.log_probs is not None]
    if len(kept) < len(inputs):
        say(f"{len(inputs) - len(kept)} utterances are too long and are left out")
    references = [references[n] for n in kept]
    log_probs = [heard[n].log_probs for n in kept]
    given = Heard(log_probs, config, model.assets.labels.symbols)
    print_rate(model.task, [heard[n] for n in kept], references)
    path, found = model.bundle.path / LANGUAGE_FILE, []
    for rate, options in tune(given, references, path, grid, processes):
        values = options.weight, options.word_bonus, options.unknown_penalty
        typer.echo(f"{rate:7.2f}  " + "  ".join(f"{v:7g}" for v in values))
        found.append((rate, values))
    rate, values = min(found)
    keys = ("weight", "word_bonus", "unknown_penalty")
    changes = [f"--set language.{k}={v:g}" for k, v in zip(keys, values, strict=True)]
    typer.echo(f"best: WER {rate:.2f}; put it into the config, or export again with:")
    path = model.bundle.path
    place = f"{quoted(path)} --output {quoted(path.parent)}"
    typer.echo(f"nlp-speech export {place} {' '.join(changes)}")


def synthesize(
    texts: Annotated[
        Path, typer.Argument(metavar="TEXTS", help="a sentence a line, or a table")
    ],
    output: Annotated[Path, typer.Option(help="folder of the sounds and the manifest")],
    column: Annotated[
        str,
        typer.Option(help="of a table: the sentences' column, or its number from 0"),
    ] = "text",
    language: Annotated[
        list[str] | None,
        typer.Option(help="of espeak-ng, en-us if none is given; several are mixed"),
    ] = None,
    times: Annotated[
        int, typer.Option(min=1, help="that each sentence is spoken, by other speakers")
    ] = 1,
    validation: Annotated[
        float, typer.Option(min=0, max=0.5, help="share of speakers held out")
    ] = 0.0,
    sample_rate: Annotated[int, typer.Option(min=8000, max=48_000, help="Hz")] = 16_000,
    sentences: Annotated[
        int | None, typer.Option(min=1, help="drawn from TEXTS; all if not given")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="decides what is drawn")] = 1,
) -> None:
    """Speak sentences with synthetic voices: training data that nobody has recorded.

    For words to be recognized without recordings, or beside recordings. Speakers held
    out say the same sentences.
    """
    from nlp_speech.data.spoken_corpus import Recipe, speak
    from nlp_speech.data.texts import drawn, read_texts

    if not texts.is_file():
        raise UserError.at(texts, None, "there is no such file; give texts to speak")
    found = read_texts(texts, int(column) if column.isdecimal() else column)
    if sentences is not None:
        found = drawn(found, sentences, seed)
    languages = tuple(language or ["en-us"])
    recipe = Recipe(languages, times, validation, sample_rate, seed)
    made = speak(found, output, recipe)
    if made.left_out:
        say(f"{made.left_out} sentences with digits or without words are left out")
    typer.echo(
        f"{made.sounds} sounds, {made.seconds / 60:.1f} minutes: {made.manifest}"
    )
