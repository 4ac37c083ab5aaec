"""What becomes of errors that no part of the program expects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer

from nlp_speech.cli import app, run


def test_what_the_system_refuses_is_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(lambda: (tmp_path / "folder" / "file").write_text("text"))
    assert stopped.value.code == 1
    expected = f"nlp-speech: {tmp_path}/folder/file: No such file or directory\n"
    assert capsys.readouterr().err == expected


def test_a_fault_of_the_program_is_not_hidden() -> None:
    def fault() -> None:
        raise OSError("a fault")

    with pytest.raises(OSError, match="a fault"):
        run(fault)


def test_help_shows_every_command() -> None:
    group: Any = typer.main.get_command(app)
    shown = group.list_commands(typer.Context(group))
    assert sorted(shown) == sorted(group.commands)
