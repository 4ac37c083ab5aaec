"""Fetching, against a server on this machine that misbehaves on purpose."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from nlp_speech.data import fetch as fetching
from nlp_speech.data.fetch import DATASETS, Dataset, fetch, fetch_file
from nlp_speech.errors import UserError

CONTENT = random.Random(5).randbytes(300_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves `files`; `cuts` are the bytes after which it hangs up, one a request."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.cuts: list[int] = []
        self.failures: list[int] = []
        self.ranges = True
        self.requests: list[tuple[str, str | None]] = []
        self.sent = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.requests.append((self.path, wanted))
        content = self.server.files.get(self.path)
        if self.server.failures:
            self.send_error(self.server.failures.pop(0))
            return
        if content is None:
            self.send_error(404)
            return
        start = 0
        if wanted and self.server.ranges:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            last = len(content) - 1
            self.send_header("Content-Range", f"bytes {start}-{last}/{len(content)}")
        else:
            self.send_response(200)
        body = content[start:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        body = body[: self.server.cuts.pop(0)] if self.server.cuts else body
        # Counted first: the client may look as soon as it has the last byte.
        self.server.sent += len(body)
        self.wfile.write(body)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(fetching, "_PAUSE", 0.0)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Server() as server:
        server.files["/file.gz"] = CONTENT
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file.gz"


def part_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def test_fetches_and_reports_progress(server: Server, path: Path) -> None:
    steps: list[tuple[int, int | None]] = []
    fetch_file(
        f"{server.address}/file.gz", path, DIGEST, lambda *step: steps.append(step)
    )
    assert path.read_bytes() == CONTENT
    assert not part_of(path).exists()
    assert steps[-1] == (len(CONTENT), len(CONTENT))
    assert [have for have, _ in steps] == sorted(have for have, _ in steps)


def test_right_file_is_not_fetched_again(server: Server, path: Path) -> None:
    path.write_bytes(CONTENT)
    fetch_file(f"{server.address}/file.gz", path, DIGEST)
    assert server.requests == []


def test_wrong_file_is_replaced(server: Server, path: Path) -> None:
    path.write_bytes(b"something else")
    fetch_file(f"{server.address}/file.gz", path, DIGEST)
    assert path.read_bytes() == CONTENT


def test_resumes_from_part(server: Server, path: Path) -> None:
    part_of(path).write_bytes(CONTENT[:123_456])
    fetch_file(f"{server.address}/file.gz", path, DIGEST)
    assert path.read_bytes() == CONTENT
    assert server.requests == [("/file.gz", "bytes=123456-")]
    assert server.sent == len(CONTENT) - 123_456


def test_complete_part_needs_no_request(server: Server, path: Path) -> None:
    part_of(path).write_bytes(CONTENT)
    fetch_file(f"{server.address}/file.gz", path, DIGEST)
    assert path.read_bytes() == CONTENT
    assert server.requests == []


def test_server_without_ranges_starts_again(server: Server, path: Path) -> None:
    server.ranges = False
    part_of(path).write_bytes(CONTENT[:1000])
    fetch_file(f"{server.address}/file.gz", path, DIGEST)
    assert path.read_bytes() == CONTENT


def test_part_of_another_file_is_thrown_away(server: Server, path: Path) -> None:
    part_of(path).write_bytes(b"x" * 1000)
    fetch_file(f"{server.address}/file.gz", path, DIGEST)
    assert path.read_bytes() == CONTENT
    assert [wanted for _, wanted in server.requests] == ["bytes=1000-", None]


def test_part_longer_than_the_file(server: Server, path: Path) -> None:
    part_of(path).write_bytes(CONTENT + b"x")
    fetch_file(f"{server.address}/file.gz", path, DIGEST)
    assert path.read_bytes() == CONTENT


def test_hanging_up_midway_is_continued(server: Server, path: Path) -> None:
    server.cuts = [100_000, 50_000]
    fetch_file(f"{server.address}/file.gz", path, DIGEST)
    assert path.read_bytes() == CONTENT
    assert server.sent == len(CONTENT)
    wanted = [wanted for _, wanted in server.requests]
    assert wanted == [None, "bytes=100000-", "bytes=150000-"]


def test_hanging_up_always_keeps_what_came(server: Server, path: Path) -> None:
    server.cuts = [1000] * 4
    with pytest.raises(UserError, match="continues where it stopped"):
        fetch_file(f"{server.address}/file.gz", path, DIGEST)
    assert not path.exists()
    assert part_of(path).read_bytes() == CONTENT[:4000]
    fetch_file(f"{server.address}/file.gz", path, DIGEST)
    assert path.read_bytes() == CONTENT
    assert server.sent == len(CONTENT)


def test_server_error_is_tried_again(server: Server, path: Path) -> None:
    server.failures = [503, 500]
    fetch_file(f"{server.address}/file.gz", path, DIGEST)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(("status", "requests"), [(404, 1), (403, 1), (503, 4)])
def test_refusal(server: Server, path: Path, status: int, requests: int) -> None:
    server.failures = [status] * 4
    address = f"{server.address}/file.gz"
    with pytest.raises(UserError, match=f"{re.escape(address)}.* answered {status}"):
        fetch_file(address, path, DIGEST)
    assert len(server.requests) == requests
    assert list(path.parent.iterdir()) == []


def test_wrong_checksum_leaves_nothing(server: Server, path: Path) -> None:
    server.files["/file.gz"] = CONTENT[:-1] + b"?"
    with pytest.raises(UserError, match="SHA-256"):
        fetch_file(f"{server.address}/file.gz", path, DIGEST)
    assert list(path.parent.iterdir()) == []


def test_wrong_checksum_keeps_the_old_file(server: Server, path: Path) -> None:
    path.write_bytes(b"old")
    server.files["/file.gz"] = b"new, but not what was pinned"
    with pytest.raises(UserError, match="SHA-256"):
        fetch_file(f"{server.address}/file.gz", path, DIGEST)
    assert path.read_bytes() == b"old"


def test_no_server(server: Server, path: Path) -> None:
    address = server.address
    server.shutdown()
    server.server_close()
    with pytest.raises(UserError, match="connection failed"):
        fetch_file(f"{address}/file.gz", path, DIGEST)


def test_no_address(path: Path) -> None:
    with pytest.raises(UserError, match="no http or https address"):
        fetch_file("nonsense", path, DIGEST)


def test_dataset_by_name(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Dataset(base=server.address, files={"file.gz": DIGEST}, license="")
    monkeypatch.setattr(fetching, "DATASETS", {"small": small})
    monkeypatch.setenv("NLP_SPEECH_DATA", str(tmp_path / "root"))
    assert fetch("small") == tmp_path / "root" / "small"
    assert (tmp_path / "root" / "small" / "file.gz").read_bytes() == CONTENT


def test_multi30k_is_asked_for_by_its_names(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"train\.en\.gz: .* 404"):
        fetch("multi30k", tmp_path, base=f"{server.address}/mirror/")
    assert server.requests == [("/mirror/train.en.gz", None)]


def test_unknown_dataset(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'multi40k'; choose one of: multi30k"):
        fetch("multi40k", tmp_path)


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot be written"):
        fetch("multi30k", tmp_path / "file")


def test_full_disk(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    small = Dataset(base=server.address, files={"file.gz": DIGEST}, license="")
    monkeypatch.setattr(fetching, "DATASETS", {"small": small})
    monkeypatch.setattr(fetching, "_receive", full)
    with pytest.raises(UserError, match="No space left on device"):
        fetch("small", tmp_path)


def test_pinned_files() -> None:
    files = DATASETS["multi30k"].files
    splits = ("train", "val", "test_2016_flickr", "test_2017_flickr")
    assert set(files) == {f"{s}.{x}.gz" for s in splits for x in ("en", "de", "fr")}
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in files.values())
    assert len(set(files.values())) == len(files)
