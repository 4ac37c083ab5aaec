"""A loop in blocks is the loop, whatever the number of steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from nlp_speech.layers import LSTM
from nlp_speech.layers.blocks import run_in_blocks


def step(number: Any, now: Any, state: Any) -> Any:
    total = state + now[0] * now[1]
    return (total, tf.cast(number, tf.float32)), total


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("steps", [1, 63, 64, 65, 128, 200])
def test_every_step_is_run_once(steps: int, known: bool) -> None:
    rng = np.random.default_rng(steps)
    x = rng.integers(-9, 9, [2, steps, 3]).astype(np.float32)
    start = np.full(3, 100, np.float32)

    def run(a: Any, b: Any, state: Any) -> Any:
        return run_in_blocks(step, (a, b), state, ((tf.float32, [3]), (tf.float32, [])))

    shape = [steps if known else None, 3]
    specs = [tf.TensorSpec(shape), tf.TensorSpec(shape), tf.TensorSpec([3])]
    (sums, numbers), state = tf.function(run, input_signature=specs)(x[0], x[1], start)
    wanted = 100 + np.cumsum(x[0] * x[1], axis=0)
    np.testing.assert_array_equal(sums, wanted)
    np.testing.assert_array_equal(numbers, np.arange(steps))
    np.testing.assert_array_equal(state, wanted[-1])


@pytest.mark.parametrize("steps", [5, 150])
def test_an_lstm_in_blocks_is_the_lstm(steps: int) -> None:
    x = np.random.default_rng(1).normal(size=[2, steps, 4]).astype(np.float32)
    lengths = np.array([steps, steps // 2])
    plain, blocks = (
        LSTM(6, return_sequences=True, return_state=True, in_blocks=in_blocks)
        for in_blocks in (False, True)
    )
    plain.build((None, None, 4))
    blocks.build((None, None, 4))
    blocks.set_weights(plain.get_weights())
    for a, b in zip(plain(x, lengths=lengths), blocks(x, lengths=lengths), strict=True):
        np.testing.assert_array_equal(a, b)
    assert blocks.get_config()["in_blocks"]
