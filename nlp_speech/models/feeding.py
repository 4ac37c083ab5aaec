"""The decoder with input feeding as one differentiable loop over whole targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from nlp_speech.layers.scan import activate
from nlp_speech.layers.unroll import Product, Weights, unroll

if TYPE_CHECKING:
    from nlp_speech.models.decoder import Decoder, Masks, Memory, State

Tensor = Any


def feed(
    decoder: Decoder,
    embedded: Tensor,
    memory: Memory,
    state: State,
    masks: Masks,
    training: bool,
) -> tuple[Tensor, Tensor]:
    """Reads whole targets, each step with the attentional vector of the one before.

    Args:
        decoder: its step is unrolled.
        embedded: target pieces shifted by one, [batch, target time, embedding].
        memory: from `Decoder.remember`.
        state: before the first step, [batch, ...] each.
        masks: dropout factors.
        training: whether recurrent weights are dropped.

    Returns:
        Attentional vectors [batch, target time, output units] and attention weights
        [batch, target time, source time].
    """
    constants: Weights = {}
    weights: Weights = {}
    for n, (lstm, norm) in enumerate(zip(decoder.lstms, decoder.norms, strict=True)):
        kernel, recurrent, bias = lstm.cell_weights(training)
        weights |= {f"kernel_{n}": kernel, f"recurrent_{n}": recurrent}
        constants[f"bias_{n}"] = bias
        if norm is not None:
            constants |= {
                f"gain_{n}": tf.convert_to_tensor(norm.gamma),
                f"shift_{n}": tf.convert_to_tensor(norm.beta),
            }
    weights["output"], constants["output"] = (
        tf.cast(tf.convert_to_tensor(weight), embedded.dtype)
        for weight in (decoder.output_layer.kernel, decoder.output_layer.bias)
    )
    products, read = decoder.attention.parts(memory.outputs, memory.keys)

    def step(product: Product, inputs: Any, state: Any, constants: Weights) -> Any:
        parts = _Parts(decoder, memory, product, constants)
        output, attention, state = decoder.advance(inputs[0], state, parts, masks)
        return (output, attention), state

    outputs, attention = unroll(
        step,
        (tf.transpose(embedded, [1, 0, 2]),),
        state,
        constants | read,
        weights | products,
    )
    return tf.transpose(outputs, [1, 0, 2]), tf.transpose(attention, [1, 0, 2])


class _Parts:
    """The parts of a step, with products that `unroll` gives."""

    def __init__(
        self, decoder: Decoder, memory: Memory, product: Product, constants: Weights
    ) -> None:
        self.decoder = decoder
        self.memory = memory
        self.product = product
        self.constants = constants

    def cell(self, n: int, x: Tensor, state: tuple[Tensor, Tensor]) -> Any:
        z = self.product(f"kernel_{n}", x) + self.constants[f"bias_{n}"]
        h, c = activate(z + self.product(f"recurrent_{n}", state[0]), state[1])
        return h, (h, c)

    def attend(self, query: Tensor, given: Tensor | None) -> tuple[Tensor, Tensor]:
        return self.decoder.attention.read(
            query, self.memory.lengths, self.product, self.constants, given
        )

    def normalize(self, n: int, y: Tensor) -> Tensor:
        norm = self.decoder.norms[n]
        if norm is None:
            return y
        gain, shift = self.constants[f"gain_{n}"], self.constants[f"shift_{n}"]
        normal: Any = keras.ops.layer_normalization(y, gain, shift, -1, norm.epsilon)
        return tf.cast(normal, y.dtype)

    def output(self, x: Tensor) -> Tensor:
        return tf.tanh(self.product("output", x) + self.constants["output"])
