"""Padded batches of features and labels, from samples or from computed features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf

from nlp_speech.audio.augment import Changes, change, draw_changes
from nlp_speech.audio.graph import GraphFrontEnd
from nlp_speech.audio.sections import AugmentationSection
from nlp_speech.audio.spec_augment import Masks, apply_masks
from nlp_speech.data.ahead import EpochsAhead
from nlp_speech.data.batching import EMPTY_ROW, EpochPlan, Shape
from nlp_speech.errors import UserError
from nlp_speech.text.flat import FlatIds

Batch = dict[str, tf.Tensor]
_CELLS = 64  # different lengths that the choice of shapes looks at


@dataclass(frozen=True)
class Examples:
    """The examples of an epoch, not augmented.

    Attributes:
        lengths: samples, or frames of computed features, of each, int64 [examples].
        labels: of each.
        read: gives the samples [n], or the features [frames, bands], of one.
    """

    lengths: np.ndarray
    labels: FlatIds
    read: Callable[[int], np.ndarray]


@dataclass(frozen=True)
class Budget:
    """How large batches are.

    Attributes:
        frames: padded frames in a batch.
        longest: frames; longer examples are left out.
        buckets: different shapes at the most.
    """

    frames: int
    longest: int
    buckets: int


@dataclass(frozen=True)
class _Epoch:
    number: int
    examples: Examples
    changes: Sequence[Changes]
    plan: EpochPlan


class SoundBatches:
    """The examples of a split as padded batches; a `contract.TrainingData`.

    A batch is a dict: `features` float32 [rows, frames, features], `feature_lengths`
    int32 [rows], `target` int32 [rows, labels] and `target_lengths` int32 [rows].
    Padding is 0; rows that fill up a batch are all padding and have length 0. Every
    epoch uses the same few shapes.

    Everything is decided by the seed, the epoch and the example, so that a batch is the
    same whenever it is asked for. Samples are augmented in NumPy, in parallel; the
    front end and the masks run in the graph.

    Args:
        examples: gives the examples of an epoch, counted from 0. It is called from
            another thread, one call at a time.
        front_end: what training, server and device share.
        augmentation: what examples go through, or None: validation.
        budget: the size of batches.
        seed: of the run.
        from_samples: whether examples are samples; else they are features before
            normalization.

    Attributes:
        shapes: the shapes of batches; the source is frames, the target labels.

    Raises:
        UserError: every example is longer than the budget allows.
    """

    def __init__(
        self,
        examples: Callable[[int], Examples],
        front_end: GraphFrontEnd,
        augmentation: AugmentationSection | None,
        budget: Budget,
        seed: int,
        from_samples: bool,
    ) -> None:
        self._examples = examples
        self._front_end = front_end
        self._augmentation = augmentation
        self._seed = seed
        self._from_samples = from_samples
        found = examples(0)
        changes = self._draw(0, len(found.lengths))
        frames = self._frames(found, changes)
        self.shapes = fit_frames(frames, found.labels.lengths, budget)
        first = self._layout(0, found, changes)
        if not len(first.plan):
            raise UserError(self._none_fits(len(frames), budget))
        self._epochs = EpochsAhead(self._make, first)

    def _none_fits(self, count: int, budget: Budget) -> str:
        if not count:
            return "no utterance can be aligned with its transcript; run check"
        seconds = budget.longest * self._front_end.section.frame_seconds
        return (
            f"all {count} utterances are longer than {seconds:g} s; raise "
            "batch.max_seconds"
        )

    def batches(self, epoch: int) -> int:
        """The number of batches of an epoch, counted from 0."""
        return len(self._epochs[epoch].plan)

    def left_out(self, epoch: int) -> int:
        """The examples of an epoch that no shape holds."""
        return self._epochs[epoch].plan.left_out

    def dataset(self, epoch: int, start: int = 0) -> tf.data.Dataset:
        """The batches of an epoch, in their one fixed order.

        Args:
            epoch: counted from 0.
            start: the number of the first batch wanted.

        Returns:
            `batches(epoch)` - `start` batches, prefetched.
        """
        data = self._epochs[epoch]
        self._epochs.prepare(epoch + 1)
        with tf.device("CPU:0"):
            numbers = tf.data.Dataset.range(start, len(data.plan))
            batches = numbers.map(
                self._reader(data), num_parallel_calls=tf.data.AUTOTUNE
            )
            return batches.prefetch(tf.data.AUTOTUNE)

    def _reader(self, data: _Epoch) -> Callable[[tf.Tensor], Batch]:
        """A graph function from the number of a batch to the batch."""
        section = self._front_end.section
        frames, features = [None, None], [None, section.features]
        sound = [None, None, *self._bands]
        shapes = [sound, [None], [None, None], [None], frames, frames, features]
        types = [tf.float32, *[tf.int32] * 3, *[tf.float32] * 3]

        def read(number: tf.Tensor) -> Batch:
            outputs: Any = tf.numpy_function(
                lambda n: self._gather(data, int(n)), [number], types
            )
            for output, shape in zip(outputs, shapes, strict=True):
                output.set_shape(shape)
            sound, lengths, target, target_lengths, *masks = outputs
            run = self._front_end if self._from_samples else self._front_end.finish
            features, lengths = run(sound, lengths)
            if self._augmentation is not None:
                seed = tf.stack([tf.cast(data.number, tf.int64), number])
                features = self._with_noise(features, lengths, seed)
                features = apply_masks(features, *masks)
            return {
                "features": features,
                "feature_lengths": lengths,
                "target": target,
                "target_lengths": target_lengths,
            }

        return tf.autograph.experimental.do_not_convert(read)

    def _with_noise(self, features: Any, lengths: Any, seed: Any) -> Any:
        level = self._augmentation.feature_noise if self._augmentation else 0.0
        if not level:
            return features
        seed += tf.constant([self._seed << 32, 0], tf.int64)
        noise = tf.random.stateless_normal(tf.shape(features), seed)
        mask = tf.sequence_mask(lengths, tf.shape(features)[1], tf.float32)
        return features + level * noise * mask[:, :, None]

    def _gather(self, data: _Epoch, number: int) -> tuple[np.ndarray, ...]:
        """Everything of a batch that is not computed in the graph."""
        section, shape = self._front_end.section, data.plan.shapes[number]
        numbers = data.plan[number]
        frames = shape.source_length
        size = frames * (section.hop_length if self._from_samples else 1)
        sound = np.zeros([len(numbers), size, *self._bands], np.float32)
        target = np.zeros([len(numbers), shape.target_length], np.int32)
        lengths, target_lengths = np.zeros([2, len(numbers)], np.int32)
        masks = Masks.none(len(numbers), frames, section.features)
        for n, example in enumerate(numbers.tolist()):
            if example == EMPTY_ROW:
                continue
            # Samples after the last whole frame have no place.
            row, labels = (
                self._read(data, example)[:size],
                data.examples.labels[example],
            )
            sound[n, : len(row)] = row
            target[n, : len(labels)] = labels
            lengths[n], target_lengths[n] = len(row), len(labels)
            if self._augmentation is not None:
                rng = self._random(data.number, example, 1)
                masks.draw(n, self._in_frames(len(row)), self._augmentation, rng)
        drawn = masks.places, masks.times, masks.bins
        return sound, lengths, target, target_lengths, *drawn

    @property
    def _bands(self) -> tuple[int, ...]:
        """The axes after time of what an example is read as."""
        section = self._front_end.section
        return () if self._from_samples else (section.features // (1 + section.deltas),)

    def _read(self, data: _Epoch, example: int) -> np.ndarray:
        found = data.examples.read(example)
        if not self._from_samples:
            return found
        rate = self._front_end.section.sample_rate
        return change(found, data.changes[example], rate)

    def _random(self, epoch: int, example: int, stream: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, epoch, example, stream])

    def _draw(self, epoch: int, count: int) -> list[Changes]:
        section = self._augmentation
        if section is None or not section.on_samples or not self._from_samples:
            return [Changes()] * count
        return [draw_changes(self._random(epoch, n, 0), section) for n in range(count)]

    def _in_frames(self, length: int) -> int:
        return (
            length // self._front_end.section.hop_length
            if (self._from_samples)
            else length
        )

    def _frames(self, examples: Examples, changes: Sequence[Changes]) -> np.ndarray:
        pairs = zip(examples.lengths, changes, strict=True)
        lengths = [self._in_frames(c.length(int(n))) for n, c in pairs]
        return np.array(lengths, np.int64)

    def _layout(
        self, epoch: int, examples: Examples, changes: Sequence[Changes]
    ) -> _Epoch:
        frames = self._frames(examples, changes)
        lengths = frames, examples.labels.lengths
        plan = EpochPlan(*lengths, self.shapes, self._seed, epoch)
        return _Epoch(epoch, examples, changes, plan)

    def _make(self, epoch: int) -> _Epoch:
        examples = self._examples(epoch)
        return self._layout(epoch, examples, self._draw(epoch, len(examples.lengths)))


def fit_frames(
    frames: np.ndarray, labels: np.ndarray, budget: Budget
) -> tuple[Shape, ...]:
    """Chooses the shapes of batches that pad these lengths the least.

    Args:
        frames: of each example, [examples].
        labels: of each example, [examples].
        budget: the size of batches. The last shape takes the longest allowed.

    Returns:
        At most `budget.buckets` shapes, from short to long.
    """
    kept = frames <= budget.longest
    frames, labels = frames[kept], labels[kept]
    most_labels = int(labels.max(initial=1))
    tops = _cuts(frames, budget.buckets - 1)
    shapes = []
    below = 0
    for top in tops:
        inside = frames <= top
        size = max(1, int(labels[inside].max(initial=1)))
        shape = _shape(int(top), size, budget)
        # No more rows than there are examples: the rest would be padding.
        count = int(inside.sum())
        shapes.append(replace(shape, rows=min(shape.rows, count - below)))
        below = count
    if not shapes or shapes[-1].source_length < budget.longest:
        # Room for what other epochs draw: a quarter more labels.
        shapes.append(_shape(budget.longest, most_labels + most_labels // 4, budget))
    return tuple(sorted(set(shapes), key=lambda s: s.cost))


def _shape(frames: int, labels: int, budget: Budget) -> Shape:
    return Shape(max(1, budget.frames // max(frames, 1)), max(frames, 1), labels)


def _cuts(lengths: np.ndarray, buckets: int) -> list[int]:
    """The longest lengths of at most `buckets` groups with the least padding."""
    if not len(lengths) or buckets < 1:
        return []
    shares = np.linspace(0, 1, _CELLS + 1)[1:]
    tops = np.unique(np.quantile(lengths, shares, method="higher"))
    counts = np.diff(np.searchsorted(np.sort(lengths), tops, side="right"), prepend=0)
    total = np.concatenate([[0], np.cumsum(counts)])
    size = len(tops)
    best = np.full([buckets + 1, size + 1], np.inf)
    best[0, 0] = 0
    source = np.zeros([buckets + 1, size + 1], int)
    for group in range(1, buckets + 1):
        for end in range(1, size + 1):
            costs = best[group - 1, :end] + (total[end] - total[:end]) * tops[end - 1]
            source[group, end] = int(costs.argmin())
            best[group, end] = costs.min()
    group, end = int(best[:, size].argmin()), size
    cuts = []
    while end:
        cuts.append(int(tops[end - 1]))
        end, group = source[group, end], group - 1
    return cuts[::-1]
