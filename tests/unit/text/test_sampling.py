"""Sampled segmentations: of the right texts, with the right shares, in any process."""

from __future__ import annotations

import math
import random
import subprocess
import sys
import tracemalloc
import zlib
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp_speech.sections import TokenizerSection
from nlp_speech.text.sampling import SubwordSampler
from nlp_speech.text.tokenizer import EOS, UNK, Tokenizer, train_tokenizer

TEXTS = [
    f"{who} {does} {what}."
    for who in ("Ein Hund", "Two dogs", "Eine Frau", "The old man", "Drei Kinder")
    for does in ("läuft über", "see", "isst", "fährt mit", "paint")
    for what in ("eine Straße", "a red ball", "Äpfel", "das Fahrrad", "the fence")
]
LETTERS = "".join(sorted(set("".join(TEXTS))))


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(TEXTS, TokenizerSection(vocabulary_size=48))


def rows(sampler: SubwordSampler, seed: int) -> list[list[int]]:
    drawn = sampler((seed,))
    return [drawn[n].tolist() for n in range(len(drawn))]


@given(
    texts=st.lists(
        st.text(st.sampled_from(LETTERS + " \t日🙂"), max_size=30), max_size=5
    ),
    seed=st.integers(0, 99),
)
def test_what_is_drawn_is_the_text(
    tokenizer: Tokenizer, texts: list[str], seed: int
) -> None:
    drawn = rows(SubwordSampler(tokenizer, texts, 0.1, EOS), seed)
    assert len(drawn) == len(texts)
    assert all(row[-1] == EOS for row in drawn)
    assert tokenizer.decode(drawn) == tokenizer.decode(tokenizer.encode(texts))


def brute_force(tokenizer: Tokenizer, word: str) -> dict[tuple[int, ...], float]:
    """Every way to cut a word into pieces, and its log-probability."""
    ids = {tokenizer.pieces([n])[0]: n for n in range(4, tokenizer.size)}
    if not word:
        return {(): 0.0}
    found = {}
    for cut in range(1, len(word) + 1):
        number = ids.get(word[:cut])
        if number is not None:
            for rest, score in brute_force(tokenizer, word[cut:]).items():
                found[number, *rest] = tokenizer.scores[number] + score
    return found


@pytest.mark.parametrize("alpha", [0.05, 0.5, 1.0])
def test_segmentations_come_as_often_as_they_should(
    tokenizer: Tokenizer, alpha: float
) -> None:
    draws = 20_000
    drawn = rows(SubwordSampler(tokenizer, ["dogs the"] * draws, alpha), 1)
    found = Counter(map(tuple, drawn))
    first, second = (brute_force(tokenizer, w) for w in ("\u2581dogs", "\u2581the"))
    weights = {
        a + b: math.exp(alpha * (p + q))
        for a, p in first.items()
        for b, q in second.items()
    }
    assert set(found) <= set(weights)
    total = sum(weights.values())
    for way, weight in weights.items():
        share = weight / total
        error = 5 * math.sqrt(share * (1 - share) / draws)
        assert found[way] / draws == pytest.approx(share, abs=error + 1e-9)


def test_texts_without_spaces_are_sampled_in_bounded_memory() -> None:
    texts = [
        "".join(random.Random(n).choices("日本語の本を読む人", k=60))
        for n in range(300)
    ]
    tokenizer = train_tokenizer(texts, TokenizerSection(vocabulary_size=100))
    tracemalloc.start()
    sampler = SubwordSampler(tokenizer, texts, 0.1)
    drawn = rows(sampler, 1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert tokenizer.decode(drawn) == texts
    others = sum(a != b for a, b in zip(drawn, tokenizer.encode(texts), strict=True))
    assert others > 290
    assert peak < 60e6


def test_the_seed_decides(tokenizer: Tokenizer) -> None:
    sampler = SubwordSampler(tokenizer, TEXTS, 0.2)
    first = rows(sampler, 1)
    assert rows(SubwordSampler(tokenizer, TEXTS, 0.2), 1) == first
    assert rows(sampler, 2) != first
    best = tokenizer.encode(TEXTS)
    assert sum(a != b for a, b in zip(first, best, strict=True)) > len(TEXTS) / 2
    sharp = rows(SubwordSampler(tokenizer, TEXTS, 1e3), 1)
    assert sharp == best


SCRIPT = """
import sys, zlib
from nlp_speech.text.sampling import SubwordSampler
from nlp_speech.text.tokenizer import Tokenizer
from pathlib import Path
tokenizer = Tokenizer.load(Path(sys.argv[1]))
ids = SubwordSampler(tokenizer, sys.argv[2:], 0.1)((3, 4)).ids
print(zlib.crc32(ids.tobytes()))
"""


def test_another_process_draws_the_same(tokenizer: Tokenizer, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.model"
    tokenizer.save(path)
    command = [sys.executable, "-c", SCRIPT, str(path), *TEXTS]
    there = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    ids = SubwordSampler(tokenizer, TEXTS, 0.1)((3, 4)).ids
    assert int(there) == zlib.crc32(ids.tobytes())


def test_nothing_and_the_unknown(tokenizer: Tokenizer) -> None:
    assert rows(SubwordSampler(tokenizer, [], 0.2, EOS), 1) == []
    assert rows(SubwordSampler(tokenizer, ["", " "], 0.2, EOS), 1) == [[EOS], [EOS]]
    assert rows(SubwordSampler(tokenizer, [""], 0.2), 1) == [[]]
    (drawn,) = rows(SubwordSampler(tokenizer, ["日 dogs"], 0.2), 1)
    assert UNK in drawn
