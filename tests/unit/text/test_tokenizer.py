"""The Python face of the tokenizer, and training it."""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st

from nlp_speech.errors import UserError
from nlp_speech.sections import TokenizerSection
from nlp_speech.text.tokenizer import (
    BOS,
    EOS,
    PAD,
    UNK,
    UNKNOWN,
    Tokenizer,
    train_tokenizer,
)

TEXTS = [
    f"{who} {does} {what} {where}."
    for who in ("Ein Hund", "Two dogs", "Eine Frau", "The old man", "Drei Kinder")
    for does in ("läuft über", "see", "isst", "fährt mit", "paint")
    for what in ("eine Straße", "a red ball", "Äpfel", "das Fahrrad", "the fence")
    for where in ("im Park", "outside", "am Strand", "on a hill", "zu Hause")
]
SIZE = 56
LETTERS = "".join(sorted(set("".join(TEXTS))))


def section(size: int = SIZE, coverage: float = 1.0) -> TokenizerSection:
    return TokenizerSection(vocabulary_size=size, character_coverage=coverage)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(TEXTS, section())


def foreign_model() -> bytes:
    """A SentencePiece model that we did not make."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS),
        model_writer=model,
        vocab_size=SIZE,
        minloglevel=2,
    )
    return model.getvalue()


def test_special_ids_come_first(tokenizer: Tokenizer) -> None:
    assert tokenizer.size == SIZE
    specials = ["<pad>", "<unk>", "<s>", "</s>"]
    assert tokenizer.pieces([PAD, UNK, BOS, EOS]) == specials
    assert tokenizer.pieces([tokenizer.space]) == ["\u2581"]


def test_encode_is_sentencepiece(tokenizer: Tokenizer) -> None:
    reference = sentencepiece.SentencePieceProcessor(model_proto=tokenizer.model_bytes)
    texts = [*TEXTS * 5, "", " ", "日本"]  # more than one chunk
    assert len(texts) > 2000
    assert tokenizer.encode(texts) == [reference.encode(text) for text in texts]
    assert tokenizer.encode([]) == []


def test_special_pieces_are_not_read_from_text(tokenizer: Tokenizer) -> None:
    (ids,) = tokenizer.encode(["<s> a </s> <pad> <unk>"])
    assert not {PAD, BOS, EOS} & set(ids)


@given(text=st.text(st.sampled_from(LETTERS + " \t\n\u3000\0"), max_size=60))
def test_round_trip(tokenizer: Tokenizer, text: str) -> None:
    # An independent statement of what comes back: no white space but single spaces.
    expected = " ".join(re.split(r"[\s\0]+", text)).strip(" ")
    assert tokenizer.decode(tokenizer.encode([text])) == [expected]
    assert tokenizer.canonical(text) == expected


def test_round_trip_applies_nfkc(tokenizer: Tokenizer) -> None:
    texts = ["A\u0308pfel", "\uff21pfel"[1:] + "\ufb01sch", "\uff28und"]
    wanted = ["Äpfel", "pfelfisch", "Hund"]
    assert tokenizer.decode(tokenizer.encode(texts)) == wanted


def test_learns_from_the_longest_texts() -> None:
    spaced = " ".join(TEXTS * 20)
    unspaced = "日本語の本" * 30_000
    assert min(len(spaced), len(unspaced)) > 100_000
    tokenizer = train_tokenizer([*TEXTS, spaced], section())
    assert tokenizer.size == SIZE
    both = train_tokenizer([spaced, unspaced], section())
    (ids,) = both.encode(["本 Hund"])
    assert UNK not in ids


def test_folds_case_when_asked() -> None:
    folding = section(40).model_copy(update={"normalization": "nmt_nfkc_cf"})
    tokenizer = train_tokenizer(TEXTS, folding)
    assert tokenizer.encode(["TWO Dogs"]) == tokenizer.encode(["two dogs"])
    (ids,) = tokenizer.encode(["Die Straße \uff21"])
    assert tokenizer.decode([ids]) == ["die straße a"]


def test_unseen_characters_come_back_as_one_mark(tokenizer: Tokenizer) -> None:
    texts = ["日本", "a日本 b", "日 本", "a 😀😀."]
    wanted = [UNKNOWN, f"a{UNKNOWN} b", f"{UNKNOWN} {UNKNOWN}", f"a {UNKNOWN}."]
    assert tokenizer.decode(tokenizer.encode(texts)) == wanted


def test_decode_drops_what_is_not_text(tokenizer: Tokenizer) -> None:
    (ids,) = tokenizer.encode(["Two dogs."])
    wrapped = [BOS, *ids[:2], PAD, *ids[2:], EOS, PAD, PAD]
    space = tokenizer.space
    rows = [wrapped, [space, space, *ids], [PAD], [], [space]]
    assert tokenizer.decode(rows) == ["Two dogs.", "Two dogs.", "", "", ""]


def test_training_is_repeatable_and_silent(
    tokenizer: Tokenizer, capfd: pytest.CaptureFixture[str]
) -> None:
    again = train_tokenizer(iter(TEXTS), section())
    assert again.model_bytes == tokenizer.model_bytes
    assert again.fingerprint == hashlib.sha256(tokenizer.model_bytes).hexdigest()
    assert train_tokenizer(TEXTS, section(SIZE - 1)).fingerprint != again.fingerprint
    assert capfd.readouterr() == ("", "")


def test_long_lines_are_learned_from() -> None:
    tokenizer = train_tokenizer(
        [" ".join(TEXTS[:400]), *TEXTS[:5], "ж" * 9000], section()
    )
    (ids,) = tokenizer.encode(["ж"])
    assert UNK not in ids


def test_file_round_trip(tokenizer: Tokenizer, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.model"
    path.write_bytes(b"old")
    tokenizer.save(path)
    assert Tokenizer.load(path).model_bytes == tokenizer.model_bytes
    assert os.listdir(tmp_path) == ["tokenizer.model"]


def test_failed_save_leaves_the_old_file(
    tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "tokenizer.model"
    path.write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="cannot be written"):
        tokenizer.save(path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["tokenizer.model"]


class TestBadInput:
    def test_vocabulary_larger_than_the_text_allows(
        self, capfd: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(UserError) as caught:
            train_tokenizer(TEXTS, section(5000))
        found = re.fullmatch(
            r"tokenizer\.vocabulary_size 5000 is more than the training text allows; "
            r"the largest possible is (\d+)",
            str(caught.value),
        )
        assert found
        largest = int(found[1])
        assert train_tokenizer(TEXTS, section(largest)).size == largest
        with pytest.raises(UserError, match="more than the training text allows"):
            train_tokenizer(TEXTS, section(largest + 1))
        assert capfd.readouterr() == ("", "")

    def test_vocabulary_smaller_than_the_alphabet(self) -> None:
        with pytest.raises(
            UserError, match=r"20 is less than the (\d+) that"
        ) as caught:
            train_tokenizer(TEXTS, section(20))
        found = re.search(r"less than the (\d+)", str(caught.value))
        assert found
        assert int(found[1]) > len(LETTERS)
        assert train_tokenizer(TEXTS, section(int(found[1]))).size == int(found[1])

    @pytest.mark.parametrize("texts", [[], [""], ["", " ", "\0"]])
    def test_empty_corpus(self, texts: list[str]) -> None:
        with pytest.raises(UserError, match="there is no text to learn"):
            train_tokenizer(texts, section())

    @pytest.mark.parametrize("lines", [0, 3, 500])
    def test_an_error_while_reading_is_passed_on(self, lines: int) -> None:
        def texts() -> Iterator[str]:
            yield from TEXTS[:lines]
            raise UserError("line 4 is bad")

        with pytest.raises(UserError, match="line 4 is bad"):
            train_tokenizer(texts(), section(60))

    @pytest.mark.parametrize("cut", [0, 10, 1000])
    def test_file_cut_short(
        self, tokenizer: Tokenizer, tmp_path: Path, cut: int
    ) -> None:
        path = tmp_path / "tokenizer.model"
        path.write_bytes(tokenizer.model_bytes[:cut])
        with pytest.raises(UserError, match=r"tokenizer\.model: .*train it again|with"):
            Tokenizer.load(path)

    def test_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=r"none\.model: cannot read the vocab"):
            Tokenizer.load(tmp_path / "none.model")

    def test_directory_is_a_file(self, tokenizer: Tokenizer, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(UserError, match="cannot be written"):
            tokenizer.save(tmp_path / "file" / "tokenizer.model")

    def test_other_ids(self) -> None:
        with pytest.raises(UserError, match=r"\(-1, 0, 1, 2\) instead of \(0, 1, 2, 3"):
            Tokenizer(foreign_model())
