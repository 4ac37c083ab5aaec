"""Makes one step of a group of frames: stacked, or convolved."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from nlp_speech.layers.shapes import dimensions
from nlp_speech.models.strides import SECOND_REACH, Strides

Tensor = Any


@keras.saving.register_keras_serializable(package="nlp_speech")
class Subsampling(keras.layers.Layer):
    """Makes one step of a group of frames.

    With channels these are two causal convolutions over time and frequency, each with a
    rectifier: what is learned of one band is known of the others, so that little data
    teach more (Amodei et al. 2016, section 3.3). Both halve the bands; the strides in
    time are those of a group together. Without channels frames are stacked.

    Args:
        frames: in a group.
        channels: of each convolution, or 0.
    """

    def __init__(self, frames: int, channels: int, **options: Any) -> None:
        super().__init__(**options)
        self.frames = frames
        self.channels = channels
        self.strides = Strides.of(frames)

    @property
    def context(self) -> int:
        """Frames before the first of a group that its step depends on."""
        return self.strides.context if self.channels else 0

    def size(self, features: int) -> int:
        """The size of a step."""
        if not self.channels:
            return self.frames * features
        return -(-features // 4) * self.channels

    def build(self, shape: Any) -> None:
        """Creates the weights for [batch, time, features]."""
        channels = self.channels
        if channels:
            self.kernels = [
                self._kernel((self.strides.first_reach, 3, 1, channels), "kernel_0"),
                self._kernel((SECOND_REACH, 3, channels, channels), "kernel_1"),
            ]
            self.biases = [
                self.add_weight(
                    shape=(channels,), initializer="zeros", name=f"bias_{n}"
                )
                for n in range(2)
            ]
        self.built = True

    def call(self, x: Tensor) -> Tensor:
        """[batch, time, features] -> [batch, time // frames, size of a step]."""
        return self.step(x, self.initial_state(dimensions(x)[0], x.shape[-1]))[0]

    def initial_state(self, batch_size: Tensor | int, features: int) -> Tensor | None:
        """The frames before the first: zeros, [batch, context, features], or None."""
        if not self.channels:
            return None
        return tf.zeros([batch_size, self.context, features], self.compute_dtype)

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """The steps of the next frames, and the last frames (or None)."""
        batch, time, features = dimensions(x)
        steps = time // self.frames
        x = x[:, : steps * self.frames]
        if not self.channels:
            return tf.reshape(x, [batch, steps, self.frames * features]), None
        joined = tf.concat([tf.cast(state, x.dtype), x], axis=1)
        # A convolution of less than it reads at once gives anything at all.
        least = tf.maximum(self.frames - steps * self.frames, 0)
        y = tf.pad(joined, [[0, 0], [0, least], [0, 0]])
        y = tf.reshape(y, [batch, -1, features, 1])
        for n, stride in enumerate(self.strides):
            y = self._convolved(y, n, stride)
        y = tf.reshape(y, [batch, -1, self.size(features)])[:, :steps]
        # From the front: a chunk without frames leaves the state as it is.
        kept = joined[:, steps * self.frames :]
        return y, tf.ensure_shape(kept, state.shape)

    def _kernel(self, shape: tuple[int, ...], name: str) -> Any:
        return self.add_weight(shape=shape, initializer="he_normal", name=name)

    def _convolved(self, x: Tensor, number: int, stride: int) -> Tensor:
        """[batch, time, bands, channels]; bands are padded, time is not."""
        x = tf.pad(x, [[0, 0], [0, 0], [1, 1], [0, 0]])
        kernel = tf.cast(self.kernels[number].value, x.dtype)
        y = tf.nn.conv2d(x, kernel, (stride, 2), "VALID")
        return tf.nn.relu(y + tf.cast(self.biases[number].value, x.dtype))

    def get_config(self) -> dict[str, Any]:
        """What is needed to make the layer again."""
        return {
            **super().get_config(),
            "frames": self.frames,
            "channels": self.channels,
        }
