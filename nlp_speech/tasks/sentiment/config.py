"""The config of a text classification experiment: sentiment, topic, intent, spam."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from nlp_speech.sections import (
    BatchSection,
    Experiment,
    Section,
    TextTokenizerSection,
    TrainingSection,
)


class TableSection(Section):
    """A table of labelled texts: CSV, TSV or JSON lines, plain or compressed."""

    file: str = Field(description="its name ends in .csv, .tsv or .jsonl [.gz .xz]")
    text: str = Field(default="text", description="name of the column of texts")
    label: str = Field(default="label", description="name of the column of labels")


class TrainingTableSection(TableSection):
    """A table of training texts."""

    probabilities: str | None = Field(
        default=None,
        description="in place of labels, name of a column of probabilities by class, "
        "as JSON: what a larger model says of texts that have no labels",
    )
    times: int = Field(default=1, ge=1, description="how often an epoch has each text")


class DataSection(Section):
    """Where the splits are; names are relative to the data root."""

    train: tuple[TrainingTableSection, ...] = Field(
        min_length=1, description="training texts; several tables are joined"
    )
    validation: TableSection | None = Field(
        default=None, description="chooses checkpoints; null: a part of the training"
    )
    validation_share: float = Field(
        default=0.1, gt=0, lt=1, description="of each class, if validation is null"
    )
    test: dict[str, TableSection] = Field(
        default={}, description="by name; for `evaluate --split NAME`"
    )
    labels: dict[str, str] | None = Field(
        default=None, description="what each value of the column means; null: itself"
    )
    class_weights: Literal["balanced"] | dict[str, float] | None = Field(
        default=None, description="balanced: rare classes count as much as others"
    )
    exclude_splits: tuple[str, ...] = Field(
        default=(), description="training texts that also stand there are left out"
    )

    @model_validator(mode="after")
    def _no_copies_in_both(self) -> DataSection:
        if self.validation is None and any(part.times > 1 for part in self.train):
            raise ValueError(
                "times: with texts repeated, give data.validation; a part of them "
                "would stand in both"
            )
        return self

    @model_validator(mode="after")
    def _splits_exist(self) -> DataSection:
        have = [*(["validation"] if self.validation else []), *self.test]
        for name in self.exclude_splits:
            if name not in have:
                raise ValueError(
                    f"exclude_splits: there is no split {name!r}; choose from: "
                    f"{', '.join(have) or 'none'}"
                )
        return self


class ModelSection(Section):
    """LSTM stacks in both directions, pooled by attention, maximum and mean."""

    pretrained: str | None = Field(
        default=None,
        description="bundle or run that it begins with, of a language_model or of "
        "sentiment, relative to the working directory; of its sizes and vocabulary",
    )
    embedding_units: int = Field(default=128, ge=1, description="size of a piece")
    units: int = Field(default=256, ge=1, description="LSTM units, each direction")
    layers: int = Field(default=1, ge=1, description="LSTM layers, each direction")
    bidirectional: bool = Field(
        default=True, description="read from the end too, window by window"
    )
    # The converter to TFLite takes clipping to 0 ... 6 for an activation of floats.
    window: int = Field(
        default=128, ge=8, description="pieces read at once; texts may be longer"
    )
    attention_units: int = Field(
        default=64, ge=1, description="hidden layer of the attention"
    )
    hidden_units: int = Field(
        default=64, ge=0, description="layer before the softmax; 0 for none"
    )
    word_dropout: float = Field(
        default=0.1, ge=0, lt=1, description="share of the vocabulary left out"
    )
    embedding_dropout: float = Field(
        default=0.3, ge=0, lt=1, description="of embeddings, one mask for all steps"
    )
    dropout: float = Field(
        default=0.3, ge=0, lt=1, description="between layers, one mask for all steps"
    )
    weight_dropout: float = Field(
        default=0.2, ge=0, lt=1, description="of recurrent weights"
    )
    output_dropout: float = Field(
        default=0.5, ge=0, lt=1, description="of the pooled text"
    )
    adversarial: float = Field(
        default=0.0,
        ge=0,
        description="train also on texts moved this far to the worse; 2.5 times slower",
    )


class TextBatchSection(BatchSection):
    """Length buckets of a constant number of padded pieces."""

    tokens: int = Field(default=8000, ge=1, description="padded pieces in a batch")
    max_length: int = Field(
        default=10_000, ge=1, description="pieces; longer training texts are left out"
    )


class ClassifierTrainingSection(TrainingSection):
    """The optimizer, its schedule, and when to evaluate, save and stop."""

    label_smoothing: float = Field(
        default=0.0, ge=0, lt=1, description="share of mass spread over all classes"
    )
    layer_decay: float = Field(
        default=1.0,
        ge=1,
        description="each layer learns as much more slowly than the one above; 2.6 is "
        "usual with model.pretrained",
    )
    unfreeze_every: int = Field(
        default=0,
        ge=0,
        description="updates after which the next layer below begins to learn; 0: all "
        "at once",
    )


class SentimentConfig(Experiment):
    """Everything that makes a text classification experiment."""

    task: Literal["sentiment"] = "sentiment"
    data: DataSection
    tokenizer: TextTokenizerSection = TextTokenizerSection()
    model: ModelSection = ModelSection()
    batch: TextBatchSection = TextBatchSection()
    training: ClassifierTrainingSection = ClassifierTrainingSection()

    @model_validator(mode="after")
    def _one_vocabulary(self) -> SentimentConfig:
        if self.model.pretrained is None:
            return self
        learned = (
            "vocabulary_size",
            "normalization",
            "character_coverage",
            "learned_from",
        )
        for name in learned:
            default = TextTokenizerSection.model_fields[name].default
            if getattr(self.tokenizer, name) != default:
                raise ValueError(
                    f"leave out tokenizer.{name}: the vocabulary is that of "
                    "model.pretrained"
                )
        return self
