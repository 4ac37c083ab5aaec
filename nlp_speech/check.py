"""A look at the data of a config before any training."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nlp_speech.contract import Finding
from nlp_speech.errors import UserError


@dataclass(frozen=True)
class Report:
    """What was found.

    Attributes:
        findings: errors first.
    """

    findings: Sequence[Finding]

    @property
    def errors(self) -> int:
        """The number of findings that are errors."""
        return sum(f.is_error for f in self.findings)

    def summary(self) -> str:
        """The number of errors and warnings in words."""
        counts = (self.errors, "error"), (len(self.findings) - self.errors, "warning")
        return " and ".join(f"{n} {word}{'' if n == 1 else 's'}" for n, word in counts)

    def lines(self) -> list[str]:
        """A table, and a few examples under each row."""
        if not self.findings:
            return ["nothing was found that is wrong"]
        width = max(len(f.split) for f in self.findings)
        lines = []
        for found in self.findings:
            level = "ERROR" if found.is_error else "warning"
            lines.append(
                f"{level:7s}  {found.split:{width}s}  {found.count:6d} {found.problem}"
            )
            lines += [f"{'':{width + 18}s}{example}" for example in found.examples]
        return lines


def look_at(config: Any) -> Report:
    """Looks at the data that a config names.

    Args:
        config: of any task that has a module ``check``.

    Raises:
        UserError: the task has none, or the data cannot be read at all.
    """
    name = f"nlp_speech.tasks.{config.task}.check"
    try:
        task = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise UserError(f"there is no check for the data of {config.task} yet") from (
            error
        )
    findings = sorted(task.findings(config), key=lambda f: not f.is_error)
    return Report(findings)
