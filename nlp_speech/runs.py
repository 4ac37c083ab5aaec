"""A finished run, opened again to be exported."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nlp_speech.config import read_config
from nlp_speech.contract import TrainingTask, load_task, load_training_task
from nlp_speech.errors import UserError
from nlp_speech.export import export_bundle
from nlp_speech.weights import load_weights


def export_run(
    run: Path, output: Path, overrides: Sequence[str], say: Callable[[str], None]
) -> Path:
    """Exports the averaged weights of a run as the next version of a bundle.

    Args:
        run: the run's directory.
        output: the directory of the bundle's name.
        overrides: changes to the run's config, such as ``export.text_to_text=true``.
        say: told what is being done, a line each.

    Returns:
        The new version directory.

    Raises:
        UserError: the run is not finished, or the bundle fails verification.
    """
    weights = run / "weights.npz"
    if not weights.exists():
        raise UserError(
            f"{run} holds no finished run (there is no weights.npz); train first, or "
            "finish with: nlp-speech train CONFIG --resume"
        )
    config = read_config(run / "config.yaml", overrides)
    task, training_task = load_task(config.task), load_training_task(config.task)
    with _assets(run, config, training_task) as directory:
        assets = task.load_assets(config, directory)
        model = training_task.build(config, assets)
        load_weights(model, weights)
        return export_bundle(
            task,
            training_task,
            config,
            directory,
            model,
            output,
            examples=task.references(config, "validation"),
            training=_history(run),
            say=say,
        )


@contextmanager
def _assets(run: Path, config: Any, training_task: TrainingTask) -> Iterator[Path]:
    """The assets of a run, or a copy that suits a changed config."""
    assets, before = run / "assets", read_config(run / "config.yaml")
    renewal = getattr(training_task, "renewal", None)
    renew = renewal(config, before) if renewal else None
    if renew is None:
        yield assets
        return
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(shutil.copytree(assets, Path(scratch) / "assets"))
        renew(copy)
        yield copy


def _history(run: Path) -> dict[str, Any]:
    """What the last line of the run's log says of its training."""
    log = run / "log.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return json.loads(lines[-1]) if lines else {}
