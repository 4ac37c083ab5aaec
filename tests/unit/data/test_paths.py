"""Where the data root is."""

from __future__ import annotations

from pathlib import Path

import pytest

from nlp_speech.data.paths import data_root, resolve


def test_root_is_set_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NLP_SPEECH_DATA", "/my/data")
    assert data_root() == Path("/my/data")
    assert resolve("multi30k/train.en.gz") == Path("/my/data/multi30k/train.en.gz")
    assert resolve("/elsewhere/a.txt") == Path("/elsewhere/a.txt")


@pytest.mark.parametrize("value", [None, ""])
def test_root_by_default(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv("NLP_SPEECH_DATA", raising=False)
    if value is not None:
        monkeypatch.setenv("NLP_SPEECH_DATA", value)
    assert data_root() == Path("datasets")


def test_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("NLP_SPEECH_DATA", "~/data")
    assert resolve("a") == Path("/home/me/data/a")
    assert resolve("~/b") == Path("/home/me/b")
