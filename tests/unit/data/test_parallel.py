"""Reading parallel text: what comes out, what is counted, what is refused."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp_speech.data.parallel import ParallelText, Report, read_lines, read_pairs
from nlp_speech.errors import UserError

OPENERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
}


def write(path: Path, data: bytes | str) -> Path:
    raw = data.encode() if isinstance(data, str) else data
    path.write_bytes(OPENERS[path.suffix if path.suffix in OPENERS else ""](raw))
    return path


def two(folder: Path, source: bytes | str, target: bytes | str) -> ParallelText:
    return ParallelText.files(
        write(folder / "a.en", source), write(folder / "a.de", target)
    )


@pytest.mark.parametrize("suffix", OPENERS)
def test_plain_and_compressed(tmp_path: Path, suffix: str) -> None:
    files = ParallelText.files(
        write(tmp_path / f"a.en{suffix}", "one\ntwo\n"),
        write(tmp_path / f"a.de{suffix}", "eins\nzwei\n"),
    )
    table = ParallelText.table(
        write(tmp_path / f"t.tsv{suffix}", "one\teins\ntwo\tzwei")
    )
    assert (
        list(files.pairs()) == list(table.pairs()) == [("one", "eins"), ("two", "zwei")]
    )
    assert files.report == table.report == Report(lines=2, pairs=2, blank=0)


def test_line_ends(tmp_path: Path) -> None:
    source = "\ufeffone\r\ntwo\u2028still\x0bsecond\x85\rline\r\nthree"
    text = two(tmp_path, source, "eins\n\ufeffzwei\ndrei\n")
    assert list(text.pairs()) == [
        ("one", "eins"),
        ("two\u2028still\x0bsecond\x85\rline", "\ufeffzwei"),
        ("three", "drei"),
    ]


@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\r\n")), max_size=8
    )
)
def test_gives_back_any_lines(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.txt"
    path.write_bytes(
        "".join(f"\ufeff{line}\n"[n > 0 :] for n, line in enumerate(lines)).encode()
    )
    assert list(read_lines(path)) == lines


def test_blank_lines_are_counted_and_left_out(tmp_path: Path) -> None:
    text = two(tmp_path, "one\n\n \t\nfour\n\n", "eins\nzwei\n\n\u3000\n\n")
    assert list(text.pairs()) == [("one", "eins")]
    assert text.report == Report(lines=5, pairs=1, blank=4)
    kept = list(text.pairs(keep_blank=True))
    assert [target for _, target in kept] == ["eins", "zwei", "", "\u3000", ""]
    assert text.report == Report(lines=5, pairs=5, blank=0)


def test_table_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "t.tsv", 'x\teins "zwei\tone\n\n\ty\tz\n')
    text = ParallelText.table(path, columns=(2, 1))
    assert list(text.pairs()) == [("one", 'eins "zwei'), ("z", "y")]
    assert text.report == Report(lines=3, pairs=2, blank=1)


def test_several_sources_are_joined(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    parts = [two(tmp_path, "1\n\n", "2\n3\n"), two(tmp_path / "b", "5\n", "6\n")]
    assert read_pairs(parts) == ([("1", "2"), ("5", "6")], Report(3, 2, 1))


def test_is_streamed(tmp_path: Path) -> None:
    # The bad line is far behind what a stream reads for the first pairs.
    good = b"a line of text\n" * 100_000
    text = two(tmp_path, good + b"\xff\n", good + b"x\n")
    pairs = text.pairs()
    assert next(pairs) == ("a line of text", "a line of text")
    assert text.report.pairs == 1
    pairs.close()  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(UserError, match=r"a\.en:100001: byte 1"):
        list(text.pairs())


class TestBadInput:
    def wrong(self, text: ParallelText) -> str:
        with pytest.raises(UserError) as caught:
            list(text.pairs())
        message = str(caught.value)
        assert "\n" not in message
        return message

    @pytest.mark.parametrize(("en", "de"), [(2, 5), (5, 2), (0, 1), (1, 0)])
    def test_files_of_different_length(self, tmp_path: Path, en: int, de: int) -> None:
        text = two(tmp_path, "a\n" * en, "b\n" * de)
        long, short = ("a.en", "a.de") if en > de else ("a.de", "a.en")
        line = min(en, de) + 1
        assert self.wrong(text) == (
            f"{tmp_path / long}:{line}: this line has no partner: {tmp_path / short} "
            f"has {min(en, de)} lines and this file {max(en, de)}; give files of equal "
            "length"
        )

    @pytest.mark.parametrize("suffix", OPENERS)
    def test_invalid_utf8(self, tmp_path: Path, suffix: str) -> None:
        path = write(tmp_path / f"t.tsv{suffix}", b"ok\tgut\nfine\tsch\xf6n\n")
        expected = f"{path}:2: byte 9 of the line is not UTF-8; convert the file"
        assert self.wrong(ParallelText.table(path)).startswith(expected)

    def test_utf16(self, tmp_path: Path) -> None:
        path = write(tmp_path / "t.tsv", "a\tb\n".encode("utf-16"))
        assert f"{path}:1: byte 1 of the line" in self.wrong(ParallelText.table(path))

    @pytest.mark.parametrize(
        ("data", "what"), [("", "no lines"), ("\n \n\t\n", "only blank lines")]
    )
    def test_empty_corpus(self, tmp_path: Path, data: str, what: str) -> None:
        expected = f"there are {what}; give a file that holds sentences"
        assert self.wrong(two(tmp_path, data, data)).endswith(expected)
        table = ParallelText.table(write(tmp_path / "t.tsv", data))
        assert self.wrong(table) == f"{tmp_path / 't.tsv'}: {expected}"

    def test_missing_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("NLP_SPEECH_DATA", "/my/data")
        there = write(tmp_path / "a.en", "a\n")
        message = self.wrong(ParallelText.files(there, tmp_path / "none.de"))
        assert message.startswith(f"{tmp_path / 'none.de'}: there is no such file")
        assert "/my/data" in message

    def test_directory_for_a_file(self, tmp_path: Path) -> None:
        message = self.wrong(ParallelText.table(tmp_path))
        assert message == f"{tmp_path}: cannot read the file (Is a directory)"

    def test_unreadable_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Permissions do not stop the superuser, under whom tests may run.
        def denied(*_: object) -> None:
            raise PermissionError(13, os.strerror(13))

        path = write(tmp_path / "t.tsv.gz", "a\tb\n")
        monkeypatch.setattr("builtins.open", denied)
        message = self.wrong(ParallelText.table(path))
        assert message == f"{path}: cannot read the file (Permission denied)"

    @pytest.mark.parametrize("suffix", [".gz", ".xz", ".bz2", ".GZ"])
    def test_damaged_archives(self, tmp_path: Path, suffix: str) -> None:
        good = OPENERS[suffix.lower()](os.urandom(20_000).hex().encode())
        spoiled = good[: len(good) // 2] + bytes(100) + good[len(good) // 2 + 100 :]
        for data in (good[:-20], good[:5], spoiled, b"not compressed\tat all\n"):
            path = tmp_path / f"t.tsv{suffix}"
            path.write_bytes(data)
            expected = f"the {suffix} file is damaged or cut short; get it again"
            message = self.wrong(ParallelText.table(path))
            assert re.fullmatch(rf"{re.escape(str(path))}:\d+: {expected}", message)

    def test_missing_column(self, tmp_path: Path) -> None:
        path = write(tmp_path / "t.tsv", "a\tb\tc\nonly one\n")
        message = self.wrong(ParallelText.table(path, columns=(0, 2)))
        assert message == (
            f"{path}:2: columns 0 and 2 are wanted, counted from 0, but there are 1, "
            "separated by tabs; mend the line"
        )

    def test_negative_column(self, tmp_path: Path) -> None:
        path = write(tmp_path / "t.tsv", "a\tb\n")
        message = self.wrong(ParallelText.table(path, columns=(0, -1)))
        assert message == f"{path}: columns (0, -1) must be 0 or more"
