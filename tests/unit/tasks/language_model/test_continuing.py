"""Writing on, with a language of its own: each piece has the next one after it."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from typer.testing import CliRunner

from nlp_speech import cli, console
from nlp_speech.contract import Predictor
from nlp_speech.errors import UserError
from nlp_speech.sections import VocabularySection
from nlp_speech.tasks.language_model import Assets
from nlp_speech.tasks.language_model.continuing import continue_text
from nlp_speech.text.tokenizer import EOS, train_tokenizer

LETTERS = "abcdefgh"
TOKENIZER = train_tokenizer(
    [" ".join(LETTERS[n:] + LETTERS[:n]) for n in range(8)],
    VocabularySection(vocabulary_size=21),
)
ASSETS = Assets(TOKENIZER, (1,))


class Alphabet:
    """After a letter comes the next one, or one of two; after the last the end."""

    def __init__(self, doubt: float = 0.0) -> None:
        self.doubt = doubt
        self.read: list[int] = []

    def __call__(self, endpoint: str, arrays: Any) -> Any:
        assert endpoint == "step"
        # The state counts what was read.
        assert arrays["h_0"][0, 0] == len(self.read)
        self.read.append(int(arrays["ids"][0]))
        letters = [row[-1] for row in TOKENIZER.encode([*LETTERS])]
        place = letters.index(self.read[-1]) if self.read[-1] in letters else -1
        follows = [*letters, EOS]
        probs = np.full([1, TOKENIZER.size], 1e-12)
        probs[0, follows[min(place + 1, 8)]] += 1 - self.doubt
        probs[0, follows[min(place + 2, 8)]] += self.doubt
        state = {"h_0": arrays["h_0"] + 1, "c_0": arrays["c_0"]}
        return {"log_probs": np.log(probs).astype(np.float32), **state}


def write(alphabet: Alphabet, prompt: str, **options: Any) -> str:
    text = continue_text(cast(Predictor, alphabet), ASSETS, prompt, **options)
    return text.replace(" ", "")


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_it_goes_on_to_the_end(temperature: float) -> None:
    assert write(Alphabet(), "a b c", temperature=temperature) == LETTERS
    assert write(Alphabet(), "", temperature=temperature) == LETTERS


def test_it_stops_where_it_is_told() -> None:
    assert write(Alphabet(), "a b c", pieces=2) == "abcde"


def test_each_piece_is_read_once() -> None:
    alphabet = Alphabet()
    write(alphabet, "g h", pieces=5)
    assert alphabet.read[0] == EOS
    assert TOKENIZER.decode([alphabet.read])[0].replace(" ", "") == "gh"


def test_seeds_and_temperatures() -> None:
    texts = [write(Alphabet(0.4), "", seed=seed) for seed in range(20)]
    assert len(set(texts)) > 5
    assert texts == [write(Alphabet(0.4), "", seed=seed) for seed in range(20)]
    cold = [write(Alphabet(0.4), "", seed=s, temperature=0.01) for s in range(20)]
    assert set(cold) == {LETTERS}
    for temperature in (0, 1e-320, 1e-12):
        assert write(Alphabet(0.4), "", temperature=temperature) == LETTERS


@pytest.mark.parametrize(
    "options",
    [
        *({"temperature": t} for t in (-1.0, math.inf, math.nan)),
        *({"pieces": 0}, {"seed": -1}),
    ],
)
def test_what_cannot_be_done(options: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="temperature of 0 or more"):
        write(Alphabet(), "a", **options)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every bundle is the alphabet."""

    def model(*_: Any) -> Any:
        task = SimpleNamespace(NAME="language_model")
        return SimpleNamespace(task=task, predictor=Alphabet(), assets=ASSETS)

    monkeypatch.setattr(console, "load_model", model)


@pytest.mark.usefixtures("opened")
def test_the_command_writes_as_it_goes() -> None:
    done = CliRunner().invoke(cli.app, ["continue", "lm", "a b", "--pieces", "3"])
    assert done.exit_code == 0, done.output
    assert done.output.replace(" ", "") == "abcde\n"
    done = CliRunner().invoke(cli.app, ["continue", "lm", "--pieces", "1"], "c\n")
    assert done.output.replace(" ", "") == "cd\n"


@pytest.mark.usefixtures("opened")
def test_the_command_shows_the_prompt_as_it_was_given() -> None:
    """The vocabulary knows small letters only."""
    done = CliRunner().invoke(cli.app, ["continue", "lm", "日本 a b ", "--pieces", "2"])
    assert done.exit_code == 0, done.output
    assert done.output == "日本 a b c d\n"


def test_the_command_is_for_language_models(monkeypatch: pytest.MonkeyPatch) -> None:
    task = SimpleNamespace(NAME="sentiment")
    model = SimpleNamespace(task=task)
    monkeypatch.setattr(console, "load_model", lambda *_: model)
    done = CliRunner().invoke(cli.app, ["continue", "reviews", "a"])
    assert isinstance(done.exception, UserError)
    assert "this command is for language_model" in str(done.exception)
