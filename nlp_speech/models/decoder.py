"""An LSTM decoder that asks an attention after its first layer."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, Protocol

import keras
import tensorflow as tf

from nlp_speech.layers import LSTM, Attention, TimeDropout
from nlp_speech.models.feeding import feed

Tensor = Any
State = tuple[Tensor, ...]


class Memory(NamedTuple):
    """What the decoder reads of a batch of encoded sources.

    Attributes:
        outputs: [batch, source time, features].
        keys: the attention's part of the score, [batch, source time, size].
        lengths: real steps of each source, [batch].
    """

    outputs: Tensor
    keys: Tensor
    lengths: Tensor


class Masks(NamedTuple):
    """Dropout factors of a batch, the same at every step: [batch, 1, size] each."""

    layers: tuple[Tensor, ...]
    output: Tensor


class Parts(Protocol):
    """What a step is made of: the decoder's layers, or the same as an unrolled loop."""

    def cell(self, n: int, x: Tensor, state: tuple[Tensor, Tensor]) -> Any:
        """Layer n: its output and its new state."""
        ...

    def attend(self, query: Tensor, given: Tensor | None) -> tuple[Tensor, Tensor]:
        """Context and attention weights, [rows, ...] each."""
        ...

    def normalize(self, n: int, y: Tensor) -> Tensor:
        """The norm of layer n, if it has one."""
        ...

    def output(self, x: Tensor) -> Tensor:
        """The attentional vector."""
        ...


class Decoder(keras.layers.Layer):
    """LSTM layers over target pieces, the first of which asks the attention.

    The context goes into the layers above the first (as in the conditional recurrent
    unit of Nematus, Sennrich et al. 2017) and into the output, so that without input
    feeding a whole target is read at once. With input feeding (Luong et al. 2015) the
    attentional vector is also a part of the first layer's next input.

    Args:
        units: LSTM units.
        layers: LSTM layers.
        output_units: size of the attentional vector, the embedding's.
        attention: the score, ``"luong"`` or ``"bahdanau"``.
        attention_units: size of the additive score's hidden layer.
        input_feeding: whether the attentional vector is fed to the next step.
        dropout: rate between layers.
        output_dropout: rate before the softmax.
        layer_norm: whether the first layer's output and the attentional vector are
            normalized.
        residual: whether a layer's input is added to its output where sizes agree.
        coverage: whether the attention depends on what it was given before.
    """

    def __init__(
        self,
        units: int,
        layers: int,
        output_units: int,
        attention: Literal["luong", "bahdanau"],
        attention_units: int,
        input_feeding: bool,
        dropout: float,
        output_dropout: float,
        layer_norm: bool,
        residual: bool,
        coverage: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.units = units
        self.output_units = output_units
        self.input_feeding = input_feeding
        self.residual = residual
        self.coverage = coverage
        self.lstms = [
            LSTM(units, return_sequences=True, name=f"layer_{n}") for n in range(layers)
        ]
        self.attention = Attention(
            attention, attention_units, coverage, name="attention"
        )
        self.norms = [
            keras.layers.LayerNormalization(name=f"norm_{n}") if layer_norm else None
            for n in range(layers)
        ]
        self.start = keras.layers.Dense(2 * units * layers, name="start")
        self.output_layer = keras.layers.Dense(
            output_units, activation="tanh", name="output"
        )
        self.dropouts = [
            TimeDropout(dropout, name=f"dropout_{n}") for n in range(layers)
        ]
        self.output_dropout = TimeDropout(output_dropout, name="output_dropout")

    def build(self, embedded_shape: Any, memory_shape: Any) -> None:
        """Creates the weights for [..., embedding] and [..., memory]."""
        embedding, memory = embedded_shape[-1], memory_shape[-1]
        fed = self.output_units if self.input_feeding else 0
        size = embedding + fed
        for lstm, norm in zip(self.lstms, self.norms, strict=True):
            lstm.build((None, None, size))
            if norm is not None:
                norm.build((None, None, self.units))
            size = self.units + memory
        self.attention.build((None, None, self.units), (None, None, memory))
        self.start.build((None, memory))
        self.output_layer.build((None, None, self.units + memory + embedding))
        self.built = True

    def remember(self, outputs: Tensor, lengths: Tensor) -> Memory:
        """Prepares encoder outputs [batch, source time, features] for the attention."""
        return Memory(outputs, self.attention.keys(outputs), lengths)

    def initial_state(self, memory: Memory) -> State:
        """The state before the first step, made from the mean of the memory.

        Returns:
            ``h`` and ``c`` of each layer, [batch, units] each; then, with input
            feeding, an attentional vector of zeros, [batch, output units]; then, with
            coverage, the attention given so far, [batch, source time].
        """
        mask = tf.sequence_mask(
            memory.lengths, tf.shape(memory.outputs)[1], dtype=memory.outputs.dtype
        )
        count = tf.maximum(tf.reduce_sum(mask, axis=1, keepdims=True), 1)
        mean = tf.reduce_sum(memory.outputs * mask[:, :, None], axis=1) / count
        parts = tf.split(self.start(mean), 2 * len(self.lstms), axis=-1)
        state = [tf.tanh(p) if n % 2 == 0 else p for n, p in enumerate(parts)]
        if self.input_feeding:
            row = tf.ones([1, self.output_units], mean.dtype)
            state.append(tf.zeros_like(mean[:, :1]) * row)
        if self.coverage:
            state.append(tf.zeros_like(mask))
        return tuple(state)

    def call(
        self, embedded: Tensor, memory: Memory, training: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Reads whole targets (teacher forcing).

        Args:
            embedded: target pieces shifted by one, [batch, target time, embedding].
            memory: from `remember`.
            training: whether dropout is on.

        Returns:
            Attentional vectors [batch, target time, output units] and attention weights
            [batch, target time, source time].
        """
        state = self.initial_state(memory)
        masks = self._masks(tf.shape(embedded)[0], training)
        if self.input_feeding:
            return feed(self, embedded, memory, state, masks, training)
        first = self.lstms[0](embedded, initial_state=state[:2], training=training)
        below = self._normalize(0, first) * masks.layers[0]
        read = self.attention.successive if self.coverage else self.attention
        context, weights = read(below, memory.outputs, memory.keys, memory.lengths)
        for n in range(1, len(self.lstms)):
            y = self.lstms[n](
                tf.concat([below, context], axis=-1),
                initial_state=state[2 * n : 2 * n + 2],
                training=training,
            )
            below = self._above(n, below, y) * masks.layers[n]
        return self._output(below, context, embedded) * masks.output, weights

    def step(
        self, embedded: Tensor, state: State, memory: Memory
    ) -> tuple[Tensor, Tensor, State]:
        """One step of a beam (or of one target a source) with the same layers.

        Args:
            embedded: the last piece of each hypothesis, [rows, embedding], where rows
                is the batch times the hypotheses of each source, source by source.
            state: from `initial_state` or the step before, [rows, ...] each.
            memory: of the batch, once for each source.

        Returns:
            Attentional vectors [rows, output units], attention weights [rows, source
            time] and the new state.
        """
        return self.advance(embedded, state, _Layers(self, memory), None)

    def advance(
        self, embedded: Tensor, state: State, parts: Parts, masks: Masks | None
    ) -> tuple[Tensor, Tensor, State]:
        """One step made of given parts; arguments and results otherwise as `step`."""
        cells, rest = state[: 2 * len(self.lstms)], state[2 * len(self.lstms) :]
        x = tf.concat([embedded, rest[0]], -1) if self.input_feeding else embedded
        given = rest[-1] if self.coverage else None
        y, cell_state = parts.cell(0, x, cells[:2])
        new_state = list(cell_state)
        below = _times(parts.normalize(0, y), masks and masks.layers[0][:, 0])
        context, weights = parts.attend(below, given)
        for n in range(1, len(self.lstms)):
            y, cell_state = parts.cell(
                n, tf.concat([below, context], axis=-1), cells[2 * n : 2 * n + 2]
            )
            new_state.extend(cell_state)
            y = parts.normalize(n, below + y if self.residual else y)
            below = _times(y, masks and masks.layers[n][:, 0])
        output = parts.output(tf.concat([below, context, embedded], axis=-1))
        output = _times(output, masks and masks.output[:, 0])
        if self.input_feeding:
            new_state.append(output)
        if given is not None:
            new_state.append(given + weights)
        return output, weights, tuple(new_state)

    def _normalize(self, n: int, y: Tensor) -> Tensor:
        norm = self.norms[n]
        return y if norm is None else norm(y)

    def _above(self, n: int, below: Tensor, y: Tensor) -> Tensor:
        return self._normalize(n, below + y if self.residual else y)

    def _output(self, top: Tensor, context: Tensor, embedded: Tensor) -> Tensor:
        return self.output_layer(tf.concat([top, context, embedded], axis=-1))

    def _masks(self, batch_size: Tensor, training: bool) -> Masks:
        layers = tuple(d.mask(batch_size, self.units, training) for d in self.dropouts)
        output = self.output_dropout.mask(batch_size, self.output_units, training)
        return Masks(layers, output)


class _Layers:
    """The layers themselves, for the hypotheses of a beam: what is exported."""

    def __init__(self, decoder: Decoder, memory: Memory) -> None:
        self.decoder = decoder
        self.memory = memory

    def cell(self, n: int, x: Tensor, state: tuple[Tensor, Tensor]) -> Any:
        return self.decoder.lstms[n].step(x, state)

    def attend(self, query: Tensor, given: Tensor | None) -> tuple[Tensor, Tensor]:
        """Lets the hypotheses of each source read it, without repeating the memory."""
        outputs, keys, lengths = self.memory
        batch = outputs.shape[0] or tf.shape(outputs)[0]
        rows = query.shape[0] or tf.shape(query)[0]
        grouped = tf.reshape(query, [batch, rows // batch, query.shape[-1]])
        if given is not None:
            given = tf.reshape(given, [batch, rows // batch, tf.shape(given)[-1]])
        context, weights = self.decoder.attention(
            grouped, outputs, keys, lengths, given
        )
        context = tf.reshape(context, [rows, outputs.shape[-1]])
        return context, tf.reshape(weights, [rows, tf.shape(weights)[-1]])

    def normalize(self, n: int, y: Tensor) -> Tensor:
        norm = self.decoder.norms[n]
        return y if norm is None else norm(y)

    def output(self, x: Tensor) -> Tensor:
        return self.decoder.output_layer(x)


def _times(x: Tensor, factor: Tensor | None) -> Tensor:
    return x if factor is None else x * factor
