"""The loop of the prefix beam search for CTC; see `decoding.ctc.prefix_beam_search`.

The search keeps K prefixes of each row. Of each it knows two sums, over alignments that
end with a blank and with its last label, and the best single alignment of both kinds.
The best ones tell the times: with each prefix goes the step where its last label
begins, where it ends, and the slot that its parent had just before, so that labels and
times are found by jumping back from label to label in what was recorded at each step.
Work and memory grow with the steps, not with steps times labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import tensorflow as tf

from nlp_speech.decoding.beam_search import NO_SCORE

Tensor = Any

BLANK = 0
_POSSIBLE = NO_SCORE / 2
# A prefix is known by a number of 42 bits: the polynomial of its labels at _BASE modulo
# a prime, so that products stay below 2**63. That two prefixes in a beam have the same
# number happens once in ten million utterances.
_PRIME = 2**42 - 11
_BASE = 1_048_583
_RECORDED = 7  # numbers kept of each prefix and step


class _Numbers(NamedTuple):
    """What is known of each prefix, [B, K] float32 log-probabilities."""

    blank: Tensor  # of all its alignments that end with a blank
    label: Tensor  # of all that end with its last label
    best_blank: Tensor  # of the best alignment that ends with a blank
    best_label: Tensor


class _Places(NamedTuple):
    """Where the best alignments of each prefix are, [B, K] int32."""

    last: Tensor  # the last label, or 0
    count: Tensor  # labels
    blank_start: Tensor  # first step of the last label, in the best that ends blank
    blank_end: Tensor  # the step after the label's last one
    blank_parent: Tensor  # slot of the parent before `blank_start`
    label_start: Tensor  # the same for the best that ends with the label
    label_parent: Tensor


class _Beam(NamedTuple):
    numbers: _Numbers
    places: _Places
    name: Tensor  # [B, K] int64, the number by which a prefix is known
    parent_name: Tensor  # [B, K] int64


@dataclass(frozen=True)
class GraphSearch:
    """One search.

    Attributes:
        log_probs: [T, B, V] float32.
        values: [T, B, C] float32, those of the most likely labels of each step.
        labels: [T, B, C] int32, the labels that these are.
        lengths: real steps of each row, [B] int32.
        batch_size: B; a number where it is known.
        beam_size: K.
    """

    log_probs: Tensor
    values: Tensor
    labels: Tensor
    lengths: Tensor
    batch_size: int | Tensor
    beam_size: int

    def run(self) -> tuple[Tensor, ...]:
        """The whole search: what `decoding.ctc.Hypotheses` has, in its order."""
        steps = tf.shape(self.log_probs)[0]
        static = self.batch_size if isinstance(self.batch_size, int) else None
        history = tf.TensorArray(
            tf.int32, size=steps, element_shape=[static, _RECORDED * self.beam_size]
        )

        def body(step: Tensor, beam: _Beam, history: Any) -> tuple:
            beam = self.step(step, _Beam(*beam))
            return step + 1, beam, history.write(step, self.record(step, beam))

        _, beam, history = tf.while_loop(
            lambda step, *_: step < steps,
            body,
            (tf.constant(0), self.begin(), history),
            maximum_iterations=steps,
        )
        return self.answers(_Beam(*beam), history.stack())

    def begin(self) -> _Beam:
        """The empty prefix in the first slot."""
        shape = [self.batch_size, self.beam_size]
        first = tf.one_hot(0, self.beam_size, 0.0, NO_SCORE)
        empty = tf.tile(first[tf.newaxis], [self.batch_size, 1])
        never = tf.fill(shape, NO_SCORE)
        zeros = tf.zeros(shape, tf.int32)
        return _Beam(
            numbers=_Numbers(empty, never, empty, never),
            places=_Places(*[zeros] * len(_Places._fields)),
            name=tf.zeros(shape, tf.int64),
            parent_name=tf.fill(shape, tf.constant(-1, tf.int64)),
        )

    def step(self, step: Tensor, beam: _Beam) -> _Beam:
        """One step of all rows; one that has ended stays as it is."""
        values, labels = self.values[step], self.labels[step]
        last = beam.places.last
        kin = self.kinship(beam)
        stayed = self.stay(step, beam, kin)
        same = last[:, :, tf.newaxis] == labels[:, tf.newaxis]
        score, best = self.extend(beam.numbers, same, values)
        # What a child in the beam stands for already was added to the child.
        known = tf.cast(same & (_live(beam)[:, :, tf.newaxis]), tf.float32)
        taken = tf.matmul(tf.cast(kin, tf.float32), known, transpose_a=True) > 0
        score, best = (tf.where(taken, NO_SCORE, x) for x in (score, best))
        chosen = self.choose(step, beam, stayed, score, best)
        real = (step < self.lengths)[:, tf.newaxis]
        return tf.nest.map_structure(
            lambda new, old: tf.where(real, new, old), chosen, beam
        )

    def kinship(self, beam: _Beam) -> Tensor:
        """[B, K, K] whether the prefix of a row is the child of that of a column."""
        children = beam.parent_name[:, :, tf.newaxis]
        live = _live(beam)
        both = live[:, :, tf.newaxis] & live[:, tf.newaxis]
        return (children == beam.name[:, tf.newaxis]) & both

    def stay(self, step: Tensor, beam: _Beam, kin: Tensor) -> _Beam:
        """Each prefix after a blank, its last label again, or its parent and that."""
        numbers, places = beam.numbers, beam.places
        log_probs = self.log_probs[step]
        blank = log_probs[:, :1]
        again = tf.gather(log_probs, places.last, batch_dims=1)
        same = places.last[:, :, tf.newaxis] == places.last[:, tf.newaxis]
        total, best = _totals(numbers)
        arriving = tf.where(same, numbers.blank[:, tf.newaxis], total[:, tf.newaxis])
        arriving = tf.reduce_max(tf.where(kin, arriving, NO_SCORE), axis=2) + again
        best_arriving = tf.where(
            same, numbers.best_blank[:, tf.newaxis], best[:, tf.newaxis]
        )
        best_arriving = tf.reduce_max(tf.where(kin, best_arriving, NO_SCORE), axis=2)
        best_arriving += again
        parent = tf.argmax(tf.cast(kin, tf.float32), axis=2, output_type=tf.int32)
        repeated = numbers.best_label + again
        renewed = best_arriving > repeated
        heard = numbers.best_label > numbers.best_blank
        return _Beam(
            numbers=_Numbers(
                blank=total + blank,
                label=_log_add(numbers.label + again, arriving),
                best_blank=best + blank,
                best_label=tf.maximum(repeated, best_arriving),
            ),
            places=places._replace(
                blank_start=tf.where(heard, places.label_start, places.blank_start),
                blank_end=tf.where(heard, step, places.blank_end),
                blank_parent=tf.where(heard, places.label_parent, places.blank_parent),
                label_start=tf.where(renewed, step, places.label_start),
                label_parent=tf.where(renewed, parent, places.label_parent),
            ),
            name=beam.name,
            parent_name=beam.parent_name,
        )

    def extend(
        self, numbers: _Numbers, same: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor]:
        """[B, K, C] scores, sum and best, of each prefix with each likely label."""
        total, best = _totals(numbers)
        # A label that is repeated needs a blank before it.
        sums = tf.where(same, numbers.blank[:, :, tf.newaxis], total[:, :, tf.newaxis])
        bests = tf.where(
            same, numbers.best_blank[:, :, tf.newaxis], best[:, :, tf.newaxis]
        )
        values = values[:, tf.newaxis]
        return sums + values, bests + values

    def choose(
        self, step: Tensor, beam: _Beam, stayed: _Beam, score: Tensor, best: Tensor
    ) -> _Beam:
        """The K best of the prefixes that stayed and those that are new."""
        k, c = self.beam_size, self.values.shape[2]
        flat = tf.reshape(score, [-1, k * c])
        flat_best = tf.reshape(best, [-1, k * c])
        total, _ = _totals(stayed.numbers)
        values, index = tf.math.top_k(tf.concat([total, flat], axis=1), k)
        stays = index < k
        new = tf.maximum(index - k, 0)
        parent = tf.where(stays, index, new // c)
        label = tf.gather(self.labels[step], new % c, batch_dims=1)
        old: _Beam = tf.nest.map_structure(
            lambda x: tf.gather(x, parent, batch_dims=1), stayed
        )
        name = (old.name * _BASE + tf.cast(label, tf.int64)) % _PRIME
        places = old.places
        return _Beam(
            numbers=_Numbers(
                blank=tf.where(stays, old.numbers.blank, NO_SCORE),
                label=tf.where(stays, old.numbers.label, values),
                best_blank=tf.where(stays, old.numbers.best_blank, NO_SCORE),
                best_label=tf.where(
                    stays,
                    old.numbers.best_label,
                    tf.gather(flat_best, new, batch_dims=1),
                ),
            ),
            places=places._replace(
                last=tf.where(stays, places.last, label),
                count=tf.where(stays, places.count, places.count + 1),
                label_start=tf.where(stays, places.label_start, step),
                label_parent=tf.where(stays, places.label_parent, parent),
            ),
            name=tf.where(stays, old.name, name),
            parent_name=tf.where(stays, old.parent_name, old.name),
        )

    def record(self, step: Tensor, beam: _Beam) -> Tensor:
        """[B, 7 * K]: last label; its start, end and parent; those of a blank end."""
        places = beam.places
        heard = beam.numbers.best_label > beam.numbers.best_blank
        end = tf.minimum(step + 1, self.lengths)[:, tf.newaxis]
        blank = (places.blank_start, places.blank_end, places.blank_parent)
        label = (places.label_start, end, places.label_parent)
        best = [tf.where(heard, a, b) for a, b in zip(label, blank, strict=True)]
        return tf.concat([places.last, *best, *blank], axis=1)

    def answers(self, beam: _Beam, history: Tensor) -> tuple[Tensor, ...]:
        """Follows the records back, from the last label of each prefix to the first."""
        k = self.beam_size
        scores, _ = _totals(beam.numbers)
        lengths = tf.where(scores > _POSSIBLE, beam.places.count, 0)
        most = tf.maximum(tf.reduce_max(lengths), 1)
        steps = tf.shape(history)[0]
        row_size = _RECORDED * k
        rows = tf.range(self.batch_size)[:, tf.newaxis] * row_size
        flat = tf.reshape(history, [-1])
        static = self.batch_size if isinstance(self.batch_size, int) else None
        found = tf.TensorArray(tf.int32, size=most, element_shape=[static, 3 * k])

        def body(
            place: Tensor, step: Tensor, slot: Tensor, child: Tensor, found: Any
        ) -> tuple:
            here = step * self.batch_size * row_size + rows + slot
            last = tf.gather(flat, here)
            # A label that is repeated needs a blank before it.
            kind = tf.where(last == child, 4 * k, k)
            start, end, parent = (
                tf.gather(flat, here + kind + n * k) for n in (0, 1, 2)
            )
            real = place < lengths
            labels = [tf.where(real, x, 0) for x in (last, start, end)]
            return (
                place - 1,
                tf.where(real, tf.maximum(start - 1, 0), step),
                tf.where(real, parent, slot),
                labels[0],
                found.write(place, tf.concat(labels, axis=1)),
            )

        slots = tf.tile(tf.range(k)[tf.newaxis], [self.batch_size, 1])
        ends = tf.fill([self.batch_size, k], steps - 1)
        *_, found = tf.while_loop(
            lambda place, *_: place >= 0,
            body,
            (most - 1, ends, slots, tf.zeros_like(slots), found),
            maximum_iterations=most,
        )
        ids, starts, stops = tf.split(tf.transpose(found.stack(), [1, 2, 0]), 3, axis=1)
        found = tf.where(scores > _POSSIBLE, scores, NO_SCORE)
        return ids, lengths, found, starts, stops


def _totals(numbers: _Numbers) -> tuple[Tensor, Tensor]:
    """Sum and best over alignments of both kinds."""
    total = _log_add(numbers.blank, numbers.label)
    return total, tf.maximum(numbers.best_blank, numbers.best_label)


def _live(beam: _Beam) -> Tensor:
    """[B, K] whether a slot has a prefix."""
    numbers = beam.numbers
    return tf.maximum(numbers.best_blank, numbers.best_label) > _POSSIBLE


def _log_add(a: Tensor, b: Tensor) -> Tensor:
    """``log(exp(a) + exp(b))``."""
    most = tf.maximum(a, b)
    # TFLite has no log1p; what is lost is below the last bit of `most`, or nearly so.
    return most + tf.math.log(1 + tf.exp(tf.minimum(a, b) - most))
