"""What a recognizer exports: sound to text, sound to labels, and a stream's chunks."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from nlp_speech.audio.graph import FrontEndState, GraphFrontEnd
from nlp_speech.contract import Endpoint
from nlp_speech.decoding.beam_search import log_softmax
from nlp_speech.decoding.ctc import confidence, greedy, prefix_beam_search
from nlp_speech.models.acoustic import AcousticModel
from nlp_speech.tasks.speech_recognition import (
    DEVICE_ENDPOINT,
    SERVER_ENDPOINT,
    STREAM_ENDPOINT,
    WAV_ENDPOINT,
    Assets,
)
from nlp_speech.tasks.speech_recognition.config import SpeechRecognitionConfig
from nlp_speech.tasks.speech_recognition.words import words_of

Tensor = Any


class Recognizer(tf.Module):
    """The inference of a model: the one definition behind all endpoints.

    Args:
        config: the experiment; its `decoding` section is fixed here.
        assets: the labels and the constants of the front end.
        model: the trained model.
    """

    def __init__(
        self, config: SpeechRecognitionConfig, assets: Assets, model: AcousticModel
    ) -> None:
        super().__init__()
        self.options = config.decoding
        self.sample_rate = config.frontend.sample_rate
        self.model = model
        self.front_end = GraphFrontEnd(assets.front_end)
        self.symbols = list(assets.labels.symbols)

    def recognize_features(
        self, features: Tensor, lengths: Tensor
    ) -> dict[str, Tensor]:
        """Recognizes features that others computed.

        `features` are frames, padded with 0, and `lengths` counts the real ones; what
        comes out is what `recognize_labels` returns.
        """
        return self._search(*self.front_end.finish(features, lengths))

    def recognize_labels(self, samples: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        """Recognizes sound.

        `samples` are padded with 0 and `lengths` counts the real ones. Out come, best
        first, the `ids` of the labels of n hypotheses, padded with 0, their `lengths`
        and `score` (-1e9: nothing found); of the best one the steps where each label
        `starts` and `ends` and its `confidence`; and the `log_probs` of all labels at
        each step, of which `steps` are real.
        """
        return self._search(*self.front_end(samples, lengths))

    def recognize(self, **sound: Tensor) -> dict[str, Tensor]:
        """Recognizes sound or features: also `text` [batch, n] and the best's words.

        `words` [batch, most words] are padded with "", `word_starts` and `word_ends`
        are in model steps and padded with 0, as is `word_confidence`.
        """
        given = "features" in sound
        recognize = self.recognize_features if given else self.recognize_labels
        found = recognize(**self._at_least_a_step(sound))
        symbols = tf.constant(self.symbols)
        text = tf.strings.reduce_join(tf.gather(symbols, found["ids"]), axis=-1)
        text = tf.strings.regex_replace(text, " +", " ")
        words = words_of(
            symbols,
            found["ids"][:, 0],
            found["starts"],
            found["ends"],
            found["confidence"],
        )
        return {**found, "text": tf.strings.strip(text), **words}

    def _at_least_a_step(self, sound: dict[str, Tensor]) -> dict[str, Tensor]:
        """A batch that is padded to one step, if all of it is shorter."""
        (name, rows), *_ = (item for item in sound.items() if item[0] != "lengths")
        least = self.model.subsampling
        if name == "samples":
            least *= self.front_end.section.hop_length
        missing = tf.maximum(least - tf.shape(rows)[1], 0)
        paddings = [[0, 0], [0, missing], *[[0, 0]] * (rows.shape.rank - 2)]
        return {**sound, name: tf.pad(rows, paddings)}

    def recognize_wav(self, wav: Tensor) -> dict[str, Tensor]:
        """Recognizes 16-bit PCM WAV files, `wav` [batch] of their bytes.

        They must have the model's sample rate; channels are averaged.
        """

        def decode(content: Tensor) -> tf.RaggedTensor:
            channels, rate = tf.audio.decode_wav(content)
            message = f"a WAV file must have {self.sample_rate} samples a second"
            check = tf.debugging.assert_equal(rate, self.sample_rate, message)
            with tf.control_dependencies([check] if check is not None else []):
                samples = tf.reduce_mean(channels, axis=1)
            limit = round(self.options.max_seconds * self.sample_rate)
            ragged: Any = tf.RaggedTensor
            return ragged.from_tensor(samples[tf.newaxis, :limit])[0]

        spec: Any = tf.RaggedTensorSpec([None], tf.float32, ragged_rank=0)
        rows = tf.map_fn(decode, wav, fn_output_signature=spec)
        lengths = tf.cast(rows.row_lengths(), tf.int32)
        return self.recognize(samples=rows.to_tensor(), lengths=lengths)

    def recognize_stream(
        self, samples: Tensor, lengths: Tensor, state: Tensor
    ) -> dict[str, Tensor]:
        """Recognizes the next chunk of a stream.

        `samples` are one chunk, of which the first `lengths` are real: all but at the
        end. `state` is all 0 at first, and then what came out before. Out come the
        `log_probs` of the steps that lie `model.look_ahead` steps before the chunk (so
        that the first ones of a stream mean nothing) and the `state`. After the end,
        chunks of length 0 give the rest.
        """
        begin = self._begin(samples.shape[0] or tf.shape(samples)[0])
        front, inner = _unpack(state, begin)
        features, front = self.front_end.step(samples, front)
        size = samples.shape[1] // self.front_end.section.hop_length
        features = tf.ensure_shape(features, [samples.shape[0], size, None])
        features = tf.reshape(features, [-1, size, self.model.features])
        real = lengths // self.front_end.section.hop_length
        logits, inner = self.model.step(features, inner, real)
        return {"log_probs": log_softmax(logits), "state": _pack((front, inner))}

    def state_size(self) -> int:
        """The number of values in the state of a stream."""
        parts = tf.nest.flatten(self._begin(1))
        return 1 + sum(part.shape.num_elements() for part in parts)

    def _begin(self, batch_size: Tensor | int) -> tuple[FrontEndState, Any]:
        front: Any = self.front_end.initial_state(batch_size)
        return front, self.model.initial_state(batch_size)

    def _search(self, features: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        logits, steps = self.model(features, lengths)
        log_probs = log_softmax(logits)
        options = self.options
        found = (
            greedy(log_probs, steps)
            if options.beam_size == 1
            else prefix_beam_search(
                log_probs, steps, options.beam_size, options.labels_per_step
            )
        )
        starts, ends = found.starts[:, 0], found.ends[:, 0]
        return {
            "ids": found.ids,
            "lengths": found.lengths,
            "score": found.scores,
            "starts": starts,
            "ends": ends,
            "confidence": confidence(log_probs, found.ids[:, 0], starts, ends),
            "log_probs": log_probs,
            "steps": steps,
        }


def endpoints(
    config: SpeechRecognitionConfig, assets: Assets, model: AcousticModel
) -> dict[str, Endpoint]:
    """The endpoints of a model, by name."""
    recognizer = Recognizer(config, assets, model)
    given = config.frontend.source == "features"
    labels = recognizer.recognize_features if given else recognizer.recognize_labels
    found = {
        SERVER_ENDPOINT: Endpoint(recognizer.recognize, _sound(config, None)),
        DEVICE_ENDPOINT: Endpoint(
            labels, _sound(config, None), device_signature=_sound(config, 1)
        ),
    }
    if not given:
        wav = {"wav": tf.TensorSpec([None], tf.string)}
        found[WAV_ENDPOINT] = Endpoint(recognizer.recognize_wav, wav)
    if config.streams:
        size = recognizer.state_size()
        found[STREAM_ENDPOINT] = Endpoint(
            recognizer.recognize_stream,
            _chunk(config, size, None),
            device_signature=_chunk(config, size, 1),
        )
    return found


def _sound(
    config: SpeechRecognitionConfig, batch_size: int | None
) -> dict[str, tf.TensorSpec]:
    lengths = tf.TensorSpec([batch_size], tf.int32)
    if config.frontend.source == "features":
        shape = [batch_size, None, config.frontend.n_mfcc]
        return {"features": tf.TensorSpec(shape, tf.float32), "lengths": lengths}
    samples = tf.TensorSpec([batch_size, None], tf.float32)
    return {"samples": samples, "lengths": lengths}


def _chunk(
    config: SpeechRecognitionConfig, state_size: int, batch_size: int | None
) -> dict[str, tf.TensorSpec]:
    return {
        "samples": tf.TensorSpec([batch_size, config.chunk_samples], tf.float32),
        "lengths": tf.TensorSpec([batch_size], tf.int32),
        "state": tf.TensorSpec([batch_size, state_size], tf.float32),
    }


def _pack(state: Any) -> Tensor:
    """A nest of [batch, ...] as one [batch, 1 + values], the first of them 1."""
    values = [x for x in tf.nest.flatten(state) if x.shape[1:].num_elements()]
    parts = [tf.reshape(x, [-1, x.shape[1:].num_elements()]) for x in values]
    return tf.concat([tf.ones_like(parts[0][:, :1]), *parts], axis=1)


def _unpack(packed: Tensor, begin: Any) -> Any:
    """Undoes `_pack`; what is all 0, as before the first chunk, becomes `begin`."""
    going = packed[:, :1] > 0
    parts, place = [], 1
    for start in tf.nest.flatten(begin):
        size = start.shape[1:].num_elements()
        if not size:  # the tail of windows that do not overlap
            parts.append(start)
            continue
        part = packed[:, place : place + size]
        part = tf.where(going, part, tf.reshape(start, [-1, size]))
        parts.append(tf.reshape(part, [-1, *start.shape[1:]]))
        place += size
    return tf.nest.pack_sequence_as(begin, parts)
