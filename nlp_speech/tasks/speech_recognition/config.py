"""The config of a speech recognition experiment."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, model_validator

from nlp_speech.audio.sections import AugmentationSection, FrontEndSection
from nlp_speech.models.strides import Strides
from nlp_speech.sections import Experiment, Section, TextSection


class JoinSection(Section):
    """Strings of short clips of one speaker, joined with pauses."""

    count: int = Field(ge=1, description="strings made")
    clips: tuple[int, int] = Field(default=(3, 7), description="clips of a string")
    pause: tuple[float, float] = Field(
        default=(0.0, 0.3), description="seconds of silence between clips"
    )
    seed: int = Field(default=1, ge=0, description="decides which strings")
    fresh: bool = Field(default=False, description="other strings in each epoch")

    @model_validator(mode="after")
    def _possible(self) -> JoinSection:
        if not 1 <= self.clips[0] <= self.clips[1]:
            raise ValueError("clips: give the lower end of the range first, from 1")
        if not 0 <= self.pause[0] <= self.pause[1]:
            raise ValueError("pause: give the lower end of the range first, from 0")
        return self


class SplitSection(Section):
    """Utterances: a manifest of sound files, or a file of features."""

    manifest: str | None = Field(
        default=None,
        description="TSV or JSONL with path and transcript, or tfds:NAME, such as "
        "tfds:librispeech, with its split",
    )
    features: str | None = Field(
        default=None, description=".npz of frames, lengths, transcript and utt"
    )
    column: str = Field(
        default="transcript", description="the manifest's column of what is said"
    )
    split: str | None = Field(
        default=None, description="only rows whose column `split` says this"
    )
    speakers: tuple[str, ...] = Field(
        default=(), description="only these speakers; empty: all"
    )
    without_speakers: tuple[str, ...] = Field(
        default=(), description="all but these speakers"
    )
    folds: int = Field(
        default=1, ge=1, description="parts that utterances are dealt to, by name"
    )
    fold: tuple[int, ...] = Field(
        default=(), description="only these parts, counted from 0; empty: all"
    )
    join: JoinSection | None = Field(
        default=None, description="strings of this manifest's clips instead of them"
    )

    @model_validator(mode="after")
    def _one_form(self) -> SplitSection:
        if (self.manifest is None) == (self.features is None):
            raise ValueError("give either manifest or features")
        if self.join is not None and self.manifest is None:
            raise ValueError("join needs a manifest")
        if any(not 0 <= part < self.folds for part in self.fold):
            raise ValueError(f"fold: give numbers from 0 to {self.folds - 1}")
        return self


class DataSection(Section):
    """Where the splits are; names are relative to the data root."""

    train: tuple[SplitSection, ...] = Field(
        min_length=1, description="training utterances; several sources are joined"
    )
    validation: tuple[SplitSection, ...] = Field(
        min_length=1, description="chooses checkpoints and verifies; joined as well"
    )
    test: dict[str, SplitSection] = Field(
        default={}, description="by name; for `evaluate --split NAME`"
    )
    cache: str | None = Field(
        default=None, description="folder that keeps computed features, or null"
    )
    skip_bad: bool = Field(
        default=False,
        description="leave out files and rows that cannot be read, and count them",
    )


class VocabularySection(Section):
    """What the recognizer writes: characters, or SentencePiece pieces."""

    kind: Literal["characters", "pieces"] = Field(
        default="characters", description="characters need the least data"
    )
    case: Literal["keep", "lower", "upper"] = Field(
        default="keep", description="what is done to transcripts before all else"
    )
    size: int = Field(default=200, ge=16, description="number of pieces, if pieces")


class BatchSection(Section):
    """Length buckets of a constant number of padded seconds."""

    seconds: float = Field(default=120, gt=0, description="padded sound in a batch")
    max_seconds: float = Field(
        default=20, gt=0, description="longer training utterances are left out"
    )
    buckets: int = Field(
        default=5, ge=1, description="different batch shapes at the most"
    )


class ModelSection(Section):
    """Convolution, a stack of LSTM layers, and a softmax over labels and blank."""

    pretrained: str | None = Field(
        default=None,
        description="bundle or run of a recognizer that it begins with, relative to "
        "the working directory; its front end and sizes must be those given here",
    )
    units: int = Field(default=256, ge=1, description="LSTM units, each direction")
    layers: int = Field(default=3, ge=1, description="LSTM layers")
    bidirectional: bool = Field(
        default=False, description="read both ways: more exact, but no streaming"
    )
    look_ahead: int = Field(
        default=2,
        ge=0,
        description="future steps that a unidirectional model sees after its LSTMs",
    )
    subsampling: int = Field(
        default=3, ge=1, description="frames that become one step of the LSTMs"
    )
    conv_channels: int = Field(
        default=0,
        ge=0,
        description="of two convolutions over time and frequency that subsample; 0: "
        "frames are stacked",
    )
    dropout: float = Field(
        default=0.3, ge=0, lt=1, description="between layers, one mask for all steps"
    )
    layer_norm: bool = Field(
        default=True, description="normalize what each LSTM layer is given"
    )
    residual: bool = Field(
        default=True, description="add a layer's input to its output where sizes agree"
    )


class DecodingSection(Section):
    """Prefix beam search of labels, the same in Keras, SavedModel and TFLite."""

    beam_size: int = Field(default=8, ge=1, description="prefixes kept; 1 is greedy")
    labels_per_step: int = Field(
        default=16, ge=1, description="labels tried at each step, the most likely ones"
    )
    max_seconds: float = Field(
        default=600, gt=0, description="sound read of an input; the rest is left"
    )
    piece_seconds: float = Field(
        default=30, ge=1, description="longer files are cut at pauses, and joined again"
    )


class LanguageSection(Section):
    """An n-gram model of words and hot words, added to the search on the host."""

    order: int = Field(
        default=0, ge=0, le=6, description="of the model of transcripts; 0: none"
    )
    text: tuple[TextSection, ...] = Field(
        default=(), description="more sentences for that model, written ones as well"
    )
    prune: tuple[int, ...] = Field(
        default=(),
        description="for each order: n-grams seen so often or less are left out",
    )
    file: str | None = Field(
        default=None, description="an ARPA file instead, such as lmplz makes"
    )
    weight: float = Field(
        default=0.5, ge=0, description="of the model; tune it on validation data"
    )
    word_bonus: float = Field(default=0.5, description="added for a word by a model")
    unknown_penalty: float = Field(
        default=12.0, ge=0, description="taken for a word that the model does not know"
    )
    hot_words: dict[str, float] = Field(
        default={}, description="words to expect, and what is added for each"
    )
    beam_size: int = Field(
        default=16, ge=1, description="prefixes kept by the search with a language"
    )

    @property
    def has_model(self) -> bool:
        """Whether there is a model of words."""
        return self.order > 0 or self.file is not None

    @property
    def used(self) -> bool:
        """Whether the search has a language at all."""
        return self.has_model or bool(self.hot_words)

    @model_validator(mode="after")
    def _possible(self) -> LanguageSection:
        if self.order and self.file is not None:
            raise ValueError("give either order or file")
        if min(self.prune, default=0) < 0:
            raise ValueError("prune: give numbers from 0")
        if any(not word or " " in word for word in self.hot_words):
            raise ValueError("each of hot_words must be one word")
        if not all(map(math.isfinite, self.hot_words.values())):
            raise ValueError("what is added for a hot word must be a finite number")
        return self


class StreamingSection(Section):
    """How a stream is read and where it is cut into utterances."""

    chunk_steps: int = Field(
        default=4, ge=1, le=16, description="model steps that a device reads at once"
    )
    silence_seconds: float = Field(
        default=0.8, gt=0, description="silence that ends an utterance, in its middle"
    )
    max_seconds: float = Field(
        default=20, gt=0, description="an utterance is ended after so much sound"
    )


class SpeechRecognitionConfig(Experiment):
    """Everything that makes a speech recognition experiment."""

    task: Literal["speech_recognition"] = "speech_recognition"
    data: DataSection
    frontend: FrontEndSection = FrontEndSection()
    augmentation: AugmentationSection = AugmentationSection()
    vocabulary: VocabularySection = VocabularySection()
    batch: BatchSection = BatchSection()
    model: ModelSection = ModelSection()
    decoding: DecodingSection = DecodingSection()
    language: LanguageSection = LanguageSection()
    streaming: StreamingSection = StreamingSection()

    @property
    def streams(self) -> bool:
        """Whether the model can read a stream: nothing in it waits for the end."""
        sound = self.frontend.source == "samples"
        return sound and self.frontend.streaming and not self.model.bidirectional

    @property
    def step_samples(self) -> int:
        """Samples that become one step of the model."""
        return self.model.subsampling * self.frontend.hop_length

    @property
    def chunk_samples(self) -> int:
        """Samples that a stream reads at once."""
        return self.streaming.chunk_steps * self.step_samples

    @property
    def state_size(self) -> int:
        """The number of values that a stream carries from chunk to chunk."""
        model, front = self.model, self.frontend
        tail = -(-front.window_length // front.hop_length) - 1
        size = 1 + tail * front.hop_length + 2 * front.features
        if model.conv_channels:
            size += Strides.of(model.subsampling).context * front.features
        return size + (2 * model.layers + model.look_ahead) * model.units

    @property
    def latency_seconds(self) -> float:
        """The longest time from a sound to the answer that has heard it.

        Computed from the config, without the time that computing takes: a sound waits
        for its chunk to be full, and the model for the steps that it looks ahead. For a
        model that does not stream this is infinite.
        """
        if not self.streams:
            return float("inf")
        ahead = self.model.look_ahead * self.step_samples
        return (self.chunk_samples + ahead) / self.frontend.sample_rate

    @model_validator(mode="after")
    def _sources_agree(self) -> SpeechRecognitionConfig:
        given = self.frontend.source == "features"
        data = self.data
        for split in (*data.train, *data.validation, *data.test.values()):
            if (split.features is not None) != given:
                wanted = "features" if given else "manifest"
                raise ValueError(
                    f"frontend.source is {self.frontend.source}: give every split as "
                    f"{wanted}"
                )
        if given and self.augmentation.on_samples:
            raise ValueError(
                "frontend.source is features: speed, tempo, gain, noise and reverb "
                "need samples"
            )
        return self
