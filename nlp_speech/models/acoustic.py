"""From frames of features to logits of labels: subsampling, LSTM layers, look-ahead."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from nlp_speech.layers import LSTM, Bidirectional, TimeDropout
from nlp_speech.layers.lstm import zero_padding
from nlp_speech.layers.shapes import dimensions
from nlp_speech.models.subsampling import Subsampling

Tensor = Any
State = dict[str, Tensor]


class AcousticModel(keras.Model):
    """Reads frames and says at each step which label is heard, for CTC.

    Frames become steps of the LSTMs by groups of `subsampling`; a last group that is
    not full is left out, so that a row of n frames has ``n // subsampling`` steps.
    Nothing reads ahead except both-way LSTMs, or else the look-ahead convolution.

    Args:
        features: size of a frame.
        labels: size of the vocabulary with the blank, which is label 0.
        units: LSTM units, of each direction.
        layers: LSTM layers.
        bidirectional: whether each layer reads both ways; there is no `step` then.
        subsampling: frames in a step.
        conv_channels: of two convolutions over time and frequency that make steps of
            frames; with 0 the frames of a group are stacked.
        look_ahead: later steps that the last LSTM's output is mixed with, if not
            bidirectional (row convolution, Wang et al. 2016).
        dropout: rate after each layer, one mask for all steps.
        layer_norm: whether each layer's output is normalized.
        residual: whether a layer's input is added to its output where sizes agree.
    """

    def __init__(
        self,
        features: int,
        labels: int,
        units: int,
        layers: int,
        bidirectional: bool,
        subsampling: int,
        conv_channels: int,
        look_ahead: int,
        dropout: float,
        layer_norm: bool,
        residual: bool,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.features = features
        self.labels = labels
        self.bidirectional = bidirectional
        self.residual = residual
        self.subsample = Subsampling(subsampling, conv_channels, name="subsampling")
        self.lstms = [_lstm(units, bidirectional, n) for n in range(layers)]
        self.norms = [
            keras.layers.LayerNormalization(name=f"norm_{n}") if layer_norm else None
            for n in range(layers)
        ]
        self.dropouts = [
            TimeDropout(dropout, name=f"dropout_{n}") for n in range(layers)
        ]
        ahead = 0 if bidirectional else look_ahead
        self.look_ahead = LookAhead(ahead, name="look_ahead") if ahead else None
        self.units = units * (2 if bidirectional else 1)

    @property
    def steps_ahead(self) -> int:
        """How many steps the logits of `step` lag behind its frames."""
        return self.look_ahead.steps if self.look_ahead else 0

    @property
    def subsampling(self) -> int:
        """Frames in a step."""
        return self.subsample.frames

    def build(self, input_shape: Any = None) -> None:
        """Creates all weights; no input is needed."""
        self.subsample.build((None, None, self.features))
        size = self.subsample.size(self.features)
        for lstm, norm in zip(self.lstms, self.norms, strict=True):
            lstm.build((None, None, size))
            size = self.units
            if norm is not None:
                norm.build((None, None, size))
        if self.look_ahead is not None:
            self.look_ahead.build((None, None, size))
        self.kernel = self.add_weight(shape=(size, self.labels), name="kernel")
        self.bias = self.add_weight(
            shape=(self.labels,), initializer="zeros", name="bias"
        )
        self.built = True

    def call(
        self, features: Tensor, lengths: Tensor, training: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Reads whole utterances.

        Args:
            features: [rows, frames, features]; padding must be finite.
            lengths: real frames of each row, [rows] int32; 0 is legal.
            training: whether dropout is on.

        Returns:
            Logits [rows, steps, labels], which mean nothing in padding, and the real
            steps of each row [rows].
        """
        x = self.subsample(features)
        lengths = tf.cast(lengths, tf.int32) // self.subsampling
        for lstm, norm, dropout in self._stack():
            y = lstm(x, lengths=lengths, training=training)
            y = self._joined(y, x, norm)
            x = dropout(y, training=training)
        if self.look_ahead is not None:
            x = self.look_ahead(zero_padding(x, lengths))
        return self._logits(x), lengths

    def initial_state(self, batch_size: Tensor | int) -> State:
        """The state before the first frame of a stream, [batch, ...] each.

        Raises:
            ValueError: the model is bidirectional.
        """
        if self.bidirectional:
            raise ValueError("a bidirectional model cannot read a stream")
        state = {"frames": self.subsample.initial_state(batch_size, self.features)}
        for n, lstm in enumerate(self.lstms):
            state[f"h_{n}"], state[f"c_{n}"] = lstm.initial_state(batch_size)
        if self.look_ahead is not None:
            state["ahead"] = self.look_ahead.initial_state(batch_size, self.units)
        return {name: x for name, x in state.items() if x is not None}

    def step(
        self, frames: Tensor, state: State, lengths: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Reads the next frames of a stream.

        Args:
            frames: [batch, k * subsampling, features].
            state: `initial_state`, or what the last call returned.
            lengths: real frames of each row, [batch]; all if None. After the end of a
                stream, `steps_ahead` more steps without real frames give the rest.

        Returns:
            Logits [batch, k, labels] and the state. They are those of the k steps that
            lie `steps_ahead` before the frames, so that the first `steps_ahead` of a
            stream mean nothing.
        """
        new: State = {}
        x, frames_state = self.subsample.step(frames, state.get("frames"))
        if frames_state is not None:
            new["frames"] = frames_state
        for n, (lstm, norm, _) in enumerate(self._stack()):
            before = (state[f"h_{n}"], state[f"c_{n}"])
            y, (new[f"h_{n}"], new[f"c_{n}"]) = lstm.steps(x, before)
            x = self._joined(y, x, norm)
        if self.look_ahead is not None:
            if lengths is not None:
                x = zero_padding(x, tf.cast(lengths, tf.int32) // self.subsampling)
            x, new["ahead"] = self.look_ahead.step(x, state["ahead"])
        return self._logits(x), new

    def _stack(self) -> Any:
        return zip(self.lstms, self.norms, self.dropouts, strict=True)

    def _joined(self, y: Tensor, x: Tensor, norm: Any) -> Tensor:
        if self.residual and y.shape[-1] == x.shape[-1]:
            y = y + x
        return y if norm is None else norm(y)

    def _logits(self, x: Tensor) -> Tensor:
        flat = tf.matmul(tf.reshape(x, [-1, x.shape[-1]]), self.kernel.value)
        logits = tf.nn.bias_add(flat, self.bias.value)
        return tf.reshape(logits, [*dimensions(x)[:-1], self.labels])


@keras.saving.register_keras_serializable(package="nlp_speech")
class LookAhead(keras.layers.Layer):
    """Mixes each unit with its own next values (row convolution, Wang et al. 2016).

    Args:
        steps: how many next values.
    """

    def __init__(self, steps: int, **options: Any) -> None:
        super().__init__(**options)
        self.steps = steps

    def build(self, shape: Any) -> None:
        """Creates the weights for [batch, time, units]: at first the step itself."""

        def identity(size: Any, dtype: Any = None) -> Tensor:
            later: Any = keras.random.normal([self.steps, size[1]], 0, 0.1, dtype)
            return tf.concat([tf.ones([1, size[1]], dtype), later], axis=0)

        self.kernel = self.add_weight(
            shape=(self.steps + 1, shape[-1]), initializer=identity, name="kernel"
        )
        self.built = True

    def call(self, x: Tensor) -> Tensor:
        """Mixes the steps of [batch, time, units], which are 0 after each row's end."""
        return self._mix(tf.pad(x, [[0, 0], [0, self.steps], [0, 0]]))

    def initial_state(self, batch_size: Tensor | int, units: int) -> Tensor:
        """The steps before the first one: zeros, [batch, steps, units]."""
        return tf.zeros([batch_size, self.steps, units], self.compute_dtype)

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Mixes the steps that lie `steps` before the next ones."""
        joined = tf.concat([state, x], axis=1)
        kept = joined[:, -self.steps :]
        kept = tf.ensure_shape(kept, state.shape)
        return self._mix(joined), kept

    def _mix(self, x: Tensor) -> Tensor:
        time = dimensions(x)[1] - self.steps
        kernel = tf.cast(self.kernel.value, x.dtype)
        return tf.add_n([x[:, n : n + time] * kernel[n] for n in range(self.steps + 1)])

    def get_config(self) -> dict[str, Any]:
        """What is needed to make the layer again."""
        return {**super().get_config(), "steps": self.steps}


def _lstm(units: int, bidirectional: bool, number: int) -> Any:
    name = f"layer_{number}"
    if bidirectional:
        return Bidirectional(units, name=name)
    return LSTM(units, return_sequences=True, name=name)
