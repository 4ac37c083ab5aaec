"""A bar for a terminal, nothing for a pipe, and results where they should go."""

from __future__ import annotations

import io
import sys

import pytest

from nlp_speech.progress import shown


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    with shown("counting", 4000, "sheep") as advance:
        assert advance is not None
        for _ in range(4):
            advance(1000)
        print("a result")
    seen = terminal.getvalue()
    assert "counting" in seen
    assert "4000/4000" in seen
    assert "sheep/s" in seen
    assert "e+" not in seen
    assert capsys.readouterr().out == "a result\n"


@pytest.mark.parametrize("stream", [io.StringIO(), None])
def test_nobody_else_does(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO | None
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    with shown("counting", 4, "sheep") as advance:
        assert advance is None
    assert stream is None or not stream.getvalue()
