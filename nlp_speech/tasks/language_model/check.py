"""What can be wrong with texts without labels; no TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nlp_speech.contract import Finding
from nlp_speech.data.paths import resolve
from nlp_speech.data.text_check import TextRow, parts_of, text_findings
from nlp_speech.data.texts import numbered_texts
from nlp_speech.sections import TextSection
from nlp_speech.tasks.language_model.config import LanguageModelConfig


def findings(config: LanguageModelConfig, quick: bool = False) -> Iterator[Finding]:
    """Reads all texts that a config names, and tells what is wrong.

    Args:
        config: the experiment.
        quick: changes nothing: all of it is quick.

    Raises:
        UserError: a file cannot be read at all.
    """
    del quick
    data = config.data
    splits = {name: _rows(sections) for name, sections in parts_of(data).items()}
    # Training texts of the validation split are always left out.
    cleared = {name for name, part in data.test.items() if part in data.exclude}
    yield from text_findings(splits, ("text",), cleared={"validation", *cleared})


def _rows(sections: Sequence[TextSection]) -> list[TextRow]:
    return [
        TextRow(f"{resolve(section.file)}:{line}", (text,))
        for section in sections
        for line, text in numbered_texts(resolve(section.file), section.text)
    ]
