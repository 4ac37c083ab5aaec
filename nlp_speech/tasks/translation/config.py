"""The config of a translation experiment."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from nlp_speech.sections import (
    DecodingSection,
    Experiment,
    Section,
    TokenizerSection,
)


class SplitSection(Section):
    """Parallel text: two files, or one table with two columns."""

    source: str | None = Field(default=None, description="file, a sentence a line")
    target: str | None = Field(default=None, description="file, a sentence a line")
    table: str | None = Field(
        default=None, description="TSV file, instead of source and target"
    )
    columns: tuple[int, int] = Field(
        default=(0, 1), description="source and target column of the table, from 0"
    )

    @model_validator(mode="after")
    def _one_form(self) -> SplitSection:
        pair = self.source is not None and self.target is not None
        if pair == (self.table is not None) or (
            self.table is not None and (self.source or self.target)
        ):
            raise ValueError("give either source and target, or table")
        return self


class DataSection(Section):
    """Where the splits are; names are relative to the data root."""

    source_language: str = Field(description="ISO 639-1 code, such as en")
    target_language: str = Field(description="ISO 639-1 code, such as de")
    train: tuple[SplitSection, ...] = Field(
        min_length=1, description="training text; several sources are joined"
    )
    validation: SplitSection = Field(description="chooses checkpoints and verifies")
    test: dict[str, SplitSection] = Field(
        default={}, description="by name; for `evaluate --split NAME`"
    )


class ModelSection(Section):
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


class TranslationConfig(Experiment):
    """Everything that makes a translation experiment."""

    task: Literal["translation"] = "translation"
    data: DataSection
    tokenizer: TokenizerSection = TokenizerSection()
    model: ModelSection = ModelSection()
    decoding: DecodingSection = DecodingSection()
