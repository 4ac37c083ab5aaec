"""Answers that grow, on a terminal and elsewhere."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import rich.console

from nlp_speech.console import print_growing
from nlp_speech.contract import Extras
from nlp_speech.errors import UserError
from nlp_speech.runtime import Model
from nlp_speech.runtime.progressive import growing_answers, partial_endpoint

WORDS = "one two three four five".split()


class Counter:
    """A model whose answer to anything is five words."""

    def __init__(self, *endpoints: str) -> None:
        self.asked: list[int] = []
        self.assets = None
        self.bundle = SimpleNamespace(path="here")
        self.task: Any = SimpleNamespace(
            NAME="counting",
            EXTRAS=Extras(partial_endpoint="part"),
            before=lambda endpoint, inputs, assets: {},
            after=self.after,
        )
        self.predictor: Any = self
        self.endpoints = endpoints

    def predict(self, endpoint: str, arrays: Any) -> dict[str, np.ndarray]:
        assert endpoint == "part"
        [most] = arrays["most"]
        self.asked.append(int(most))
        return {"lengths": np.array([[min(most, 5)]])}

    def after(self, endpoint: str, outputs: Any, inputs: Any, assets: Any) -> list[Any]:
        return [result(" ".join(WORDS[: outputs["lengths"][0, 0]]))]

    def __call__(self, given: Any, arrays: Any = None) -> Any:
        """As a predictor, with arrays, or as a model."""
        if arrays is not None:
            return self.predict(given, arrays)
        return [result(" ".join(WORDS)) for _ in given]


def result(text: str) -> Any:
    return SimpleNamespace(
        text=text,
        as_text=lambda: text,
        as_dict=lambda: {"text": text},
        warning=lambda: None,
    )


@pytest.fixture
def model() -> Any:
    return Counter("part")


def test_it_grows_until_nothing_is_added(model: Any) -> None:
    texts = [r.text for r in growing_answers(model, "x", step=2)]
    assert texts == ["one two", "one two three four", "one two three four five"]
    assert model.asked == [2, 4, 6]
    assert len(list(growing_answers(model, "x", step=9))) == 1


def test_what_cannot_grow(model: Any) -> None:
    with pytest.raises(UserError, match=r"^here: .* no endpoint 'part'; export"):
        partial_endpoint(cast(Model, Counter("whole")))
    model.task.EXTRAS = Extras()
    with pytest.raises(UserError, match="counting model come at once; leave out"):
        partial_endpoint(model)


def test_a_file_gets_the_answer_only(model: Any, capsys: Any) -> None:
    print_growing(model, ["a", "b"], as_json=True, n_best=1)
    assert capsys.readouterr().out.count("one two three four five") == 2
    assert model.asked == []


def test_a_terminal_sees_all_of_it(
    model: Any, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = io.StringIO()
    terminal = rich.console.Console(file=seen, force_terminal=True, width=12)
    monkeypatch.setattr(rich.console, "Console", lambda **_: terminal)
    print_growing(model, ["a"], as_json=False, n_best=1)
    # Twelve columns hold three short words: the others are on lines of their own.
    assert "five" in seen.getvalue()
    assert capsys.readouterr().out == "one two three four five\n"
