"""Translation, the light side: config, result, and what surrounds the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nlp_speech.contract import Extras
from nlp_speech.data.parallel import ParallelText
from nlp_speech.data.paths import resolve
from nlp_speech.errors import UserError
from nlp_speech.tasks.translation.config import SplitSection, TranslationConfig
from nlp_speech.text.familiarity import UNFAMILIAR, is_unfamiliar
from nlp_speech.text.flat import padded
from nlp_speech.text.hypotheses import Hypothesis, found_texts
from nlp_speech.text.normalization import normalize
from nlp_speech.text.tokenizer import EOS, Tokenizer

if TYPE_CHECKING:
    from nlp_speech.contract import Arrays

NAME = "translation"
Config = TranslationConfig
SERVER_ENDPOINT = "translate"
DEVICE_ENDPOINT = "translate_ids"
TEXT_ENDPOINT = "translate_text"
METRIC = "bleu"
COUNTED = "tokens"


@dataclass(frozen=True)
class Assets:
    """The vocabularies of a translator, and how much of a text it reads.

    Attributes:
        source: vocabulary of the source.
        target: vocabulary of the target; the same object if they share one.
        max_source_length: pieces read of a text, at most.
    """

    source: Tokenizer
    target: Tokenizer
    max_source_length: int


@dataclass(frozen=True)
class Translation:
    """What the translator answers to a text.

    Attributes:
        text: the best translation.
        score: its length-normalized log-probability.
        n_best: the best translations, this one first.
        truncated: whether the text was too long and was read in part.
        source_pieces: what the model read, the end of sentence last; empty if the
            endpoint does not tell.
        target_pieces: what the model wrote; empty if the endpoint does not tell.
        alignment: how much of each source piece went into each target piece,
            [target pieces, source pieces], or None.
        unfamiliar: whether the text is unlike those of the training.
    """

    text: str
    score: float
    n_best: tuple[Hypothesis, ...] = ()
    truncated: bool = False
    source_pieces: tuple[str, ...] = ()
    target_pieces: tuple[str, ...] = ()
    alignment: np.ndarray | None = None
    unfamiliar: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The result as plain JSON data, without the alignment."""
        n_best = [{"text": h.text, "score": h.score} for h in self.n_best]
        return {
            "text": self.text,
            "score": self.score,
            "n_best": n_best,
            "truncated": self.truncated,
            "unfamiliar": self.unfamiliar,
        }

    def as_text(self) -> str:
        """The translation."""
        return self.text

    def warning(self) -> str | None:
        """What the user should know about this answer, if anything."""
        found = [UNFAMILIAR] if self.unfamiliar else []
        if self.truncated:
            found.append("the text is too long and was translated in part")
        return "; ".join(found) or None


def tokenizer_files(config: TranslationConfig) -> tuple[str, str]:
    """The names of the source's and the target's vocabulary file."""
    if config.tokenizer.shared:
        return "tokenizer.model", "tokenizer.model"
    return "source.model", "target.model"


def load_assets(config: TranslationConfig, directory: Path) -> Assets:
    """Opens the vocabularies."""
    source_file, target_file = tokenizer_files(config)
    source = Tokenizer.load(directory / source_file)
    shared = source_file == target_file
    target = source if shared else Tokenizer.load(directory / target_file)
    return Assets(source, target, config.decoding.max_source_length)


def before(endpoint: str, inputs: Sequence[str], assets: Assets) -> Arrays:
    """Texts as the endpoint takes them: strings, or padded ids and their lengths."""
    if endpoint in (SERVER_ENDPOINT, TEXT_ENDPOINT):
        return {"text": np.array([normalize(t).encode() for t in inputs], dtype=object)}
    limit = assets.max_source_length
    rows = [[*ids[:limit], EOS] for ids in assets.source.encode(inputs)]
    ids, lengths = padded(rows)
    return {"ids": ids, "lengths": lengths}


def after(
    endpoint: str, outputs: Arrays, inputs: Sequence[str], assets: Assets
) -> list[Translation]:
    """A translation for each text."""
    encoded = assets.source.encode(inputs)
    if endpoint in (SERVER_ENDPOINT, TEXT_ENDPOINT):
        texts = [[t.decode() for t in row] for row in outputs["text"]]
        return [
            _translation(inputs[n], texts[n], outputs["score"][n], len(ids), assets)
            for n, ids in enumerate(encoded)
        ]
    return [
        _with_alignment(n, inputs[n], ids, outputs, assets)
        for n, ids in enumerate(encoded)
    ]


def references(
    config: TranslationConfig, split: str, files: Sequence[Path] = ()
) -> tuple[list[str], list[str]]:
    """The sources and the references of a split, or of the given files.

    Args:
        config: names the splits: ``validation``, or one of `data.test`.
        split: which one.
        files: instead of a split, two parallel files or one table.

    Raises:
        UserError: there is no such split, or its files are bad.
    """
    text = parallel_text(_given(files, config) if files else _split(config, split))
    pairs = list(text.pairs(keep_blank=True))
    return [source for source, _ in pairs], [target for _, target in pairs]


def parallel_text(section: SplitSection) -> ParallelText:
    """The parallel text that a section of the config names."""
    if section.table is not None:
        return ParallelText.table(resolve(section.table), section.columns)
    source, target = section.source or "", section.target or ""
    return ParallelText.files(resolve(source), resolve(target))


def score(
    results: Sequence[Translation], references: Sequence[str]
) -> tuple[dict[str, float], dict[str, str]]:
    """BLEU, chrF, lowercased BLEU and the share of exact matches, all in per cent."""
    from nlp_speech import metrics

    scorers = [metrics.bleu, metrics.chrf, metrics.bleu_lowercased, metrics.exact_match]
    return metrics.score([r.text for r in results], references, scorers)


def samples(config: TranslationConfig) -> list[str]:
    """A few hand-written inputs, easy and odd."""
    return [
        "A dog runs on the beach.",
        "Two men are talking.",
        "",
        " ",
        "?",
        "one hundred and twenty-three",
        "Ein Mädchen spielt im Garten — 3 €!",
        "日本語 🙂 שלום",
        "a " * 60,
    ]


def _split(config: TranslationConfig, split: str) -> SplitSection:
    splits = {"validation": config.data.validation, **config.data.test}
    if split not in splits:
        raise UserError(
            f"there is no split {split!r}; choose one of: {', '.join(splits)}"
        )
    return splits[split]


def _given(files: Sequence[Path], config: TranslationConfig) -> SplitSection:
    paths = [str(f.resolve()) for f in files]
    if len(paths) == 1:
        columns = config.data.validation.columns
        return SplitSection(table=paths[0], columns=columns)
    if len(paths) == 2:
        return SplitSection(source=paths[0], target=paths[1])
    raise UserError("give two parallel text files, or one table")


def _translation(
    source: str,
    texts: Sequence[str],
    scores: np.ndarray,
    length: int,
    assets: Assets,
    **more: Any,
) -> Translation:
    n_best = found_texts(texts, scores)
    return Translation(
        text=n_best[0].text,
        score=n_best[0].score,
        n_best=n_best,
        truncated=length > assets.max_source_length,
        unfamiliar=is_unfamiliar(source, assets.source),
        **more,
    )


def _with_alignment(
    n: int, source: str, source_ids: list[int], outputs: Arrays, assets: Assets
) -> Translation:
    lengths = outputs["lengths"][n]
    rows = [ids[:k].tolist() for ids, k in zip(outputs["ids"][n], lengths, strict=True)]
    read = [*source_ids[: assets.max_source_length], EOS]
    return _translation(
        source,
        assets.target.decode(rows),
        outputs["score"][n],
        len(source_ids),
        assets,
        source_pieces=tuple(assets.source.pieces(read)),
        target_pieces=tuple(assets.target.pieces(rows[0])),
        alignment=outputs["alignment"][n, 0, : lengths[0], : len(read)],
    )


def _alignment(result: Translation) -> tuple[Sequence[str], Sequence[str], Any]:
    return result.source_pieces, result.target_pieces, result.alignment


EXTRAS = Extras(alignment=_alignment, scorers=("sacrebleu",))
