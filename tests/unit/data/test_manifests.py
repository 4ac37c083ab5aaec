"""Manifests: what is read, what is chosen, and what is said of bad lines."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nlp_speech.data.manifests import (
    Selection,
    Utterance,
    fold_of,
    read_feature_file,
    read_manifest,
    tell_left_out,
)
from nlp_speech.errors import UserError

HEADER = "path\ttranscript\tspeaker\tsplit\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).touch()
    return tmp_path


def test_tsv(folder: Path) -> None:
    path = folder / "m.tsv"
    path.write_text(f'{HEADER}a.wav\tsay "A"\tann\ttrain\n\nb.wav\t\tbob\ttest\n')
    assert read_manifest(path) == [
        Utterance(str(folder / "a.wav"), 'say "A"', "ann", "train", f"{path}:2"),
        Utterance(str(folder / "b.wav"), "", "bob", "test", f"{path}:4"),
    ]


def test_jsonl(folder: Path) -> None:
    path = folder / "m.jsonl.gz"
    rows = [
        {"path": "a.wav", "text": "A", "speaker": 7, "noise": None},
        {"path": ["a.wav", 0.2, "b.wav"], "text": "A B"},
    ]
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    first, second = read_manifest(path, "text")
    assert (first.text, first.speaker, first.split) == ("A", "7", "")
    assert json.loads(second.input) == [
        str(folder / "a.wav"),
        0.2,
        str(folder / "b.wav"),
    ]


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ("", None, "no rows"),
        (HEADER, None, "no rows"),
        ("a.wav\tA\n", 1, "first line must name the columns"),
        ("path\ttext\na.wav\tA\n", 2, "no column 'transcript'; there is: path, text"),
        (f"{HEADER}a.wav\tA\n", 2, "2 columns"),
        ("path\ttext\ttext\na.wav\tA\tB\n", 1, "several columns 'text'"),
        (f"{HEADER}a.wav\tA\tx\ty\nc.wav\tC\tx\ty\n", 3, "c.wav is not there"),
        (f"{HEADER}\tA\tx\ty\n", 2, "path is empty"),
        (f"{HEADER}.\tA\tx\ty\n", 2, "is a directory"),
    ],
)
def test_bad_tsv(folder: Path, content: str, line: int | None, words: str) -> None:
    path = folder / "m.tsv"
    path.write_text(content)
    with pytest.raises(UserError) as caught:
        read_manifest(path)
    place = path if line is None else f"{path}:{line}"
    assert str(caught.value).startswith(f"{place}: ")
    assert words in str(caught.value)


@pytest.mark.parametrize("content", ["{", "[1]", '{"path": "a.wav"}'])
def test_bad_jsonl(folder: Path, content: str) -> None:
    path = folder / "m.jsonl"
    path.write_text(f"\n{content}\n")
    with pytest.raises(UserError, match=r"m\.jsonl:2: "):
        read_manifest(path)


@pytest.mark.parametrize(
    ("name", "content", "lines"),
    [
        (
            "m.tsv",
            f"{HEADER}a.wav\n\tA\tx\ty\nb.wav\tB\tx\ty\nc.wav\t\tx\ty",
            [2, 3, 5],
        ),
        (
            "m.jsonl",
            '{\n[1]\n{"path": "a.wav"}\n{"path": "b.wav", "transcript": "B"}',
            [1, 2, 3],
        ),
    ],
)
def test_bad_rows_can_be_left_out(
    folder: Path, name: str, content: str, lines: list[int]
) -> None:
    path = folder / name
    path.write_text(content)
    told: list[UserError] = []
    [found] = read_manifest(path, on_bad=told.append)
    assert (found.input, found.text) == (str(folder / "b.wav"), "B")
    for line, error in zip(lines, told, strict=True):
        assert str(error).startswith(f"{path}:{line}: ")


def test_a_manifest_of_bad_rows_only_is_an_error(folder: Path) -> None:
    path = folder / "m.tsv"
    path.write_text("path\ttext\na.wav\tA\nb.wav\tB\n")
    told: list[UserError] = []
    with pytest.raises(UserError, match=r"m\.tsv:2: there is no column 'transcript'"):
        read_manifest(path, on_bad=told.append)
    assert not told


def test_what_is_left_out_is_named_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tell_left_out([UserError(f"row {n}") for n in range(5)])
    assert caplog.messages == [*(f"left out: row {n}" for n in range(3)), "and 2 more"]


def test_features_are_utterances(tmp_path: Path) -> None:
    path = tmp_path / "c.npz"
    np.savez(
        path,
        frames=np.zeros([5, 2]),
        lengths=[2, 3],
        transcript=["ONE", "TWO"],
        utt=["x/ann/1", "2"],
    )
    first, second = read_feature_file(path)
    assert (first.input, first.text, first.speaker) == (f"{path}#0", "ONE", "ann")
    assert (second.input, second.speaker) == (f"{path}#1", "")


def test_bad_features_can_be_left_out(tmp_path: Path) -> None:
    path, frames = tmp_path / "c.npz", np.zeros([6, 2])
    names: dict[str, Any] = {"transcript": ["1", "2", "6"], "utt": ["1", "2", "6"]}
    frames[3] = np.inf
    np.savez(path, frames=frames, lengths=[2, 3, 1], **names)
    with pytest.raises(UserError, match=r"utterance 1 .* not finite"):
        read_feature_file(path)
    told: list[UserError] = []
    found = read_feature_file(path, told.append)
    assert [u.input for u in found] == [f"{path}#0", f"{path}#2"]
    assert len(told) == 1
    frames[:] = np.nan
    np.savez(path, frames=frames, lengths=[2, 3, 1], **names)
    with pytest.raises(UserError, match=r"utterance 0 .* not finite"):
        read_feature_file(path, told.append)


UTTERANCES = [
    Utterance(f"/d/{speaker}/{n}.wav", "x", speaker, "train" if n < 8 else "test")
    for speaker in ("ann", "bob", "")
    for n in range(10)
]


def test_selection() -> None:
    path = Path("m.tsv")
    assert Selection().of(UTTERANCES, path) == UTTERANCES
    found = Selection(split="test").of(UTTERANCES, path)
    assert {u.split for u in found} == {"test"}
    found = Selection(speakers=["ann"]).of(UTTERANCES, path)
    assert {u.speaker for u in found} == {"ann"}
    found = Selection(without_speakers=["ann"]).of(UTTERANCES, path)
    assert {u.speaker for u in found} == {"bob", ""}


def test_folds_part_the_utterances_by_name_alone() -> None:
    path = Path("m.tsv")
    parts = [Selection(folds=3, fold=[n]).of(UTTERANCES, path) for n in range(3)]
    assert sorted(u.input for part in parts for u in part) == sorted(
        u.input for u in UTTERANCES
    )
    moved = [Utterance("/other" + u.input, "y") for u in UTTERANCES]
    assert [fold_of(u, 3) for u in moved] == [fold_of(u, 3) for u in UTTERANCES]
    both = Selection(folds=3, fold=[0, 2]).of(UTTERANCES, path)
    assert set(both) == {*parts[0], *parts[2]}


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        (Selection(split="val"), "no split 'val'; there is: test, train"),
        (Selection(speakers=["eve"]), "no speaker 'eve'; there is: ann, bob"),
        (Selection(without_speakers=["eve"]), "no speaker 'eve'"),
        (Selection(speakers=["ann"], without_speakers=["ann"]), "no utterance is left"),
    ],
)
def test_a_selection_of_nothing(selection: Selection, words: str) -> None:
    with pytest.raises(UserError, match=words):
        selection.of(UTTERANCES, Path("m.tsv"))
