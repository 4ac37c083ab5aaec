"""A loop over time whose weight gradients are single products.

For steps that need their own output, such as a decoder with input feeding. When
TensorFlow differentiates a loop, every step adds to a gradient as large as the weights.
Here a step gets its products (``u @ W``) from its caller. Forwards their results are
kept. Backwards each step is run again with these results in place of the products, so
that only what lies between is computed twice and differentiated; the gradients of all
results of a product are kept, and one product over all steps then gives the gradient of
W, as in `nlp_speech.layers.scan`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

Tensor = Any
Tensors = tuple[Tensor, ...]
Weights = dict[str, Tensor]
# Product: (name of the weight, [rows, n]) -> [rows, m]
Product = Callable[[str, Tensor], Tensor]
# Step: (product, inputs, state, constants) -> (outputs, state)
Step = Callable[[Product, Tensors, Tensors, Weights], tuple[Tensors, Tensors]]


def plain_product(weights: Weights) -> Product:
    """Multiplies with named weights.

    Args:
        weights: each either [n, m], for all rows, or [groups, n, m], where the rows are
            in as many groups of equal size, one after the other.

    Returns:
        A function of a name and [rows, n] that returns [rows, m].
    """
    return lambda name, u: _multiply(u, weights[name])


def unroll(
    step: Step, inputs: Tensors, state: Tensors, constants: Weights, weights: Weights
) -> Tensors:
    """Runs a step over time, differentiably by all four tensor arguments.

    Args:
        step: calls its product once for each weight, and depends on no variable;
            tensors that need no gradient may be bound to it.
        inputs: time first, [time, batch, ...] each.
        state: before the first step, [batch, ...] each.
        constants: small tensors that a step reads (biases, gains); their gradients are
            summed step by step.
        weights: as in `plain_product`, with groups of one row.

    Returns:
        The outputs of all steps, time first.
    """
    structure = (inputs, state, constants, weights)

    @tf.custom_gradient
    def run(*flat: Tensor) -> Any:
        inputs, state, constants, weights = tf.nest.pack_sequence_as(structure, flat)
        outputs, states, results = _forward(step, inputs, state, constants, weights)

        def gradient(*d_outputs: Tensor) -> Tensors:
            backward = _Backward(step, inputs, constants, weights)
            found = backward.run(states, results, d_outputs)
            return tuple(tf.nest.flatten(found))

        return outputs, gradient

    return run(*tf.nest.flatten(structure))


def _forward(
    step: Step, inputs: Tensors, state: Tensors, constants: Weights, weights: Weights
) -> tuple[Tensors, Any, Any]:
    """All outputs; arrays of the states before each step and of the products' results.

    The arrays are kept as they are: stacked, everything would be copied twice.
    """
    steps = tf.shape(inputs[0])[0]
    readers = _unstack(inputs)
    product = _Recorder(weights)
    # One step outside of the loop, never computed, tells what a step returns.
    first = tuple(x[0] for x in inputs)
    outputs, _ = step(product, first, state, constants)
    examples = (outputs, state, product.results)
    arrays = tf.nest.map_structure(lambda x: _array(steps, x), examples)

    def body(t: Tensor, state: Tensors, arrays: Any) -> tuple:
        product = _Recorder(weights)
        outputs, new = step(product, _read(readers, t), state, constants)
        kept = (outputs, state, product.results)
        return t + 1, new, _write(arrays, t, kept)

    _, _, arrays = tf.while_loop(
        lambda t, *_: t < steps,
        body,
        (tf.constant(0), state, arrays),
        maximum_iterations=steps,
    )
    outputs, states, results = arrays
    return tuple(array.stack() for array in outputs), states, results


class _Backward:
    """The backward loop of an unrolled step."""

    def __init__(
        self, step: Step, inputs: Tensors, constants: Weights, weights: Weights
    ) -> None:
        self.step = step
        self.inputs = inputs
        self.constants = constants
        self.weights = weights
        # A product with a transposed copy is faster than one that transposes.
        self.turned = {k: tf.linalg.matrix_transpose(w) for k, w in weights.items()}

    def run(self, states: Any, results: Any, d_outputs: Tensors) -> Any:
        """Gradients of inputs, state, constants and weights."""
        steps = tf.shape(self.inputs[0])[0]
        readers = (_unstack(self.inputs), states, results, _unstack(d_outputs))
        last = _read((states, results), steps - 1)
        arrays = (
            tuple(_array(steps, x[0]) for x in self.inputs),
            {
                name: _array(steps, z, [z.shape[0], self.weights[name].shape[-2]])
                for name, z in last[1].items()
            },
            {name: _array(steps, z) for name, z in last[1].items()},
        )
        zeros = tf.nest.map_structure(tf.zeros_like, (last[0], self.constants))

        def body(t: Tensor, d_state: Tensors, sums: Weights, arrays: Any) -> tuple:
            kept, d_state, d_constants = self._step(_read(readers, t), d_state)
            sums = {name: sums[name] + d for name, d in d_constants.items()}
            return t - 1, d_state, sums, _write(arrays, t, kept)

        _, d_state, d_constants, arrays = tf.while_loop(
            lambda t, *_: t >= 0,
            body,
            (steps - 1, *zeros, arrays),
            maximum_iterations=steps,
        )
        d_inputs, factors, d_results = tf.nest.map_structure(
            lambda array: array.stack(), arrays
        )
        d_weights = {
            name: _weight_gradient(factors[name], d_results[name], weight)
            for name, weight in self.weights.items()
        }
        return d_inputs, d_state, d_constants, d_weights

    def _step(self, given: Any, d_state: Tensors) -> tuple[Any, Tensors, Weights]:
        """What to keep of a step, and gradients of its state and of the constants."""
        inputs, state, results, d_outputs = given
        product = _Replay(self.turned, results)
        sources = (inputs, state, self.constants, product.probes)
        with tf.GradientTape() as tape:
            tape.watch(tf.nest.flatten(sources))
            targets = self.step(product, inputs, state, self.constants)
        found: Any = tape.gradient(
            targets,
            sources,
            output_gradients=tf.nest.flatten((d_outputs, d_state)),
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        d_inputs, d_state, d_constants, d_results = found
        return (d_inputs, product.factors, d_results), d_state, d_constants


class _Recorder:
    """Multiplies, and keeps the results by name."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.results: Weights = {}

    def __call__(self, name: str, u: Tensor) -> Tensor:
        self.results[name] = _multiply(u, self.weights[name])
        return self.results[name]


class _Replay:
    """Returns results of earlier; the gradients of `probes` are those of the results.

    Attributes:
        probes: stand for the results in a tape; their values mean nothing.
        factors: what the weights were multiplied with, by name.
    """

    def __init__(self, turned: Weights, results: Weights) -> None:
        self.turned = turned
        self.results = results
        self.probes = {name: tf.identity(z) for name, z in results.items()}
        self.factors: Weights = {}

    def __call__(self, name: str, u: Tensor) -> Tensor:
        result, turned = self.results[name], self.turned[name]

        @tf.custom_gradient
        def replay(u: Tensor, probe: Tensor) -> Any:
            del u, probe
            return tf.identity(result), lambda d: (_multiply(d, turned), d)

        self.factors[name] = u
        return replay(u, self.probes[name])


def _multiply(u: Tensor, weight: Tensor) -> Tensor:
    if len(weight.shape) == 2:
        return tf.matmul(u, weight)
    rows = u.shape[0] or tf.shape(u)[0]
    groups = weight.shape[0] or tf.shape(weight)[0]
    grouped = tf.reshape(u, [groups, rows // groups, u.shape[-1] or tf.shape(u)[-1]])
    result = tf.matmul(grouped, weight)
    return tf.reshape(result, [rows, weight.shape[-1] or tf.shape(weight)[-1]])


def _weight_gradient(factors: Tensor, d_results: Tensor, weight: Tensor) -> Tensor:
    """Of a product, from all steps: [time, rows, n] and [time, rows, m]."""
    if len(weight.shape) == 2:
        flat = [tf.reshape(x, [-1, x.shape[-1]]) for x in (factors, d_results)]
        return tf.matmul(flat[0], flat[1], transpose_a=True)
    return tf.matmul(
        tf.transpose(factors, [1, 2, 0]), tf.transpose(d_results, [1, 0, 2])
    )


def _array(steps: Tensor, example: Tensor, shape: Any = None) -> tf.TensorArray:
    """An array of tensors of the example's type, and of its shape if none is given."""
    shape = example.shape if shape is None else shape
    return tf.TensorArray(
        example.dtype, steps, element_shape=shape, clear_after_read=False
    )


def _unstack(tensors: Any) -> Any:
    return tf.nest.map_structure(
        lambda x: _array(tf.shape(x)[0], x[0]).unstack(x), tensors
    )


def _read(arrays: Any, t: Tensor) -> Any:
    return tf.nest.map_structure(lambda array: array.read(t), arrays)


def _write(arrays: Any, t: Tensor, values: Any) -> Any:
    return tf.nest.map_structure(lambda array, x: array.write(t, x), arrays, values)
