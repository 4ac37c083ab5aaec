"""The tour, with its own training cut short, and whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nlp_speech import demo
from nlp_speech.errors import UserError

FEW_UPDATES = {
    "updates: 3000": "updates: 8",
    "warmup_updates: 100": "warmup_updates: 2",
    "evaluate_every: 750": "evaluate_every: 8",
}


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo's config with a few updates."""
    whole = demo.sample_config

    def sample_config(task: str, data: Path) -> str:
        text = whole(task, data)
        for old, new in FEW_UPDATES.items():
            assert old in text
            text = text.replace(old, new)
        return text

    monkeypatch.setattr(demo, "sample_config", sample_config)


def steps_at(said: list[str], number: str) -> int:
    return next(n for n, line in enumerate(said) if line.startswith(f"{number}. "))


@pytest.mark.usefixtures("short")
def test_every_step_says_what_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "PRETRAINED", tmp_path / "none")
    said: list[str] = []
    demo.run_demo(tmp_path / "demo", said.append)
    steps = [line[0] for line in said if re.match(r"\d\. ", line)]
    assert steps == list("123456")
    compared = said[steps_at(said, "5") : steps_at(said, "6")]
    for runtime in ("keras", "saved_model", "tflite"):
        assert sum(line.strip().startswith(runtime) for line in compared) == 4
    assert any("is not here" in line for line in said)
    assert said[-1].startswith("Done in ")


def test_a_folder_of_something_else_is_kept(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    (tmp_path / "demo.yaml").write_text("of somebody else")
    with pytest.raises(UserError, match="give another --directory"):
        demo.run_demo(tmp_path, lambda line: None)
    assert (tmp_path / "thesis.txt").exists()


@pytest.mark.slow
def test_the_demo_reaches_its_score(tmp_path: Path) -> None:
    """At least 97% of the held-out phrases, as the README says."""
    said: list[str] = []
    demo.run_demo(tmp_path / "demo", said.append)
    score = next(line for line in said if line.startswith("4."))
    assert float(re.findall(r"([\d.]+)%", score)[0]) >= 97
