"""Utterances listed in a manifest, or in a file of features; no TensorFlow."""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nlp_speech.audio.inputs import (
    bad_frames,
    frame_file,
    join_parts,
    split_parts,
)
from nlp_speech.data.parallel import read_lines
from nlp_speech.errors import UserError

OnBadRow = Callable[[UserError], None]
_COMPRESSED = (".gz", ".xz", ".bz2")
_SHOWN = 3  # bad rows or files that the log names


@dataclass(frozen=True)
class Utterance:
    """Something that was said.

    Attributes:
        input: what `nlp_speech.audio.inputs` reads: a sound file, several of them
            joined, or a place in a file of features.
        text: what is said, as the data have it.
        speaker: who says it, or an empty string.
        split: the part of the data that it belongs to, or an empty string.
        place: file and line that name it.
    """

    input: str
    text: str
    speaker: str = ""
    split: str = ""
    place: str = ""


@dataclass(frozen=True)
class Selection:
    """Which utterances of a file are wanted.

    Attributes:
        split: those of this split, or None for all.
        speakers: those of these speakers; empty: all.
        without_speakers: not those of these speakers.
        folds: the parts that inputs are dealt out to, by their name alone.
        fold: the parts wanted, counted from 0; empty: all.
    """

    split: str | None = None
    speakers: Sequence[str] = ()
    without_speakers: Sequence[str] = ()
    folds: int = 1
    fold: Sequence[int] = ()

    def of(self, utterances: Sequence[Utterance], path: Path) -> list[Utterance]:
        """Those that are wanted.

        Raises:
            UserError: there is none, or a speaker or split does not occur.
        """
        for what, names, known in (
            ("split", [self.split or ""], {u.split for u in utterances}),
            (
                "speaker",
                [*self.speakers, *self.without_speakers],
                {u.speaker for u in utterances},
            ),
        ):
            missing = [n for n in names if n and n not in known]
            if missing:
                some = ", ".join(sorted(k for k in known if k)[:10]) or "none"
                raise UserError.at(
                    path, None, f"there is no {what} {missing[0]!r}; there is: {some}"
                )
        wanted = [u for u in utterances if self._has(u)]
        if not wanted:
            raise UserError.at(path, None, "no utterance is left; select fewer away")
        return wanted

    def _has(self, utterance: Utterance) -> bool:
        if self.split is not None and utterance.split != self.split:
            return False
        if self.speakers and utterance.speaker not in self.speakers:
            return False
        if utterance.speaker and utterance.speaker in self.without_speakers:
            return False
        return not self.fold or fold_of(utterance, self.folds) in self.fold


def fold_of(utterance: Utterance, folds: int) -> int:
    """The part of `folds` that an utterance belongs to, wherever its file lies."""
    name = "/".join(Path(utterance.input).parts[-2:])
    return zlib.crc32(name.encode("utf-8", "surrogateescape")) % folds


def read_manifest(
    path: Path,
    column: str = "transcript",
    check_files: bool = True,
    on_bad: OnBadRow | None = None,
) -> list[Utterance]:
    """Reads a manifest.

    The columns (TSV, with a header) or keys (JSONL) are `path`, the transcript's and,
    if there, `speaker` and `split`; others are ignored. A path is relative to the
    manifest's folder, or is a JSON list of such paths and seconds of silence.

    Args:
        path: the manifest; ``.jsonl``, or TSV otherwise; ``.gz``, ``.xz``, ``.bz2`` are
            decompressed.
        column: where the transcript is.
        check_files: whether a missing sound file is an error here.
        on_bad: told of each bad row, which is left out then; without it such a row is
            an error.

    Raises:
        UserError: the manifest cannot be read, has no rows or bad ones only, lacks a
            column, or names a file that is not there; names the line.
    """
    suffixes = [s.lower() for s in path.suffixes if s.lower() not in _COMPRESSED]
    rows = _json_rows if suffixes[-1:] in ([".jsonl"], [".json"]) else _tsv_rows
    found, bad = [], []
    for number, row in rows(path):
        try:
            if isinstance(row, UserError):
                raise row
            found.append(_utterance(path, number, row, column, check_files))
        except UserError as error:
            if on_bad is None:
                raise
            bad.append(error)
    if not found:
        none = "there are no rows; list at least one file"
        raise bad[0] if bad else UserError.at(path, None, none)
    if on_bad is not None:
        for error in bad:
            on_bad(error)
    return found


def _utterance(
    path: Path, number: int, row: dict[str, str], column: str, check_file: bool
) -> Utterance:
    """What a row of a manifest names."""
    for name in ("path", column):
        if name not in row:
            have = ", ".join(row) or "none"
            raise UserError.at(
                path,
                number,
                f"there is no column {name!r}; there is: {have}; set `column` in the "
                "config, or name it so",
            )
    if not row["path"]:
        raise UserError.at(path, number, "the path is empty; fill it in")
    try:
        given = _located(row["path"], path.parent)
    except UserError as error:
        raise UserError.at(path, number, str(error)) from error
    if check_file:
        _check_there(given, path, number)
    return Utterance(
        given,
        row[column],
        row.get("speaker", ""),
        row.get("split", ""),
        f"{path}:{number}",
    )


def read_feature_file(path: Path, on_bad: OnBadRow | None = None) -> list[Utterance]:
    """The utterances of a file of features; see `audio.inputs.frame_file`.

    A speaker is the folder in a name such as ``an4_clstk/fash/an251-fash-b``.

    Args:
        path: the file.
        on_bad: told of each utterance with numbers that are not finite, which is left
            out then; without it such an utterance is an error.

    Raises:
        UserError: the file cannot be read, or no utterance of it is good.
    """
    data = frame_file(path)
    found = []
    for number, (text, name) in enumerate(zip(data.texts, data.names, strict=True)):
        if number in data.bad:
            continue
        parts = name.split("/")
        speaker = parts[-2] if len(parts) > 1 else ""
        found.append(
            Utterance(f"{path}#{number}", text, speaker, "", f"{path}#{number}")
        )
    for number in sorted(data.bad):
        error = bad_frames(path, number)
        if on_bad is None or not found:
            raise error
        on_bad(error)
    return found


def tell_left_out(errors: Collection[UserError]) -> None:
    """Names some of the rows or files that are left out in the log, and counts them."""
    log = logging.getLogger(__name__)
    for error in list(errors)[:_SHOWN]:
        log.warning("left out: %s", error)
    if len(errors) > _SHOWN:
        log.warning("and %d more", len(errors) - _SHOWN)


def _located(cell: str, folder: Path) -> str:
    parts = split_parts(cell)
    return join_parts([folder / p if isinstance(p, Path) else p for p in parts])


def _check_there(given: str, path: Path, number: int) -> None:
    for part in split_parts(given):
        if isinstance(part, Path) and not part.is_file():
            problem = "is a directory" if part.is_dir() else "is not there"
            raise UserError.at(
                path, number, f"the sound file {part} {problem}; mend the row"
            )


def _tsv_rows(path: Path) -> Iterator[tuple[int, dict[str, str] | UserError]]:
    """Rows with their lines; what is wrong with a row instead of a bad one."""
    header: list[str] = []
    for number, line in enumerate(read_lines(path), start=1):
        cells = line.split("\t")
        if not header:
            header = [cell.strip() for cell in cells]
            if "path" not in header:
                raise UserError.at(
                    path,
                    number,
                    "the first line must name the columns, separated by tabs, with "
                    f"'path' among them, not {line[:40]!r}",
                )
            if twice := sorted({name for name in header if header.count(name) > 1}):
                message = f"there are several columns {twice[0]!r}; rename all but one"
                raise UserError.at(path, number, message)
        elif line.strip():
            if len(cells) == len(header):
                yield number, dict(zip(header, cells, strict=True))
                continue
            yield (
                number,
                UserError.at(
                    path,
                    number,
                    f"there are {len(cells)} columns, separated by tabs, where the "
                    f"first line names {len(header)}; mend the line",
                ),
            )


def _json_rows(path: Path) -> Iterator[tuple[int, dict[str, str] | UserError]]:
    """Rows with their lines; what is wrong with a row instead of a bad one."""
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        yield number, _json_row(path, number, line)


def _json_row(path: Path, number: int, line: str) -> dict[str, str] | UserError:
    try:
        row = json.loads(line)
    except ValueError as error:
        return UserError.at(path, number, f"this is no JSON ({error}); mend the line")
    if not isinstance(row, dict):
        return UserError.at(path, number, "this is no JSON object; write {...}")
    return {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in row.items()
        if value is not None
    }
