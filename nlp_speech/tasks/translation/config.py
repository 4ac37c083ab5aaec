"""The config of a translation experiment."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from nlp_speech.sections import (
    DecodingSection,
    Experiment,
    Section,
    Seq2SeqSection,
    Seq2SeqTrainingSection,
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


class TranslationConfig(Experiment):
    """Everything that makes a translation experiment."""

    task: Literal["translation"] = "translation"
    data: DataSection
    tokenizer: TokenizerSection = TokenizerSection()
    model: Seq2SeqSection = Seq2SeqSection()
    training: Seq2SeqTrainingSection = Seq2SeqTrainingSection()
    decoding: DecodingSection = DecodingSection()
