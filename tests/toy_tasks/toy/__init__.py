"""A task small enough to test everything around tasks: each letter to another one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from nlp_speech.contract import Extras
from nlp_speech.sections import Experiment, Section

NAME = "toy"
SERVER_ENDPOINT = "change"
DEVICE_ENDPOINT = "change_ids"
TEXT_ENDPOINT = None
METRIC = "accuracy"
COUNTED = "examples"
EXTRAS = Extras()


class ToyDataSection(Section):
    train: str = "letters.txt"


class Config(Experiment):
    task: Literal["toy"] = "toy"  # pyright: ignore[reportIncompatibleVariableOverride]
    data: ToyDataSection = ToyDataSection()
    units: int = 4


@dataclass(frozen=True)
class Changed:
    text: str
    score: float

    def as_dict(self) -> dict[str, Any]:
        return {"text": self.text, "score": self.score}

    def as_text(self) -> str:
        return self.text


def load_assets(config: Any, directory: Path) -> str:
    del config
    return (directory / "letters.txt").read_text(encoding="utf-8")


def before(
    endpoint: str, inputs: Sequence[str], assets: str
) -> Mapping[str, np.ndarray]:
    if endpoint == SERVER_ENDPOINT:
        return {"text": np.array(list(inputs), object)}
    lengths = np.array([len(text) for text in inputs], np.int32)
    ids = np.zeros((len(inputs), max(1, lengths.max())), np.int32)
    for row, text in enumerate(inputs):
        ids[row, : len(text)] = [assets.find(letter) + 1 for letter in text]
    return {"ids": ids, "lengths": lengths}


def after(
    endpoint: str,
    outputs: Mapping[str, np.ndarray],
    inputs: Sequence[str],
    assets: str,
) -> list[Changed]:
    if endpoint == SERVER_ENDPOINT:
        texts = [text.decode() for text in outputs["text"]]
    else:
        letters = "?" + assets
        texts = [
            "".join(letters[i] for i in row[: len(text)])
            for row, text in zip(outputs["ids"], inputs, strict=True)
        ]
    scores = [float(score) for score in outputs["score"]]
    return [Changed(t, s) for t, s in zip(texts, scores, strict=True)]


def references(
    config: Any, split: str, files: Sequence[Path] = ()
) -> tuple[list[str], list[str]]:
    del config, split, files
    return ["abc", "cab"], ["bcd", "dbc"]


def score(
    results: Sequence[Changed], references: Sequence[str]
) -> tuple[dict[str, float], dict[str, str]]:
    right = [r.text == e for r, e in zip(results, references, strict=True)]
    return {"accuracy": 100 * float(np.mean(right))}, {"accuracy": "toy|v1"}


def samples(config: Any) -> list[str]:
    del config
    return ["abc", "", "a|b", "zyx" * 10]
