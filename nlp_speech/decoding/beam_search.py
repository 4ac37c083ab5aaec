"""Beam search in plain TensorFlow operations.

One implementation for Keras, `tf.function`, SavedModel and TFLite: it uses only
operations that TFLite has built in, no `TensorArray` and no state outside the loop.

The search keeps `beam_size` unfinished hypotheses of each row, ranked by
log-probability (all have the same length). At each step every one of them is continued
with every piece. A continuation with `eos` that is among the `beam_size` best
continuations of its row ends its hypothesis, which moves to a pool of its own where no
unfinished one can push it out; the `beam_size` best other continuations are the next
unfinished ones. A row is done when

* it has reached its maximum length, where all its hypotheses end whatever their rank,
  or
* `beam_size` of its hypotheses have ended (with a beam of 1 this is greedy search), or
* no unfinished hypothesis can any longer be one of the `n_best` answers. This rule
  saves time and never changes an answer, since log-probabilities only fall.

A row that is done is frozen: its unfinished hypotheses get the log-probability
`NO_SCORE`, so nothing that other rows still do can reach it.

Histories are back-pointers: a step appends the chosen pieces and the slots they came
from, and only the answers are traced back at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import tensorflow as tf

from nlp_speech.decoding.repeats import NO_SCORE, repeats
from nlp_speech.decoding.trace import trace

Tensor = Any
Step = Callable[[Tensor, Any], tuple[Tensor, Tensor, Any]]

_POSSIBLE = NO_SCORE / 2  # what is greater belongs to a hypothesis
_LEAST_COVERAGE = 1e-6  # a source piece with less attention counts as this


class Hypotheses(NamedTuple):
    """Answers, best first: B rows, K answers each, T pieces, S source pieces.

    A slot for which the search found no hypothesis has score `NO_SCORE` and length 0.

    Attributes:
        ids: [B, K, T] int32, without bos and eos, padded with 0; T is the longest of
            the lengths, but at least 1.
        lengths: [B, K] int32, pieces.
        scores: [B, K] float32, as `beam_search` defines them.
        alignment: [B, K, T, S] float32, the attention with which each piece was chosen;
            zeros beyond the length.
    """

    ids: Tensor
    lengths: Tensor
    scores: Tensor
    alignment: Tensor


def log_softmax(logits: Tensor) -> Tensor:
    """`tf.nn.log_softmax`, faster where it matters: in TFLite.

    TFLite computes LOG_SOFTMAX one exponential after another and SOFTMAX in vectors: of
    5 rows of 6,000 pieces, 0.14 ms against 0.01 ms.

    Args:
        logits: [..., V] float32.

    Returns:
        [..., V] log-probabilities.
    """
    # the largest probability is at least 1 / V, so that its logarithm is exact
    largest = tf.reduce_max(tf.nn.softmax(logits), axis=-1, keepdims=True)
    shifted = logits - tf.reduce_max(logits, axis=-1, keepdims=True)
    return shifted + tf.math.log(largest)


def beam_search(
    step: Step,
    state: Any,
    *,
    batch_size: int | Tensor,
    max_lengths: Tensor,
    bos: int,
    eos: int,
    beam_size: int,
    length_penalty: float = 1.0,
    coverage_penalty: float = 0.0,
    source_lengths: Tensor | None = None,
    n_best: int | None = None,
    min_lengths: Tensor | None = None,
    block_ngrams: int = 0,
) -> Hypotheses:
    """Searches for the best outputs of a model that is asked one step at a time.

    The score of a hypothesis Y of source X is that of Wu et al. 2016, equation 14:
    ``log P(Y|X) / ((5 + |Y|) / 6)**alpha + beta * sum_i log(min(sum_j p_ij, 1))``.
    There |Y| counts its eos, p_ij is the attention on source piece i with which the
    j-th of Y was chosen (not less than 1e-6 in sum), i goes over real source pieces.

    Args:
        step: takes the last ids [N] int32 and the state, N = batch_size * beam_size,
            row by row; returns log-probabilities [N, V] float32 of the next piece (V
            known; at most 0; minus infinity forbids a piece), attention [N, S] float32
            and the state. What does not change, such as the encoder's output, it closes
            over.
        state: a nest of tensors [batch_size, ...], which the search repeats.
        batch_size: B; a number where it is known, which makes all shapes static.
        max_lengths: [B] int32, the most pieces of an answer, not counting eos.
        bos: the id before the first piece.
        eos: the id after the last piece.
        beam_size: hypotheses kept; 1 is greedy search.
        length_penalty: alpha, not less than 0; 0 prefers short answers.
        coverage_penalty: beta, not less than 0; it costs nothing when it is 0.
        source_lengths: [B] int32; needed for the coverage penalty only.
        n_best: K, the answers wanted of each row, `beam_size` if None. With fewer the
            search stops earlier, and gives the first ones of the same answers.
        min_lengths: [B] int32, the least pieces of an answer, not counting eos, where
            the maximum allows as many; None for 0.
        block_ngrams: no answer has the same so many pieces in a row twice (Paulus et
            al. 2018, section 2.5); 0 allows it.

    Returns:
        The answers. No row depends on what else is in its batch, bit for bit without
        the coverage penalty, whose scores may differ in the last bit.

    Raises:
        ValueError: a size is out of range, or `source_lengths` is missing.
    """
    n_best = beam_size if n_best is None else n_best
    if not 1 <= n_best <= beam_size:
        raise ValueError("beam_size >= n_best >= 1 is needed")
    if coverage_penalty and source_lengths is None:
        raise ValueError("the coverage penalty needs source_lengths")
    search = _Search(
        step=step,
        batch_size=batch_size,
        max_lengths=tf.cast(max_lengths, tf.int32),
        bos=bos,
        eos=eos,
        beam_size=beam_size,
        n_best=n_best,
        length_penalty=length_penalty,
        coverage_penalty=coverage_penalty,
        source_lengths=source_lengths,
        min_lengths=min_lengths,
        block_ngrams=block_ngrams,
    )
    return search.run(state)


class _Loop(NamedTuple):
    """What goes around the loop; N = B * beam size slots, t steps done."""

    time: Tensor  # [] int32: t
    live: Tensor  # [B, beam] log-probabilities of the unfinished, best first
    ids: Tensor  # [N] last piece of each
    state: Any  # nest of [N, ...]
    coverage: Any  # [N, S] attention received so far; () without that penalty
    prefix: Any  # [N, t] pieces so far; () if n-grams may repeat
    scores: Tensor  # [B, beam] of the ended, best first
    ends: Tensor  # [B, beam] where they ended: time * beam + slot in the row
    pieces: Tensor  # [t, N] history of chosen pieces
    parents: Tensor  # [t, N] history of the slots (of N) they came from
    attention: Tensor  # [N, t * S] history of attention, by slot before the choice


class _Choice(NamedTuple):
    """The continuations of one step."""

    live: Tensor  # [B, beam] log-probabilities
    pieces: Tensor  # [N]
    parents: Tensor  # [N] slots (of N) before the step
    ended: Tensor  # [B, beam] log-probabilities of those that end, else NO_SCORE


@dataclass(frozen=True)
class _Search:
    """The options of one search and the parts of its loop; see `beam_search`."""

    step: Step
    batch_size: int | Tensor
    max_lengths: Tensor
    bos: int
    eos: int
    beam_size: int
    n_best: int
    length_penalty: float
    coverage_penalty: float
    source_lengths: Tensor | None
    min_lengths: Tensor | None
    block_ngrams: int

    @property
    def slots(self) -> int | Tensor:
        """N: a number if the batch size is one."""
        return self.batch_size * self.beam_size

    def run(self, state: Any) -> Hypotheses:
        """The whole search."""
        begin = self.begin(state)
        # the divisor of the longest hypothesis allowed bounds all scores to come
        last_divisor = tf.reshape(self.divisor(self.max_lengths), [-1, 1])
        loop = tf.while_loop(
            lambda time, live, *_: tf.reduce_any(live > _POSSIBLE),
            lambda *loop: self.body(_Loop(*loop), last_divisor),
            begin,
            shape_invariants=self.shapes(begin),
        )
        return self.answers(_Loop(*loop))

    def begin(self, state: Any) -> _Loop:
        """The loop's variables before the first step: one empty hypothesis a row."""
        k = self.beam_size
        live = tf.constant([[0.0] + [NO_SCORE] * (k - 1)], tf.float32)
        nothing = tf.zeros([0, self.slots], tf.int32)
        return _Loop(
            time=tf.constant(0),
            live=tf.tile(live, [self.batch_size, 1]),
            ids=tf.fill([self.slots], tf.constant(self.bos, tf.int32)),
            state=tf.nest.map_structure(self.repeat, state),
            # only the step knows S: this grows to [N, S] by broadcasting
            coverage=tf.zeros([self.slots, 1]) if self.coverage_penalty else (),
            prefix=tf.zeros([self.slots, 0], tf.int32) if self.block_ngrams else (),
            scores=tf.fill([self.batch_size, k], NO_SCORE),
            ends=tf.zeros([self.batch_size, k], tf.int32),
            pieces=nothing,
            parents=nothing,
            attention=tf.zeros([self.slots, 0]),
        )

    def shapes(self, begin: _Loop) -> _Loop:
        """The shapes that hold all around the loop: histories grow."""
        slots = begin.ids.shape[0]
        same = tf.nest.map_structure(lambda x: x.shape, begin)
        return same._replace(
            coverage=tf.TensorShape([slots, None]) if self.coverage_penalty else (),
            prefix=tf.TensorShape([slots, None]) if self.block_ngrams else (),
            pieces=tf.TensorShape([None, slots]),
            parents=tf.TensorShape([None, slots]),
            attention=tf.TensorShape([slots, None]),
        )

    def body(self, loop: _Loop, last_divisor: Tensor) -> _Loop:
        """One step of all hypotheses."""
        log_probs, attention, state = self.step(loop.ids, loop.state)
        if self.block_ngrams:
            log_probs += repeats(loop.prefix, self.block_ngrams, log_probs.shape[-1])
        at_end = tf.reshape(loop.time >= self.max_lengths, [-1, 1])
        choice = self.choose(log_probs, loop.live, at_end)
        if self.min_lengths is not None:
            early = tf.reshape(loop.time < self.min_lengths, [-1, 1])
            early = tf.logical_and(early, tf.logical_not(at_end))
            choice = choice._replace(ended=tf.where(early, NO_SCORE, choice.ended))
        coverage = loop.coverage + attention if self.coverage_penalty else ()
        scores, ends = self.collect(loop, choice.ended, coverage)
        full = scores[:, -1:] > _POSSIBLE
        last_answer = scores[:, self.n_best - 1 : self.n_best]
        hopeless = choice.live[:, :1] / last_divisor <= last_answer
        state, coverage, prefix = tf.nest.map_structure(
            # with a beam of 1 each slot is its own parent
            lambda x: x if self.beam_size == 1 else tf.gather(x, choice.parents),
            (state, coverage, loop.prefix),
        )
        if self.block_ngrams:
            prefix = tf.concat([prefix, choice.pieces[:, tf.newaxis]], 1)
        return _Loop(
            time=loop.time + 1,
            live=tf.where(at_end | full | hopeless, NO_SCORE, choice.live),
            ids=choice.pieces,
            state=state,
            coverage=coverage,
            prefix=prefix,
            scores=scores,
            ends=ends,
            pieces=_append(loop.pieces, choice.pieces),
            parents=_append(loop.parents, choice.parents),
            attention=tf.concat([loop.attention, attention], 1),
        )

    def choose(self, log_probs: Tensor, live: Tensor, at_end: Tensor) -> _Choice:
        """Finds the best continuations.

        Args:
            log_probs: [N, V] of each piece after each hypothesis.
            live: [B, beam] log-probabilities of the hypotheses.
            at_end: [B, 1], whether all hypotheses of a row end here.
        """
        k = self.beam_size
        each = min(k + 1, log_probs.shape[-1])  # enough, for one of them may be eos
        best, pieces = tf.math.top_k(log_probs, each)
        best = tf.reshape(best, [-1, k, each]) + tf.reshape(live, [-1, k, 1])
        best = tf.reshape(best, [-1, k * each])
        ending = live + tf.reshape(log_probs[:, self.eos], [-1, k])
        among_best = ending >= tf.math.top_k(best, k).values[:, -1:]

        is_eos = tf.reshape(tf.equal(pieces, self.eos), [-1, k * each])
        live, index = tf.math.top_k(tf.where(is_eos, NO_SCORE, best), k)
        index = tf.reshape(self.of_all(index, k * each), [-1])
        return _Choice(
            live=live,
            pieces=tf.gather(tf.reshape(pieces, [-1]), index),
            parents=index // each,
            ended=tf.where(at_end | among_best, ending, NO_SCORE),
        )

    def collect(
        self, loop: _Loop, ended: Tensor, coverage: Any
    ) -> tuple[Tensor, Tensor]:
        """The pool's scores and ends, with those hypotheses that end at this step."""
        k = self.beam_size
        score = ended / self.divisor(loop.time)
        if self.coverage_penalty:
            covered = tf.reshape(self.covered(coverage), [-1, k])
            score += self.coverage_penalty * covered
        score = tf.where(ended > _POSSIBLE, score, NO_SCORE)
        scores, index = tf.math.top_k(tf.concat([loop.scores, score], 1), k)
        slots = tf.tile(tf.range(k)[tf.newaxis], [self.batch_size, 1])
        ends = tf.concat([loop.ends, loop.time * k + slots], 1)
        index = self.of_all(index, 2 * k)
        return scores, tf.gather(tf.reshape(ends, [-1]), index)

    def answers(self, loop: _Loop) -> Hypotheses:
        """Traces the answers back from their ends."""
        scores, ends = loop.scores[:, : self.n_best], loop.ends[:, : self.n_best]
        lengths = tf.where(scores > _POSSIBLE, ends // self.beam_size, 0)
        # not 0, for LiteRT cannot return nothing after it has returned something; but
        # without rows there has been no step
        longest = tf.minimum(tf.maximum(tf.reduce_max(lengths), 1), loop.time)
        slots = self.of_all(ends % self.beam_size, self.beam_size)
        ends = tf.reshape(lengths, [-1]), tf.reshape(slots, [-1])
        ids, paths = trace(loop.pieces, loop.parents, *ends, longest)
        shape = [self.batch_size, self.n_best, longest]
        steps = tf.range(longest)
        size = tf.shape(loop.attention)[1] // tf.maximum(loop.time, 1)
        table = tf.reshape(loop.attention, [self.slots * loop.time, size])
        paths = tf.reshape(tf.transpose(paths), shape)
        real = tf.expand_dims(steps < tf.expand_dims(lengths, -1), -1)
        return Hypotheses(
            ids=tf.reshape(tf.transpose(ids), shape),
            lengths=lengths,
            scores=scores,
            alignment=tf.where(real, tf.gather(table, paths * loop.time + steps), 0.0),
        )

    def divisor(self, lengths: Tensor) -> Tensor:
        """The length penalty of hypotheses of so many pieces and an eos."""
        ratio = (tf.cast(lengths, tf.float32) + 6.0) / 6.0
        return tf.pow(ratio, self.length_penalty)

    def covered(self, coverage: Tensor) -> Tensor:
        """[N, S] -> [N]: what the attention lacks on real source pieces, at most 0."""
        lengths = tf.reshape(self.repeat(self.source_lengths), [-1, 1])
        real = tf.range(tf.shape(coverage)[1]) < lengths
        logs = tf.math.log(tf.clip_by_value(coverage, _LEAST_COVERAGE, 1.0))
        return tf.reduce_sum(tf.where(real, logs, 0.0), 1)

    def repeat(self, tensor: Tensor) -> Tensor:
        """[B, ...] -> [N, ...]."""
        tensor = tf.convert_to_tensor(tensor)
        dynamic = tf.shape(tensor)
        tail = [size or dynamic[n + 1] for n, size in enumerate(tensor.shape[1:])]
        times = [1, self.beam_size] + [1] * len(tail)
        return tf.reshape(
            tf.tile(tf.expand_dims(tensor, 1), times), [self.slots, *tail]
        )

    def of_all(self, index: Tensor, size: int) -> Tensor:
        """Turns indices into rows of `size`, [B, ...], into indices of all rows."""
        if isinstance(self.batch_size, int) and self.batch_size == 1:
            return index
        return index + tf.expand_dims(tf.range(self.batch_size) * size, 1)


def _append(history: Tensor, new: Tensor) -> Tensor:
    return tf.concat([history, tf.expand_dims(new, 0)], 0)
