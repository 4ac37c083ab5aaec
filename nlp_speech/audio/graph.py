"""The front end as operations of TensorFlow, which are TFLite's built-in ones too."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from nlp_speech.audio.features import (
    DELTA_REACH,
    GUARD,
    VARIANCE_FLOOR,
    FrontEnd,
)

Tensor = Any


class FrontEndState(NamedTuple):
    """What a stream carries from chunk to chunk.

    Attributes:
        samples: the last ones, [batch, (hops_per_window - 1) * hop_length].
        mean: running mean of each feature, [batch, features].
        variance: running variance of each feature, [batch, features].
    """

    samples: Tensor
    mean: Tensor
    variance: Tensor


class GraphFrontEnd:
    """Runs a front end on a batch, whole or chunk by chunk.

    Equal to `features.Reference` to 1e-3 in units of normalized features. Chunk by
    chunk equal to the whole: log-mel bands bit for bit on a CPU, cepstra to 1e-4.

    Args:
        front_end: its constants.
    """

    def __init__(self, front_end: FrontEnd) -> None:
        self.front_end = front_end
        self.section = front_end.section

    def __call__(self, samples: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """The features of whole utterances.

        Args:
            samples: [batch, n] float32, padded at the end with whatever is finite.
            lengths: real samples of each row, [batch] int32.

        Returns:
            Features [batch, frames, features], 0 after the end of each row, and the
            number of real frames [batch].
        """
        hop = self.section.hop_length
        batch = samples.shape[0] or tf.shape(samples)[0]
        before = tf.zeros([batch, self._tail], tf.float32)
        # The last frame may reach into padding; it is not counted then.
        after = tf.zeros([batch, hop - 1], tf.float32)
        mask = tf.sequence_mask(lengths, tf.shape(samples)[1], tf.float32)
        samples = tf.concat([before, samples * mask, after], axis=1)
        return self.finish(self._bands(samples), lengths // hop)

    def raw(self, samples: Tensor) -> Tensor:
        """Log-mel bands or cepstra, [batch, n // hop_length, bands] of [batch, n]."""
        batch = samples.shape[0] or tf.shape(samples)[0]
        before = tf.zeros([batch, self._tail], tf.float32)
        return self._bands(tf.concat([before, samples], axis=1))

    def finish(self, raw: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Derivatives and normalization of log-mel bands or cepstra.

        Args:
            raw: [batch, frames, bands]; padding must be finite.
            lengths: real frames of each row, [batch] int32.

        Returns:
            Features [batch, frames, features], 0 after the end of each row, and
            `lengths`.
        """
        parts = [raw]
        for _ in range(self.section.deltas):
            parts.append(_delta(parts[-1], lengths))
        x = tf.concat(parts, axis=-1) if len(parts) > 1 else raw
        batch = x.shape[0] or tf.shape(x)[0]
        x, _, _ = self._normalized(x, lengths, *self._start(batch))
        mask = tf.sequence_mask(lengths, tf.shape(x)[1], tf.float32)
        return x * mask[:, :, None], lengths

    def initial_state(self, batch: int) -> FrontEndState:
        """The state before the first chunk of a stream."""
        return FrontEndState(
            tf.zeros([batch, self._tail], tf.float32), *self._start(batch)
        )

    def step(self, samples: Tensor, state: FrontEndState) -> tuple[Tensor, Any]:
        """The features of the next chunk of a stream.

        Args:
            samples: [batch, k * hop_length].
            state: `initial_state`, or what the last step returned.

        Returns:
            Features [batch, k, features] and the state after them.
        """
        samples = tf.concat([state.samples, samples], axis=1)
        raw = self._bands(samples)
        x, mean, variance = self._normalized(raw, None, state.mean, state.variance)
        # Counted from the front: a tail of no samples is legal.
        tail = samples[:, tf.shape(samples)[1] - self._tail :]
        return x, FrontEndState(tail, mean, variance)

    @property
    def _tail(self) -> int:
        return (self.front_end.hops_per_window - 1) * self.section.hop_length

    def _bands(self, samples: Tensor) -> Tensor:
        """Bands of [batch, n], whose first `_tail` samples lie before the frames."""
        section = self.section
        power = self._power(samples)
        flat = tf.reshape(power, [-1, section.n_fft // 2 + 1])
        one = _one(flat)
        bands = tf.math.log(tf.matmul(flat, self.front_end.mel * one) + GUARD)
        if section.kind == "mfcc":
            bands = tf.matmul(bands, self.front_end.cosines * one)
        batch = samples.shape[0] or tf.shape(samples)[0]
        return tf.reshape(bands, [batch, tf.shape(power)[1], bands.shape[-1]])

    def _power(self, samples: Tensor) -> Tensor:
        """The power spectrum of each window, [batch, frames, bins]."""
        section, reach = self.section, self.front_end.hops_per_window
        batch = samples.shape[0] or tf.shape(samples)[0]
        hops = tf.shape(samples)[1] // section.hop_length
        count = hops - (reach - 1)
        samples = samples[:, : hops * section.hop_length]
        blocks = tf.reshape(samples, [batch, hops, section.hop_length])
        near = [blocks[:, n : n + count] for n in range(reach)]
        frames = tf.concat(near, axis=-1)[:, :, -section.window_length :]
        # Padded here, because the transform pads nothing where there is no frame.
        after = section.n_fft - section.window_length
        frames = tf.pad(frames * self.front_end.window, [[0, 0], [0, 0], [0, after]])
        spectrum = tf.signal.rfft(frames, [section.n_fft])
        return tf.math.real(spectrum) ** 2 + tf.math.imag(spectrum) ** 2

    def _start(self, batch: Tensor | int) -> tuple[Tensor, Tensor]:
        shape = [batch, self.section.features]
        return tf.zeros(shape, tf.float32), tf.ones(shape, tf.float32)

    def _normalized(
        self, x: Tensor, lengths: Tensor | None, mean: Tensor, variance: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Normalized frames, and the running statistics after them."""
        kind = self.section.normalization
        if kind == "none":
            return x, mean, variance
        if kind == "utterance":
            if lengths is None:
                raise ValueError("an utterance's statistics need the whole of it")
            return _by_utterance(x, lengths), mean, variance
        statistics = self.front_end.statistics
        x = (x - statistics.mean) / statistics.deviation
        if kind == "global":
            return x, mean, variance
        return _by_the_past(x, mean, variance, self.front_end.running_rate)


def _one(power: Tensor) -> Tensor:
    """The number 1, computed from numbers >= 0 so that no converter knows it.

    A dynamic-range file would quantize a matrix that it knows, and with it the spectrum
    that it is applied to, whose numbers span ten orders of magnitude.
    """
    return tf.minimum(tf.reduce_sum(power[:1]) + 1.0, 1.0)


def _by_utterance(x: Tensor, lengths: Tensor) -> Tensor:
    mask = tf.sequence_mask(lengths, tf.shape(x)[1], tf.float32)[:, :, None]
    count = tf.maximum(tf.cast(lengths, tf.float32), 1)[:, None, None]
    mean = tf.reduce_sum(x * mask, axis=1, keepdims=True) / count
    offset = (x - mean) * mask
    variance = tf.reduce_sum(offset**2, axis=1, keepdims=True) / count
    return offset / tf.sqrt(variance + VARIANCE_FLOOR)


def _by_the_past(
    x: Tensor, mean: Tensor, variance: Tensor, rate: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Exponential mean and variance, the frame itself included.

    A loop, and not one product with a matrix, so that chunks give the same bits.
    Source: Finch 2009, "Incremental calculation of weighted mean and variance".
    """
    rows = tf.transpose(x, [1, 0, 2])
    keep = np.float32(1 - rate)
    rate32 = np.float32(rate)
    frames = tf.shape(rows)[0]
    out = tf.TensorArray(tf.float32, frames, element_shape=rows.shape[1:])

    def body(t: Tensor, out: Any, mean: Tensor, variance: Tensor) -> Any:
        step = rows[t] - mean
        mean = mean + rate32 * step
        variance = keep * (variance + rate32 * step**2)
        value = (rows[t] - mean) / tf.sqrt(variance + VARIANCE_FLOOR)
        return t + 1, out.write(t, value), mean, variance

    _, out, mean, variance = tf.while_loop(
        lambda t, *_: t < frames,
        body,
        (tf.constant(0), out, mean, variance),
        maximum_iterations=frames,
    )
    return tf.transpose(out.stack(), [1, 0, 2]), mean, variance


def _delta(x: Tensor, lengths: Tensor) -> Tensor:
    """Slopes over time, [batch, frames, bands]; the edges of each row are repeated."""
    last = tf.maximum(lengths - 1, 0)[:, None]
    frames = tf.range(tf.shape(x)[1])[None]

    def shifted(by: int) -> Tensor:
        index = tf.minimum(tf.maximum(frames + by, 0), last)
        return tf.gather(x, index, batch_dims=1)

    reach = range(1, DELTA_REACH + 1)
    slopes = tf.add_n([k * (shifted(k) - shifted(-k)) for k in reach])
    return slopes / float(2 * sum(k * k for k in reach))
