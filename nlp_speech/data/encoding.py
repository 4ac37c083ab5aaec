"""The piece ids of a parallel corpus, laid out flat, and sampled anew each epoch."""

from __future__ import annotations

from collections.abc import Sequence

from nlp_speech.sections import PairVocabularySection
from nlp_speech.text.flat import FlatIds
from nlp_speech.text.sampling import SubwordSampler
from nlp_speech.text.tokenizer import EOS, Tokenizer


class TextEncoder:
    """Encodes texts for an epoch, eos included.

    Args:
        texts: one a sequence.
        tokenizer: of these texts.
        alpha: smoothing of subword sampling, or None for the likeliest pieces always.
        seed: of the run, and what tells this encoder from others of the run.
        most: pieces of a text, at most; the rest is left out. None: all.
    """

    def __init__(
        self,
        texts: Sequence[str],
        tokenizer: Tokenizer,
        alpha: float | None,
        seed: tuple[int, int],
        most: int | None = None,
    ) -> None:
        self._seed = seed
        self._most = most
        self._sampler = None
        self._fixed = FlatIds.of([])
        if alpha is None:
            self._fixed = self._cut(FlatIds.of(tokenizer.encode(texts), end=EOS))
        else:
            self._sampler = SubwordSampler(tokenizer, texts, alpha, EOS)

    def __call__(self, epoch: int) -> FlatIds:
        """The ids of the texts; the same for the same epoch, counted from 0."""
        if self._sampler is None:
            return self._fixed
        run, number = self._seed
        return self._cut(self._sampler((run, epoch, number)))

    def _cut(self, flat: FlatIds) -> FlatIds:
        return flat if self._most is None else flat.shortened(self._most)


class PairEncoder:
    """Encodes a parallel corpus for an epoch, eos included.

    Args:
        pairs: source and target sentences.
        source: the tokenizer of the source.
        target: the tokenizer of the target; may be the same one.
        section: which sides are sampled, and how wildly.
        seed: of the run.
        training: whether to sample at all.
        most: pieces of a source, at most; the rest is left out. None: all.
    """

    def __init__(
        self,
        pairs: Sequence[tuple[str, str]],
        source: Tokenizer,
        target: Tokenizer,
        section: PairVocabularySection,
        seed: int,
        training: bool,
        most: int | None = None,
    ) -> None:
        sampled = (section.sample_source, section.sample_target)
        self._sides = [
            TextEncoder(
                [pair[side] for pair in pairs],
                tokenizer,
                section.sampling_alpha if training and sampled[side] else None,
                (seed, side),
                most if side == 0 else None,
            )
            for side, tokenizer in enumerate((source, target))
        ]

    def __call__(self, epoch: int) -> tuple[FlatIds, FlatIds]:
        """The ids of source and target; the same for the same epoch, counted from 0."""
        source, target = self._sides
        return source(epoch), target(epoch)
