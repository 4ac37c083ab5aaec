"""An LSTM layer that is Keras's to its users and takes explicit lengths."""

from __future__ import annotations

import warnings
from typing import Any

import keras
import tensorflow as tf

from nlp_speech.layers import choice, cudnn, masks
from nlp_speech.layers import scan as recurrence

Tensor = Any

_UNROLLED = 16  # steps of a stream's chunk that are unrolled at most


@keras.saving.register_keras_serializable(package="nlp_speech")
class LSTM(keras.layers.LSTM):
    """`keras.layers.LSTM` with explicit lengths, fast on a CPU, and cuDNN on a GPU.

    Arguments and weights are those of `keras.layers.LSTM`; weights can be exchanged in
    both directions. Whatever the fast recurrence cannot do (other activations, dropout
    inside the cell, `unroll`, `stateful`) is left to Keras. A mask instead of lengths
    is as fast on a CPU, and never runs in cuDNN. On a GPU a layer warns of both once.

    Args:
        units: size of the output and of the cell state.
        recurrent_weight_dropout: share of the recurrent weights that are 0 in
            training, the same for all steps and rows of a call (DropConnect, Merity et
            al. 2018). Unlike `recurrent_dropout` it costs no speed.
        jit_compile: whether XLA compiles the recurrence in training: 1.5 times as fast
            for many short steps, but a second or more for each new shape. It is never
            decided by the shapes at hand, for a resumed training must compute as the
            first one did. A step that is compiled as a whole needs no such layers, and
            cuDNN does not either.
        options: all others of `keras.layers.LSTM`.
    """

    def __init__(
        self,
        units: int,
        *arguments: Any,
        recurrent_weight_dropout: float = 0.0,
        jit_compile: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(units, *arguments, **options)
        if not 0 <= recurrent_weight_dropout < 1:
            raise ValueError("recurrent_weight_dropout must be at least 0 and below 1")
        self.recurrent_weight_dropout = recurrent_weight_dropout
        self.jit_compile = jit_compile
        self._warned = False
        if recurrent_weight_dropout:
            self.weight_seed = keras.random.SeedGenerator(name="weight_seed")
            if not self._is_standard():
                raise ValueError(
                    "recurrent_weight_dropout needs the standard activations, and no "
                    "dropout inside the cell, unroll or stateful"
                )

    def call(
        self,
        sequences: Tensor,
        initial_state: Any = None,
        mask: Tensor | None = None,
        training: bool = False,
        lengths: Tensor | None = None,
    ) -> Any:
        """Runs the layer over time.

        Args:
            sequences: [batch, time, features]; padding must be finite.
            initial_state: ``h`` and ``c``, [batch, units] each; zeros if None.
            mask: as in Keras, [batch, time] of booleans, False at steps anywhere that
                change nothing; not together with `lengths`.
            training: whether dropout is on, and gradients are wanted.
            lengths: the number of real steps of each row, [batch], 0 to time; all
                steps are real if None.

        Returns:
            As `keras.layers.LSTM`: the outputs [batch, time, units] or the last one
            [batch, units], then ``h`` and ``c`` if `return_state`. With `lengths`,
            outputs after the end of a row are 0, and the last output and the states are
            those of its last real step; a row of length 0 keeps its initial state.
        """
        if mask is not None and lengths is not None:
            raise ValueError("give an LSTM either a mask or lengths")
        if not self._is_standard():
            return self._call_keras(sequences, initial_state, mask, training, lengths)
        x = tf.cast(tf.convert_to_tensor(sequences), self.compute_dtype)
        if mask is not None:
            return self._call_masked(x, initial_state, mask, training)
        if self.go_backwards:
            x = reverse(x, lengths)
        outputs, *states = self._recur(x, initial_state, lengths, training)
        if lengths is not None:
            outputs = zero_padding(outputs, lengths)
        first = outputs if self.return_sequences else states[0]
        return (first, *states) if self.return_state else first

    def step(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple]:
        """One time step with the layer's own weights.

        Args:
            x: [batch, features].
            state: ``h`` and ``c``, [batch, units] each.

        Returns:
            The output [batch, units] and the state after the step.

        Raises:
            ValueError: the layer has other activations than the standard ones.
        """
        kernel, recurrent_kernel, bias = self._step_weights()
        x, h, c = (tf.cast(each, self.compute_dtype) for each in (x, *state))
        h, c = recurrence.cell(tf.matmul(x, kernel) + bias, h, c, recurrent_kernel)
        return h, (h, c)

    def steps(
        self, x: Tensor, state: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """The next steps of a stream, unrolled where their number is known.

        A loop costs a device more than the steps of a short chunk themselves.

        Args:
            x: [batch, time, features].
            state: ``h`` and ``c``, [batch, units] each.

        Returns:
            The outputs [batch, time, units] and the state after the last step.

        Raises:
            ValueError: the layer has other activations than the standard ones.
        """
        weights = self._step_weights()
        x, h, c = (tf.cast(each, self.compute_dtype) for each in (x, *state))
        if not x.shape[1] or x.shape[1] > _UNROLLED:
            x = tf.transpose(x, [1, 0, 2])
            outputs, cells = recurrence.infer(x, h, c, *weights)
            outputs = tf.transpose(outputs, [1, 0, 2])
            cells = tf.transpose(cells, [1, 0, 2])
            return outputs, (last_step(outputs, h, None), last_step(cells, c, None))
        kernel, recurrent_kernel, bias = weights
        flat = tf.reshape(x, [-1, x.shape[2]])
        shape = [x.shape[0] or tf.shape(x)[0], x.shape[1], 4 * self.units]
        projected = tf.reshape(tf.matmul(flat, kernel) + bias, shape)
        outputs = []
        for now in range(x.shape[1]):
            h, c = recurrence.cell(projected[:, now], h, c, recurrent_kernel)
            outputs.append(h)
        return tf.stack(outputs, axis=1), (h, c)

    def initial_state(self, batch_size: Tensor | int) -> tuple[Tensor, Tensor]:
        """The state before the first step: zeros, [batch, units] each."""
        zeros = tf.zeros([batch_size, self.units], self.compute_dtype)
        return zeros, zeros

    def cell_weights(self, training: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """Kernel, recurrent kernel and bias as the cell is to use them.

        Args:
            training: whether recurrent weights are dropped; each call drops others.

        Returns:
            [features, 4 * units], [units, 4 * units] and [4 * units], gates in Keras's
            order; a layer without bias gives zeros.
        """
        bias = self.cell.bias if self.use_bias else tf.zeros([4 * self.units])
        weights = (self.cell.kernel, self.cell.recurrent_kernel, bias)
        kernel, recurrent, bias = (
            tf.cast(tf.convert_to_tensor(w), self.compute_dtype) for w in weights
        )
        if training and self.recurrent_weight_dropout:
            recurrent = keras.random.dropout(
                recurrent, self.recurrent_weight_dropout, seed=self.weight_seed
            )
        return kernel, recurrent, bias

    def inner_loop(
        self, sequences: Tensor, initial_state: Any, mask: Any, training: bool = False
    ) -> Any:
        """Keras's own loop; with a mask never its cuDNN, which stops at blank rows."""
        kind: Any = keras.layers.LSTM if mask is None else keras.layers.RNN
        return kind.inner_loop(self, sequences, initial_state, mask, training)

    def get_config(self) -> dict[str, Any]:
        """What is needed to make the layer again."""
        return {
            **super().get_config(),
            "use_cudnn": self.use_cudnn,
            "recurrent_weight_dropout": self.recurrent_weight_dropout,
            "jit_compile": self.jit_compile,
        }

    def _recur(
        self,
        x: Tensor,
        initial_state: Any,
        lengths: Tensor | None,
        training: bool,
        cudnn_allowed: bool = True,
    ) -> tuple[Tensor, ...]:
        """Outputs [batch, time, units], and the last states that anybody asks for."""
        weights = self.cell_weights(training)
        inputs = (x, *self._start(x, initial_state), *weights)
        if lengths is not None:
            inputs = (*inputs, tf.cast(lengths, tf.int32))

        def on_cpu(*inputs: Tensor) -> tuple[Tensor, ...]:
            return self._scan(*inputs, training=training)

        def on_gpu(*inputs: Tensor) -> tuple[Tensor, ...]:
            return cudnn.run(*inputs)[: self._wanted()]

        if self.use_cudnn is False or not cudnn_allowed:
            return on_cpu(*inputs)
        return choice.run(on_cpu, on_gpu, inputs)

    def _scan(
        self,
        x: Tensor,
        h: Tensor,
        c: Tensor,
        kernel: Tensor,
        recurrent_kernel: Tensor,
        bias: Tensor,
        lengths: Tensor | None = None,
        *,
        training: bool,
    ) -> tuple[Tensor, ...]:
        inputs = (tf.transpose(x, [1, 0, 2]), h, c, kernel, recurrent_kernel, bias)
        cells = None
        if not training:
            outputs, cells = recurrence.infer(*inputs, keep_cells=self.return_state)
        elif self.return_state:
            outputs, cells = recurrence.scan(*inputs, jit_compile=self.jit_compile)
        else:
            outputs = recurrence.scan_outputs(*inputs, jit_compile=self.jit_compile)
        outputs = tf.transpose(outputs, [1, 0, 2])
        outputs = tf.ensure_shape(outputs, [x.shape[0], x.shape[1], self.units])
        results = [outputs]
        if self._wanted() > 1:
            results.append(last_step(outputs, h, lengths))
        if cells is not None:
            results.append(last_step(tf.transpose(cells, [1, 0, 2]), c, lengths))
        return tuple(results)

    def _start(self, x: Tensor, initial_state: Any) -> tuple[Tensor, Tensor]:
        if initial_state is None:
            return self.initial_state(x.shape[0] or tf.shape(x)[0])
        h, c = initial_state
        return tf.cast(h, self.compute_dtype), tf.cast(c, self.compute_dtype)

    def _wanted(self) -> int:
        """How many of outputs, last output and last cell state anybody asks for."""
        if self.return_state:
            return 3
        return 1 if self.return_sequences else 2

    def _is_standard(self) -> bool:
        return (
            self._has_gates()
            and not self.dropout
            and not self.recurrent_dropout
            and not self.unroll
            and not self.stateful
        )

    def _step_weights(self) -> tuple[Tensor, Tensor, Tensor]:
        if not self._has_gates():
            raise ValueError("single steps need the standard activations")
        return self.cell_weights()

    def _has_gates(self) -> bool:
        """Whether its gates are those of Hochreiter and Schmidhuber."""
        return (
            self.activation is keras.activations.tanh
            and self.recurrent_activation is keras.activations.sigmoid
        )

    def _call_masked(
        self, x: Tensor, initial_state: Any, mask: Any, training: bool
    ) -> Any:
        """What Keras gives for a mask: masked steps change no state."""
        self._warn_of_no_cudnn()
        real = masks.as_booleans(mask)
        if self.go_backwards:
            x, real = tf.reverse(x, [1]), tf.reverse(real, [1])
        lengths = masks.count(real)
        outputs, *states = self._recur(
            masks.pack(x, real), initial_state, lengths, training, cudnn_allowed=False
        )
        repeat = not self.zero_output_for_mask
        if self.return_sequences:
            first = masks.spread(outputs, real, repeat)
        else:  # 0 before the first real step, whatever the state is
            shown = lengths > 0 if repeat else real[:, -1]
            first = tf.where(shown[:, None], states[0], 0)
        return (first, *states) if self.return_state else first

    def _warn_of_no_cudnn(self) -> None:
        if self._warned or not choice.on_gpu():
            return
        self._warned = True
        warnings.warn(
            f"{self.name}: a mask, other activations than the standard ones, recurrent "
            "dropout or unroll keep an LSTM from cuDNN; it is slow on this GPU",
            stacklevel=2,
        )

    def _call_keras(
        self,
        sequences: Tensor,
        initial_state: Any,
        mask: Tensor | None,
        training: bool,
        lengths: Tensor | None,
    ) -> Any:
        masked = mask is not None or lengths is not None
        if masked or self.unroll or self.recurrent_dropout or not self._has_gates():
            self._warn_of_no_cudnn()
        if lengths is None:
            return super().call(sequences, initial_state, mask, training)
        if self.go_backwards:
            raise ValueError(
                "go_backwards with lengths needs the standard activations and no "
                "dropout inside the cell"
            )
        mask = tf.sequence_mask(lengths, tf.shape(sequences)[1])
        results: Any = super().call(sequences, initial_state, mask, training)
        if not self.return_sequences:
            return self._last_or_initial(results, initial_state, lengths)
        if not self.return_state:
            return zero_padding(results, lengths)
        return (zero_padding(results[0], lengths), *results[1:])

    def _last_or_initial(
        self, results: Any, initial_state: Any, lengths: Tensor
    ) -> Any:
        """Keras's results; rows of length 0 get their state, where Keras gives 0."""
        if initial_state is None:
            return results
        first, *states = results if self.return_state else (results,)
        h = tf.cast(initial_state[0], first.dtype)
        first = tf.where(tf.convert_to_tensor(lengths)[:, None] > 0, first, h)
        return (first, *states) if self.return_state else first


def reverse(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Turns each row of [batch, time, features] around; padding stays at its end."""
    if lengths is None:
        return tf.reverse(x, [1])
    return tf.reverse_sequence(x, tf.cast(lengths, tf.int32), seq_axis=1, batch_axis=0)


def zero_padding(x: Tensor, lengths: Tensor) -> Tensor:
    """Sets [batch, time, features] to 0 after the end of each row."""
    mask = tf.sequence_mask(lengths, tf.shape(x)[1], dtype=x.dtype)
    return x * mask[:, :, None]


def last_step(x: Tensor, before: Tensor, lengths: Tensor | None) -> Tensor:
    """The last real step of [batch, time, units], or `before` where there is none."""
    if lengths is None:
        return tf.concat([before[:, None], x], axis=1)[:, -1]
    index = tf.cast(lengths, tf.int32)
    return tf.gather(tf.concat([before[:, None], x], axis=1), index, batch_dims=1)
