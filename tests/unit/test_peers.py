"""The environment of the benchmarks' peers: made anew, or one sentence."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def peers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    monkeypatch.setenv("NLP_SPEECH_PEERS", str(tmp_path / "peers"))
    import peers  # pyright: ignore[reportMissingImports]

    monkeypatch.setattr(peers, "FOLDER", tmp_path / "peers")
    return peers


def half_made(peers: Any) -> None:
    """An interpreter that finds no torch, and a list that says all is there."""
    program = peers.FOLDER / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    wanted = json.dumps([*peers.PACKAGES, *peers.BARE])
    (peers.FOLDER / "ready.json").write_text(wanted)


def test_a_half_made_environment_is_made_anew(
    peers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    half_made(peers)
    made = []
    monkeypatch.setattr(peers.venv, "create", lambda *_, **how: made.append(how))
    real = subprocess.run

    def run(command: list[str], **how: Any) -> Any:
        return made.append(command) if "pip" in command else real(command, **how)

    monkeypatch.setattr(peers.subprocess, "run", run)
    assert peers.python() == peers.FOLDER / "bin" / "python"
    assert made[0]["clear"]
    assert len(made) == 3


def test_no_network_is_one_sentence(
    peers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(command: list[str], **_: Any) -> Any:
        raise subprocess.CalledProcessError(1, command[:4])

    monkeypatch.setattr(peers.venv, "create", lambda *_, **__: peers.FOLDER.mkdir())
    monkeypatch.setattr(peers.subprocess, "run", fail)
    with pytest.raises(SystemExit, match=r"could not be made .* run this again"):
        peers.python()
    assert not (peers.FOLDER / "ready.json").exists()
