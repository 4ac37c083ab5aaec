"""Speech of TensorFlow Datasets as sound files and a manifest, made once."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from nlp_speech.data.paths import data_root
from nlp_speech.errors import UserError

PREFIX = "tfds:"
_SOUND = ("speech", "audio")
_SPEAKER = ("speaker_id", "speaker")
_TEXT = ("text", "transcript")
_MANIFEST = "manifest.jsonl"


def manifest_of(source: str, split: str | None, column: str) -> Path:
    """The manifest of a split of TensorFlow Datasets, made if it is not there.

    Sound files go beside it, into the folder ``tfds`` of the data root. Its column
    ``transcript`` is the feature `column`, or ``text`` if there is none so called; its
    column ``split`` says what was asked for.

    Args:
        source: ``tfds:NAME``, such as ``tfds:librispeech``.
        split: as TensorFlow Datasets names it, such as ``train_clean100``.
        column: the feature of what is said.

    Raises:
        UserError: TensorFlow Datasets is not installed, or has no such data.
    """
    name = source.removeprefix(PREFIX)
    if split is None:
        raise UserError(f"{source}: give its split too, such as split: train")
    folder = data_root() / "tfds" / _plain(name) / _plain(f"{split}.{column}")
    path = folder / _MANIFEST
    if path.is_file():
        return path
    rows = _examples(source, name, split, column)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as directory:
            scratch = Path(directory) / "split"
            scratch.mkdir()
            with (scratch / _MANIFEST).open("w", encoding="utf-8") as file:
                for number, (samples, rate, row) in enumerate(rows):
                    row["path"] = f"{number:07d}.flac"
                    soundfile.write(scratch / row["path"], samples, rate)
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
            shutil.rmtree(folder, ignore_errors=True)
            scratch.rename(folder)
    except (OSError, soundfile.SoundFileError) as error:
        raise UserError.at(
            folder, None, f"the sounds of {source} cannot be written ({error})"
        ) from error
    return path


def _examples(
    source: str, name: str, split: str, column: str
) -> Iterator[tuple[np.ndarray, int, dict[str, str]]]:
    """Samples, their rate and the row of each example."""
    tfds = _library(source)
    try:
        builder = tfds.builder(name, data_dir=str(data_root() / "tensorflow_datasets"))
        builder.download_and_prepare()
        examples = tfds.as_numpy(builder.as_dataset(split=split))
    except Exception as error:  # each data set raises what it likes
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"{source}: TensorFlow Datasets cannot give its split {split!r} ({reason})"
        ) from error
    features = builder.info.features
    sound = _feature(source, features, _SOUND, "sound")
    text = _feature(source, features, (column, *_TEXT), "transcript")
    speaker = next((f for f in _SPEAKER if f in features), None)
    rate = int(features[sound].sample_rate or 16_000)
    named = getattr(features[text], "int2str", None)
    for example in examples:
        said = example[text]
        row = {
            "transcript": named(said) if named else _string(said),
            "speaker": _string(example[speaker]) if speaker else "",
            "split": split,
        }
        samples = np.asarray(example[sound])
        # Samples are 16-bit numbers in a wider type.
        if np.issubdtype(samples.dtype, np.integer):
            samples = samples.astype(np.int16)
        yield samples, rate, row


def _library(source: str) -> Any:
    try:
        import tensorflow_datasets  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise UserError(
            f"{source} needs TensorFlow Datasets; pip install tensorflow-datasets, or "
            f"give a manifest of sound files ({error})"
        ) from error
    return tensorflow_datasets


def _feature(source: str, features: Any, names: tuple[str, ...], what: str) -> str:
    for name in names:
        if name in features:
            return name
    have = ", ".join(features) or "none"
    raise UserError(f"{source}: there is no {what} in its features, which are: {have}")


def _string(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _plain(name: str) -> str:
    """A name that any file system takes."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name)
