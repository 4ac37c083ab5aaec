"""Runs a bundle over inputs with references and scores it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from nlp_speech.errors import UserError, need_packages
from nlp_speech.progress import shown
from nlp_speech.runtime import Model, OnBad
from nlp_speech.runtime.examples import draw


def evaluate(
    model: Model,
    inputs: Sequence[str],
    references: Sequence[str],
    *,
    batch_size: int = 32,
    limit: int | None = None,
    endpoint: str | None = None,
    worst: int = 5,
    on_bad: OnBad | None = None,
) -> dict[str, Any]:
    """Answers every input and scores the answers.

    Args:
        model: what is evaluated.
        inputs: one for each example.
        references: the right answers, in the same order.
        batch_size: inputs run together at most.
        limit: so many examples only, drawn by the config's seed, or None for all.
        endpoint: which endpoint, or None for the runtime's own.
        worst: examples with the most errors that the report lists, at most.
        on_bad: told of each input that cannot be read and why; it is left out then, and
            the report's `bad` counts them. Without it such an input is an error.

    Returns:
        Plain JSON data: `task`, `bundle`, `runtime`, `examples`, `seconds` (of
        answering, without loading), `metrics` by name and the `signatures` that tell
        how each was computed; `variant` too where a device file was run, `confusion`
        (`labels`, and `counts` [right, answered]) where a task has classes, and
        `errors` (see `word_errors.error_report`) where words are counted.

    Raises:
        UserError: there are no examples, or not a reference for each input.
    """
    if len(inputs) != len(references):
        raise UserError(
            f"there are {len(inputs)} inputs and {len(references)} references; give "
            "one reference for each input"
        )
    if limit is not None and limit < 1:
        raise UserError(f"limit must be 1 or more, not {limit}")
    need_packages("evaluate", *model.task.EXTRAS.scorers)
    some = draw(len(inputs), limit, model.config.seed)
    inputs, references = [inputs[n] for n in some], [references[n] for n in some]
    if not inputs:
        raise UserError("there are no examples to evaluate; give a split that has some")
    with shown("answering", len(inputs), "inputs") as advance:
        start = time.perf_counter()
        results = model(
            inputs,
            batch_size=batch_size,
            endpoint=endpoint,
            on_bad=on_bad,
            advance=advance,
        )
        seconds = time.perf_counter() - start
    kept = [n for n, result in enumerate(results) if result is not None]
    bad = len(results) - len(kept)
    if not kept:
        raise UserError(f"none of the {bad} inputs can be read; mend the data")
    inputs, results = [inputs[n] for n in kept], [results[n] for n in kept]
    references = [references[n] for n in kept]
    metrics, signatures = model.task.score(results, references)
    report: dict[str, Any] = {
        "task": model.task.NAME,
        "bundle": model.bundle.name,
        "runtime": model.runtime,
        "examples": len(inputs),
        "seconds": round(seconds, 3),
        "metrics": {name: float(value) for name, value in metrics.items()},
        "signatures": dict(signatures),
    }
    if on_bad is not None:
        report["bad"] = bad
    if model.variant is not None:
        report["variant"] = model.variant
    extras = model.task.EXTRAS
    if extras.confusion is not None:
        labels, counts = extras.confusion(results, references)
        report["confusion"] = {"labels": labels, "counts": counts.tolist()}
    if extras.errors is not None:
        report["errors"] = extras.errors(inputs, results, references, worst)
    return report
