"""The sections of a config that tasks share, with their defaults and limits.

Each field's description is what `nlp-speech new` writes as a comment beside it.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

Fraction = Field(default=0.0, ge=0.0, lt=1.0)


class Section(BaseModel):
    """A part of a config: an unknown key or a wrong type is an error."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False
    )


class VocabularySection(Section):
    """The SentencePiece vocabulary, trained from the training files."""

    vocabulary_size: int = Field(default=6000, ge=16, description="number of pieces")
    model_type: Literal["unigram"] = Field(
        default="unigram", description="the only one that is right inside the graph"
    )
    normalization: Literal["nmt_nfkc", "nmt_nfkc_cf"] = Field(
        default="nmt_nfkc",
        description="SentencePiece's rule, applied after our own; _cf folds case too",
    )
    byte_fallback: Literal[False] = Field(
        default=False, description="the graph tokenizer is silently wrong with it"
    )
    character_coverage: float = Field(
        default=1.0, ge=0.98, le=1.0, description="share of characters that get a piece"
    )
    sampling_alpha: float = Field(
        default=0.2,
        gt=0.0,
        description="smoothing of subword sampling in training; small is wilder",
    )


class TextSection(Section):
    """Texts: a column of a table, or a plain file with a text on each line."""

    file: str = Field(
        description=".csv, .tsv and .jsonl are tables, else a text a line [.gz .xz]"
    )
    text: str | int = Field(
        default="text",
        description="name of a table's column of texts; a number, from 0, if the table "
        "has no header",
    )

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        """The name of a file stands for a section with that file."""
        return {"file": value} if isinstance(value, str) else value

    @field_validator("text")
    @classmethod
    def _is_column(cls, text: str | int) -> str | int:
        if isinstance(text, int) and text < 0:
            raise ValueError("columns are counted from 0")
        return text


class TextTokenizerSection(VocabularySection):
    """The vocabulary of a task that reads texts one by one."""

    sample: bool = Field(
        default=True, description="train on sampled segmentations of the text"
    )
    learned_from: int = Field(
        default=10_000_000,
        ge=1,
        description="characters of training text that it is learned from, at most",
    )


class PairVocabularySection(VocabularySection):
    """What pieces texts and their answers are made of."""

    learned_from: int = Field(
        default=100_000_000,
        ge=1,
        description="characters of training text that it is learned from, at most",
    )
    sample_source: bool = Field(
        default=True, description="train on sampled segmentations of the source"
    )
    sample_target: bool = Field(
        default=True, description="train on sampled segmentations of the target"
    )


class TokenizerSection(PairVocabularySection):
    """The vocabulary of a task that turns texts into texts."""

    shared: bool = Field(
        default=True, description="one vocabulary for source and target"
    )


class BatchSection(Section):
    """Length buckets of a constant number of padded tokens."""

    tokens: int = Field(
        default=2000, ge=1, description="padded target tokens in a batch"
    )
    max_length: int = Field(
        default=100, ge=1, description="pieces; longer training pairs are left out"
    )
    buckets: int = Field(
        default=10, ge=1, description="different batch shapes at the most"
    )


class TrainingSection(Section):
    """The optimizer, its schedule, and when to evaluate, save and stop."""

    updates: int = Field(default=10_000, ge=1, description="optimizer steps at most")
    minutes: float | None = Field(
        default=None, gt=0, description="training time at most, or null"
    )
    optimizer: Literal["adam", "muon"] = Field(
        default="adam", description="muon: for the matrices of LSTMs, the rest by Adam"
    )
    learning_rate: float = Field(default=1e-3, gt=0, description="at its peak")
    warmup_updates: int = Field(
        default=500,
        ge=0,
        validate_default=True,
        description="steps of linear increase of the rate",
    )
    decay: Literal["constant", "inverse_sqrt", "linear", "cosine"] = Field(
        default="cosine", description="the rate after warm-up"
    )
    final_learning_rate: float = Field(
        default=1e-5,
        ge=0,
        description="where linear and cosine decay end, if lower",
    )
    beta_2: float = Field(default=0.998, gt=0, lt=1, description="Adam's second moment")
    clip_norm: float = Field(
        default=1.0, gt=0, description="limit on the norm of the whole gradient"
    )
    evaluate_every: int = Field(
        default=500, ge=1, description="updates between evaluations and checkpoints"
    )
    patience: int | None = Field(
        default=None, ge=1, description="evaluations without a better score, or null"
    )
    average_best: int = Field(
        default=5, ge=1, description="best checkpoints averaged for export, at most"
    )
    evaluation_limit: int | None = Field(
        default=None,
        ge=1,
        description="validation examples decoded (drawn), or null",
    )
    accumulate: int = Field(
        default=1, ge=1, description="batches whose gradients make one update"
    )
    moving_average: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="evaluate and export a moving average of the weights with this "
        "decay, such as 0.999, or null",
    )
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = Field(
        default="float32", description="of the computation; weights are float32"
    )
    xla: bool = Field(default=False, description="compile the training step with XLA")

    @field_validator("warmup_updates")
    @classmethod
    def _warmup_fits(cls, value: int, info: ValidationInfo) -> int:
        updates = info.data.get("updates")  # missing if it was wrong itself
        if updates is not None and value > updates:
            raise ValueError(f"{value} is more than training.updates, {updates}")
        return value


class Seq2SeqTrainingSection(TrainingSection):
    """The optimizer, its schedule, and when to evaluate, save and stop."""

    label_smoothing: float = Field(
        default=0.1, ge=0, lt=1, description="share of mass spread over all pieces"
    )


class Seq2SeqSection(Section):
    """A bidirectional LSTM encoder and an attentional LSTM decoder."""

    embedding_units: int = Field(default=256, ge=1, description="size of a piece")
    units: int = Field(default=256, ge=1, description="LSTM units, each direction")
    encoder_layers: int = Field(default=1, ge=1, description="bidirectional layers")
    decoder_layers: int = Field(
        default=2, ge=1, description="the first one asks the attention"
    )
    attention: Literal["luong", "bahdanau"] = Field(
        default="luong", description="bilinear (Luong) or additive (Bahdanau) score"
    )
    attention_units: int = Field(
        default=256, ge=1, description="size of the additive score's hidden layer"
    )
    input_feeding: bool = Field(
        default=False,
        description="feed the attentional vector to the next step: slower",
    )
    residual: bool = Field(
        default=True, description="add a layer's input to its output where sizes agree"
    )
    layer_norm: bool = Field(
        default=True, description="normalize what each LSTM layer is given"
    )
    tie_embeddings: bool = Field(
        default=True, description="one table for target pieces and softmax"
    )
    dropout: float = Field(
        default=0.3, ge=0, lt=1, description="between layers, one mask for all steps"
    )
    embedding_dropout: float = Field(
        default=0.3, ge=0, lt=1, description="of embeddings, one mask for all steps"
    )
    output_dropout: float = Field(
        default=0.3, ge=0, lt=1, description="before the softmax"
    )


class DecodingSection(Section):
    """Beam search, the same in Keras, SavedModel and TFLite."""

    beam_size: int = Field(default=5, ge=1, description="hypotheses kept; 1 is greedy")
    length_penalty: float = Field(
        default=1.0, ge=0, description="alpha of Wu et al. 2016, equation 14"
    )
    coverage_penalty: float = Field(
        default=0.0, ge=0, description="beta of Wu et al. 2016, equation 14"
    )
    max_length_ratio: float = Field(
        default=1.5, gt=0, description="target pieces at most for each source piece"
    )
    max_length_offset: int = Field(
        default=10, ge=0, description="added to that maximum"
    )
    max_source_length: int = Field(
        default=200, ge=1, description="pieces; a longer text is read in part"
    )


class ExportSection(Section):
    """What a bundle holds and what quantization may cost."""

    quantize: tuple[Literal["float", "float16", "dynamic"], ...] = Field(
        default=("dynamic",), description="TFLite variants: float, float16, dynamic"
    )
    text_to_text: bool = Field(
        default=False, description="also a TFLite file with tensorflow-text ops"
    )
    budget: float = Field(
        default=0.3, ge=0, description="points of the metric quantization may lose"
    )
    verify_limit: int = Field(
        default=1000, ge=1, description="validation examples drawn to verify"
    )


class CardSection(Section):
    """What the model card says that cannot be measured."""

    title: str = Field(default="", description="one line")
    license: str = Field(default="", description="of the bundle")
    data_licenses: tuple[str, ...] = Field(default=(), description="of its data")
    limits: str = Field(default="", description="what the model is not good for")


class ParameterSection(Section):
    """The values of one key that are tried: a range, or choices."""

    low: int | float | None = Field(default=None, description="smallest value")
    high: int | float | None = Field(default=None, description="largest value")
    log: bool = Field(
        default=False, description="try small values as often as large ones, by ratio"
    )
    step: int | float | None = Field(
        default=None, gt=0, description="distance of the values in a range"
    )
    choices: tuple[bool | int | float | str | None, ...] = Field(
        default=(), description="instead of a range"
    )

    @model_validator(mode="after")
    def _one_form(self) -> ParameterSection:
        low, high = self.low, self.high
        if self.choices:
            if (low, high, self.step) != (None, None, None) or self.log:
                raise ValueError("give either choices, or low and high")
            # true and 1 are equal, and the sampler could not tell them apart
            if len(set(self.choices)) < len(self.choices):
                raise ValueError("give each of the choices once")
        elif low is None or high is None:
            raise ValueError("give low and high, or choices")
        else:
            self._check_range(low, high)
        return self

    def _check_range(self, low: float, high: float) -> None:
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError("low must be below high")
        if self.log and (low <= 0 or self.step is not None):
            raise ValueError("with log, low must be above 0 and there is no step")
        if self.step is not None:
            width = Decimal(str(high)) - Decimal(str(low))
            if width % Decimal(str(self.step)):
                raise ValueError("high must be low and a whole number of steps")


class TuneSection(Section):
    """What `tune` searches: the values to try, and how long each trial may take."""

    space: dict[str, ParameterSection] = Field(
        default={},
        description="by key, such as "
        "training.learning_rate: {low: 1e-4, high: 1e-2, log: true}",
    )
    seed: int = Field(default=1, ge=0, description="of the choice of values")
    updates: int | None = Field(
        default=None, ge=1, description="training.updates of a trial, or null: the same"
    )
    minutes: float | None = Field(
        default=None, gt=0, description="training.minutes of a trial, or null: the same"
    )
    evaluate_every: int | None = Field(
        default=None,
        ge=1,
        description="training.evaluate_every of a trial, or null: the same",
    )
    prune: bool = Field(
        default=True,
        description="stop a trial that is worse than the median of those before",
    )
    prune_after_trials: int = Field(
        default=5, ge=1, description="trials that came as far, before any is stopped"
    )
    prune_after_updates: int | None = Field(
        default=None,
        ge=0,
        description="updates before a trial is stopped, or null: "
        "training.warmup_updates",
    )


class Experiment(Section):
    """What every task's config has; a task adds `data` and `model`."""

    task: str = Field(description="which task this is")
    seed: int = Field(default=1, ge=0, description="of everything random")
    batch: BatchSection = BatchSection()
    training: TrainingSection = TrainingSection()
    export: ExportSection = ExportSection()
    card: CardSection = CardSection()
    tune: TuneSection = TuneSection()
