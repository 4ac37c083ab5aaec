"""The config of a summarization experiment: titles, subjects, abstracts."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from nlp_speech.sections import (
    BatchSection,
    DecodingSection,
    Experiment,
    PairVocabularySection,
    Section,
    Seq2SeqSection,
    Seq2SeqTrainingSection,
)


class TableSection(Section):
    """A table of documents with summaries: CSV, TSV or JSON lines."""

    file: str = Field(description="its name ends in .csv, .tsv or .jsonl [.gz .xz]")
    document: str = Field(default="document", description="column of documents")
    summaries: tuple[str, ...] = Field(
        default=("summary",),
        min_length=1,
        description="columns of summaries; a document may have several",
    )
    line_break: str | None = Field(
        default=None, description="what stands for the end of a line, such as <nl>"
    )


class DataSection(Section):
    """Where the splits are; names are relative to the data root."""

    train: tuple[TableSection, ...] = Field(
        min_length=1, description="training documents; several tables are joined"
    )
    validation: TableSection = Field(description="chooses checkpoints and verifies")
    test: dict[str, TableSection] = Field(
        default={}, description="by name; for `evaluate --split NAME`"
    )
    exclude_splits: tuple[str, ...] = Field(
        default=(), description="training documents that also stand there are left out"
    )

    @model_validator(mode="after")
    def _splits_exist(self) -> DataSection:
        have = ["validation", *self.test]
        for name in self.exclude_splits:
            if name not in have:
                raise ValueError(
                    f"exclude_splits: there is no split {name!r}; choose from: "
                    f"{', '.join(have)}"
                )
        return self


class SummaryTokenizerSection(PairVocabularySection):
    """The one vocabulary of documents and summaries."""

    character_coverage: float = Field(
        default=0.9995,
        ge=0.98,
        le=1.0,
        description="share of characters that get a piece; the model learns to copy "
        "the others, so some should be left",
    )
    sample_source: bool = Field(
        default=False, description="train on sampled segmentations of documents"
    )
    sample_target: bool = Field(
        default=False, description="train on sampled segmentations of summaries"
    )


class ModelSection(Seq2SeqSection):
    """An encoder-decoder with attention that copies and remembers what it has read."""

    decoder_layers: int = Field(
        default=1, ge=1, description="the first one asks the attention"
    )
    copy_source: bool = Field(
        default=True, description="copy pieces of the document (See et al. 2017)"
    )
    coverage: bool = Field(
        default=True, description="the attention knows what it has read already"
    )


class DocumentBatchSection(BatchSection):
    """Length buckets of a constant number of padded tokens of summaries."""

    max_length: int = Field(
        default=400,
        ge=1,
        description="pieces; longer training summaries are left out, documents cut at "
        "decoding.max_source_length",
    )


class SummaryTrainingSection(Seq2SeqTrainingSection):
    """The optimizer, its schedule, and when to evaluate, save and stop."""

    coverage_weight: float = Field(
        default=0.1, ge=0, description="what reading the same again costs in the loss"
    )


class SummaryDecodingSection(DecodingSection):
    """Beam search, the same in Keras, SavedModel and TFLite."""

    max_length: int = Field(
        default=60, ge=1, description="pieces of a summary at most, however long"
    )
    max_length_ratio: float = Field(
        default=1.0, gt=0, description="pieces at most for each piece of the document"
    )
    min_length: int = Field(default=1, ge=0, description="pieces of a summary at least")
    block_ngrams: int = Field(
        default=3, ge=0, description="so many pieces in a row are said once; 0: no rule"
    )
    max_source_length: int = Field(
        default=400, ge=1, description="pieces; a longer document is read in part"
    )


class SummarizationConfig(Experiment):
    """Everything that makes a summarization experiment."""

    task: Literal["summarization"] = "summarization"
    data: DataSection
    tokenizer: SummaryTokenizerSection = SummaryTokenizerSection()
    model: ModelSection = ModelSection()
    batch: DocumentBatchSection = DocumentBatchSection()
    training: SummaryTrainingSection = SummaryTrainingSection()
    decoding: SummaryDecodingSection = SummaryDecodingSection()

    @model_validator(mode="after")
    def _documents_fit(self) -> SummarizationConfig:
        if self.batch.max_length < self.decoding.max_source_length:
            raise ValueError(
                "batch.max_length must not be below decoding.max_source_length"
            )
        return self
