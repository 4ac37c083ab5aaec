from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from nlp_speech.decoding.beam_search import NO_SCORE, beam_search, log_softmax

VOCABULARY, UNITS = 40, 16


class TinyTranslator(keras.Model):
    """Reads a source by attention from a recurrent state; weights are random."""

    def __init__(self, beam_size: int, n_best: int, coverage_penalty: float) -> None:
        super().__init__()
        self.beam_size = beam_size
        self.n_best = n_best
        self.coverage_penalty = coverage_penalty
        generator = np.random.default_rng(5)

        def weight(name: str, *shape: int) -> Any:
            values = generator.normal(size=shape) * 1.5 * shape[0] ** -0.5
            start = keras.initializers.Constant(values)
            return self.add_weight(shape=shape, name=name, initializer=start)

        self.table = weight("table", VOCABULARY, UNITS)
        self.kernel = weight("kernel", 2 * UNITS, UNITS)
        self.output_kernel = weight("output_kernel", 2 * UNITS, VOCABULARY)
        self.built = True

    def translate(self, ids: Any, max_lengths: Any) -> dict[str, Any]:
        table = self.table.value * 4.0
        memory = tf.gather(table, ids)
        k, size = self.beam_size, tf.shape(ids)[1]

        def step(last: Any, state: Any) -> Any:
            joined = tf.concat([tf.gather(table, last), state], 1)
            new = tf.tanh(tf.matmul(joined, self.kernel.value))
            query = tf.reshape(new, [-1, k, UNITS])
            weights = tf.nn.softmax(tf.matmul(query, memory, transpose_b=True))
            context = tf.reshape(tf.matmul(weights, memory), [-1, UNITS])
            both = tf.concat([new, context], 1)
            logits = tf.matmul(both, self.output_kernel.value)
            return log_softmax(logits), tf.reshape(weights, [-1, size]), new

        batch_size = ids.shape[0] or tf.shape(ids)[0]
        answers = beam_search(
            step,
            tf.reduce_mean(memory, 1),
            batch_size=batch_size,
            max_lengths=max_lengths,
            bos=2,
            eos=3,
            beam_size=k,
            coverage_penalty=self.coverage_penalty,
            source_lengths=tf.fill([batch_size], size),
            n_best=self.n_best,
        )
        return answers._asdict()


def archive(model: TinyTranslator, batch_size: int | None, path: Path) -> str:
    exported: Any = keras.export.ExportArchive()
    exported.track(model)
    signature = [
        tf.TensorSpec([batch_size, None], tf.int32, name="ids"),
        tf.TensorSpec([batch_size], tf.int32, name="max_lengths"),
    ]
    exported.add_endpoint("translate", model.translate, input_signature=signature)
    exported.write_out(str(path), verbose=False)
    return str(path)


def device_file(path: str) -> bytes:
    converter = tf.lite.TFLiteConverter.from_saved_model(path)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    return converter.convert()


@pytest.mark.parametrize(
    ("beam_size", "n_best", "coverage_penalty"),
    [(4, 4, 0.2), (5, 1, 0.0), (1, 1, 0.0)],
)
def test_all_runtimes_give_the_same_answers(
    beam_size: int, n_best: int, coverage_penalty: float, tmp_path: Path
) -> None:
    from ai_edge_litert.interpreter import Interpreter

    model = TinyTranslator(beam_size, n_best, coverage_penalty)
    graph = tf.function(model.translate, autograph=False)
    server = tf.saved_model.load(archive(model, None, tmp_path / "server"))
    content = device_file(archive(model, 1, tmp_path / "device"))
    device = Interpreter(model_content=content).get_signature_runner("translate")

    generator = np.random.default_rng(6)
    lengths_seen = set()
    for source_size, longest in [(1, 0), (3, 1), (7, 9), (2, 5), (12, 14), (5, 0)]:
        ids = generator.integers(4, VOCABULARY, (1, source_size)).astype(np.int32)
        arrays = {"ids": ids, "max_lengths": np.array([longest], np.int32)}
        tensors = {name: tf.constant(array) for name, array in arrays.items()}
        eager = {k: v.numpy() for k, v in model.translate(**tensors).items()}
        lengths_seen.add(int(eager["lengths"][0, 0]))
        for answer in (
            graph(**tensors),
            server.translate(**tensors),
            device(**arrays),
        ):
            for name in ("ids", "lengths"):
                np.testing.assert_array_equal(answer[name], eager[name])
            np.testing.assert_allclose(answer["scores"], eager["scores"], rtol=1e-4)
            np.testing.assert_allclose(
                answer["alignment"], eager["alignment"], atol=1e-4
            )
        if longest == 0:
            assert (eager["scores"][0, 1:] == np.float32(NO_SCORE)).all()
    assert len(lengths_seen) > 2
