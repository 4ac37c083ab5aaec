"""The loss of connectionist temporal classification (Graves et al. 2006).

`tf.nn.ctc_loss` has one kernel for a CPU that refuses rows without labels and does not
compile with XLA, and one in plain operations whose work grows with the square of the
number of labels. Here it grows with their number, and both directions of the recursion
are one loop.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

Tensor = Any

BLANK = 0
_NEVER = -1e9  # a log-probability that is as good as minus infinity, and finite
_POSSIBLE = _NEVER / 2


def ctc_loss(
    logits: Tensor, lengths: Tensor, labels: Tensor, label_lengths: Tensor
) -> Tensor:
    """The negative log-probability of each row's labels, summed over alignments.

    Args:
        logits: [rows, steps, vocabulary]; label 0 is the blank; padding is finite.
        lengths: real steps of each row, [rows] int32; 0 is legal.
        labels: [rows, most labels] int32, padded with 0.
        label_lengths: real labels of each row, [rows] int32; 0 is legal.

    Returns:
        [rows] float32 in nats. A row whose labels do not fit into its steps (fewer
        steps than labels and repetitions) has a loss of 0 and no gradient, as has one
        without steps: such rows are found before training, not here.
    """
    return _loss(
        tf.cast(logits, tf.float32),
        tf.cast(lengths, tf.int32),
        tf.cast(labels, tf.int32),
        tf.cast(label_lengths, tf.int32),
    )


@tf.custom_gradient
def _loss(logits: Tensor, lengths: Tensor, labels: Tensor, counts: Tensor) -> Any:
    log_probs = tf.nn.log_softmax(logits)
    states = _states(labels)
    emitted = tf.gather(log_probs, states, axis=2, batch_dims=1)
    forward, backward = _both_ways(emitted, states, lengths, counts)
    through = forward + backward - emitted
    # Every alignment passes through some state at the first step.
    total = tf.reduce_logsumexp(through[:, :1], axis=2)
    possible = (total > _POSSIBLE) & (lengths > 0)[:, None]
    loss = tf.where(possible, -total, 0.0)[:, 0]

    def gradient(d_loss: Tensor) -> tuple[Tensor, None, None, None]:
        # The posterior of each label at each step, Graves et al. 2006, equation 15.
        steps = tf.sequence_mask(lengths, tf.shape(logits)[1]) & possible
        real = steps[:, :, None]
        posterior = tf.where(real, tf.exp(through - total[:, :, None]), 0.0)
        which = tf.one_hot(states, logits.shape[2], dtype=tf.float32)
        expected = tf.matmul(posterior, which)
        d_logits = tf.where(real, tf.exp(log_probs) - expected, 0.0)
        return d_logits * d_loss[:, None, None], None, None, None

    return loss, gradient


def _states(labels: Tensor) -> Tensor:
    """A blank, a label, a blank, ..., a blank: [rows, 2 * labels + 1]."""
    rows, most = tf.shape(labels)[0], tf.shape(labels)[1]
    pairs = tf.stack([tf.fill([rows, most], BLANK), labels], axis=2)
    pairs = tf.reshape(pairs, [rows, 2 * most])
    return tf.concat([pairs, tf.fill([rows, 1], BLANK)], axis=1)


def _both_ways(
    emitted: Tensor, states: Tensor, lengths: Tensor, counts: Tensor
) -> tuple[Tensor, Tensor]:
    """The recursion from the front, and from the end, [rows, steps, states] each."""
    sizes = 2 * counts + 1

    def turned(x: Tensor) -> Tensor:
        x = tf.reverse_sequence(x, lengths, seq_axis=1, batch_axis=0)
        return tf.reverse_sequence(x, sizes, seq_axis=2, batch_axis=0)

    states_back = tf.reverse_sequence(states, sizes, seq_axis=1, batch_axis=0)
    inside = tf.sequence_mask(sizes, tf.shape(states)[1])
    both = _recursion(
        tf.concat([emitted, turned(emitted)], axis=0),
        tf.concat([_may_skip(states), _may_skip(states_back)], axis=0),
        tf.concat([inside, inside], axis=0),
    )
    forward, backward = tf.split(both, 2, axis=0)
    return forward, turned(backward)


def _may_skip(states: Tensor) -> Tensor:
    """Whether a state may follow the one before the last: another label does."""
    before = tf.pad(states, [[0, 0], [2, 0]])[:, : tf.shape(states)[1]]
    return (states != BLANK) & (states != before)


def _recursion(emitted: Tensor, may_skip: Tensor, inside: Tensor) -> Tensor:
    """Log-probabilities of being in each state after each step."""
    number = tf.range(tf.shape(emitted)[2])[None]
    start = tf.where((number < 2) & inside, 0.0, _NEVER)
    skip = tf.where(may_skip, 0.0, _NEVER)
    outside = tf.where(inside, 0.0, _NEVER)
    steps = tf.shape(emitted)[1]
    emitted = tf.transpose(emitted + outside[:, None], [1, 0, 2])
    array = tf.TensorArray(tf.float32, size=steps, element_shape=emitted.shape[1:])

    def body(step: Tensor, last: Tensor, array: Any) -> tuple:
        moved = tf.pad(last, [[0, 0], [2, 0]], constant_values=_NEVER)
        one, two = moved[:, 1:-1], moved[:, :-2] + skip
        most = tf.maximum(tf.maximum(last, one), two)
        terms = tf.exp(last - most) + tf.exp(one - most) + tf.exp(two - most)
        reached = tf.where(step > 0, most + tf.math.log(terms), start)
        now = tf.maximum(reached + emitted[step], 2 * _NEVER)
        return step + 1, now, array.write(step, now)

    *_, array = tf.while_loop(
        lambda step, *_: step < steps,
        body,
        (tf.constant(0), start, array),
        maximum_iterations=steps,
    )
    return tf.transpose(array.stack(), [1, 0, 2])
