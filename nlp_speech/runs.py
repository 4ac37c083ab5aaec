"""A finished run, or a bundle, opened again to be exported."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from nlp_speech.bundle import CONFIG_FILE, Bundle
from nlp_speech.config import read_config
from nlp_speech.contract import Task, TrainingTask, load_task, load_training_task
from nlp_speech.errors import UserError
from nlp_speech.export import export_bundle
from nlp_speech.run_files import read_digests, read_log
from nlp_speech.runtime.examples import examples_of
from nlp_speech.runtime.keras import restore_weights
from nlp_speech.sections import Experiment
from nlp_speech.weights import load_weights

_ONLY_FOR_TRAINING = (
    *("augmentation", "batch", "training", "tune"),
    # They decide which examples were kept from training, and so can be scored.
    *("seed", "data.validation_share", "data.exclude_splits"),
)


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
        UserError: the run is not finished, a change is of what only training uses, or
            the bundle fails verification.
    """
    weights = run / "weights.npz"
    if not weights.exists():
        raise UserError(
            f"{run} holds no finished run (there is no weights.npz); train first, or "
            "finish with: nlp-speech train CONFIG --resume"
        )
    config = _changed(run / "config.yaml", overrides)
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
            examples=_validation(task, config, assets),
            training=(read_log(run) or [{}])[-1],
            data=read_digests(run),
            say=say,
        )


def renew_bundle(
    bundle: Bundle, output: Path, overrides: Sequence[str], say: Callable[[str], None]
) -> Path:
    """Exports the weights of a bundle again, as this version of the library does it.

    It needs neither the run nor the data: where the validation data cannot be read, the
    runtimes are compared on the bundle's samples. Scores are those of the old bundle,
    unless the config is changed elsewhere than in its sections ``export`` and ``card``.

    Args:
        bundle: what is exported again; it is left as it is.
        output: the directory of the new bundle's name.
        overrides: changes to the bundle's config, such as ``decoding.beam_size=2``.
        say: told what is being done, a line each.

    Returns:
        The new version directory.

    Raises:
        UserError: a change does not suit the weights, or verification fails.
    """
    before, metrics = bundle.config, bundle.metrics
    config = _changed(bundle.path / CONFIG_FILE, overrides)
    task, training_task = bundle.task, load_training_task(bundle.task.NAME)
    with TemporaryDirectory() as scratch:
        directory = Path(scratch)
        for name in metrics["assets"]:
            shutil.copyfile(bundle.path / name, directory / name)
        renew = _renewal(training_task, config, before)
        if renew is not None:
            renew(directory)
        assets = task.load_assets(config, directory)
        model = training_task.build(config, assets)
        restore_weights(model, bundle.path, metrics["weights"])
        shown = {"export": before.export, "card": before.card}
        same = config.model_copy(update=shown) == before
        return export_bundle(
            task,
            training_task,
            config,
            directory,
            model,
            output,
            metrics["metrics"] if same else None,
            examples=_validation_if_there(task, config, assets, say),
            data=metrics["data"],
            training=metrics["training"],
            say=say,
        )


def _changed(file: Path, overrides: Sequence[str]) -> Experiment:
    """The config of finished weights with changes that still mean something."""
    for override in overrides:
        key = override.split("=")[0].strip()
        if any(f"{key}.".startswith(f"{name}.") for name in _ONLY_FOR_TRAINING):
            raise UserError(
                f"--set {override}: only training uses this, and {file.parent} is "
                "trained; change the config and train again"
            )
    return read_config(file, overrides)


def _validation(
    task: Task, config: Any, assets: Any
) -> tuple[Sequence[str], Sequence[Any]]:
    """What a bundle is verified with."""
    limit = config.export.verify_limit
    return examples_of(task, config, assets, "validation", limit=limit)


def _validation_if_there(
    task: Task, config: Any, assets: Any, say: Callable[[str], None]
) -> tuple[Sequence[str], Sequence[Any]] | None:
    """The same, or None where the data are not."""
    try:
        return _validation(task, config, assets)
    except UserError as error:
        say(f"verifying with the samples only: {error}")
        return None


@contextmanager
def _assets(run: Path, config: Any, training_task: TrainingTask) -> Iterator[Path]:
    """The assets of a run, or a copy that suits a changed config."""
    assets, before = run / "assets", read_config(run / "config.yaml")
    renew = _renewal(training_task, config, before)
    if renew is None:
        yield assets
        return
    with TemporaryDirectory() as scratch:
        copy = Path(shutil.copytree(assets, Path(scratch) / "assets"))
        renew(copy)
        yield copy


def _renewal(
    training_task: TrainingTask, config: Any, before: Any
) -> Callable[[Path], None] | None:
    """What makes anew the assets that a changed config changes, if any."""
    renewal = training_task.EXTRAS.renewal
    return renewal(config, before) if renewal else None
