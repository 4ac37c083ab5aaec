"""Writes on where a text stops, piece by piece, in any runtime."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from nlp_speech.errors import UserError
from nlp_speech.tasks.language_model import STEP_ENDPOINT, Assets
from nlp_speech.text.normalization import clean
from nlp_speech.text.tokenizer import BOS, EOS, PAD, UNK

if TYPE_CHECKING:
    from nlp_speech.contract import Predictor

_COLDEST = 1e-9  # below it the likeliest piece is taken, and a quotient could overflow


def written_text(
    predictor: Predictor,
    assets: Assets,
    prompt: str,
    pieces: int = 50,
    temperature: float = 1.0,
    seed: int = 0,
) -> Iterator[str]:
    """Writes on where a text stops; yields the text whenever a piece has come to it.

    Args:
        predictor: runs the bundle, such as ``nlp_speech.load(...).predictor``.
        assets: of the bundle, such as ``nlp_speech.load(...).assets``.
        prompt: the beginning of a text, or nothing.
        pieces: how many are written at most; the text may end before.
        temperature: below 1 prefers what is likely; 0 takes the likeliest piece always.
        seed: of the draws; the same seed writes the same.

    Yields:
        The prompt, as the vocabulary spells it, and what follows so far.

    Raises:
        UserError: the temperature is no number of 0 or more, the number of pieces
            below 1 or the seed below 0.
    """
    if not (0 <= temperature < math.inf and pieces >= 1 and seed >= 0):
        raise UserError(
            "give a temperature of 0 or more, 1 piece or more and a seed of 0 or more"
        )
    random = np.random.default_rng(seed)
    [ids] = assets.tokenizer.encode([clean(prompt)])
    state: Any = {
        f"{name}_{n}": np.zeros([1, units], np.float32)
        for n, units in enumerate(assets.units)
        for name in ("h", "c")
    }
    log_probs = np.zeros(0, np.float32)
    waiting, written = [EOS, *ids], list(ids)
    yield assets.tokenizer.decode([written])[0]
    while len(written) < len(ids) + pieces:
        for piece in waiting:
            read = {"ids": np.array([piece], np.int32), **state}
            outputs = predictor(STEP_ENDPOINT, read)
            log_probs, state = outputs["log_probs"][0], {n: outputs[n] for n in state}
        piece = _choose(log_probs, temperature, random)
        if piece == EOS:
            break
        written.append(piece)
        waiting = [piece]
        yield assets.tokenizer.decode([written])[0]


def continue_text(
    predictor: Predictor,
    assets: Assets,
    prompt: str,
    pieces: int = 50,
    temperature: float = 1.0,
    seed: int = 0,
) -> str:
    """Writes on where a text stops; arguments as for `written_text`.

    Returns:
        The prompt, as the vocabulary spells it, and what follows.

    Raises:
        UserError: as `written_text`.
    """
    options = (pieces, temperature, seed)
    *_, text = written_text(predictor, assets, prompt, *options)
    return text


def _choose(
    log_probs: np.ndarray, temperature: float, random: np.random.Generator
) -> int:
    log_probs = log_probs.astype(np.float64)
    log_probs[[PAD, UNK, BOS]] = -np.inf
    if temperature < _COLDEST:
        return int(np.argmax(log_probs))
    # The largest of perturbed logarithms is a draw (Gumbel 1954).
    return int(np.argmax(log_probs / temperature + random.gumbel(size=len(log_probs))))
