"""The config of a language model experiment."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from nlp_speech.sections import (
    Experiment,
    ExportSection,
    Section,
    TextSection,
    TextTokenizerSection,
)


class DataSection(Section):
    """Where the texts are; names are relative to the data root."""

    train: tuple[TextSection, ...] = Field(
        min_length=1, description="training texts; several sources are joined"
    )
    validation: TextSection | None = Field(
        default=None, description="chooses checkpoints; null: a part of the training"
    )
    validation_share: float = Field(
        default=0.02, gt=0, lt=1, description="of the texts, if validation is null"
    )
    test: dict[str, TextSection] = Field(
        default={}, description="by name; for `evaluate --split NAME`"
    )
    exclude: tuple[TextSection, ...] = Field(
        default=(), description="training texts that also stand there are left out"
    )


class LanguageTokenizerSection(TextTokenizerSection):
    """The SentencePiece vocabulary, trained from the training texts."""

    sample: bool = Field(
        default=False, description="train on sampled segmentations of the text"
    )


class ModelSection(Section):
    """LSTM stacks whose softmax has the embedding's weights."""

    embedding_units: int = Field(default=192, ge=1, description="size of a piece")
    units: int = Field(default=256, ge=1, description="LSTM units, each direction")
    layers: int = Field(default=1, ge=1, description="LSTM layers, each direction")
    directions: Literal["forward", "both"] = Field(
        default="both", description="both: a second model reads from the end"
    )
    window: int = Field(
        default=32, ge=8, description="pieces scored at once; texts may be longer"
    )
    word_dropout: float = Field(
        default=0.1, ge=0, lt=1, description="share of the vocabulary left out"
    )
    embedding_dropout: float = Field(
        default=0.2, ge=0, lt=1, description="of embeddings, one mask for all steps"
    )
    dropout: float = Field(
        default=0.2, ge=0, lt=1, description="between layers, one mask for all steps"
    )
    weight_dropout: float = Field(
        default=0.2, ge=0, lt=1, description="of recurrent weights"
    )
    output_dropout: float = Field(
        default=0.2, ge=0, lt=1, description="before the softmax, as `dropout`"
    )
    sampled: int = Field(
        default=0,
        ge=0,
        description="pieces that training compares the right one with; 0 for all",
    )


class StreamBatchSection(Section):
    """Rows of one length, cut from the texts joined to one."""

    rows: int = Field(default=64, ge=1, description="rows of a batch")
    steps: int = Field(default=128, ge=2, description="pieces predicted in a row")


class LanguageExportSection(ExportSection):
    """What a bundle holds and what quantization may cost."""

    text_to_text: Literal[False] = Field(
        default=False, description="there is no such file of a language model"
    )


class LanguageModelConfig(Experiment):
    """Everything that makes a language model experiment."""

    task: Literal["language_model"] = "language_model"
    data: DataSection
    tokenizer: LanguageTokenizerSection = LanguageTokenizerSection()
    model: ModelSection = ModelSection()
    batch: StreamBatchSection = StreamBatchSection()
    export: LanguageExportSection = LanguageExportSection()
