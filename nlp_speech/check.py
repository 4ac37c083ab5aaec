"""A look at the data of a config before any training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nlp_speech.contract import Finding, load_check


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

    def lines(self, brief: bool = False) -> list[str]:
        """A table, and a few examples under each row.

        Args:
            brief: whether warnings have no examples.
        """
        if not self.findings:
            return ["nothing was found that is wrong"]
        width = max(len(f.split) for f in self.findings)
        lines = []
        for found in self.findings:
            level = "ERROR" if found.is_error else "warning"
            lines.append(
                f"{level:7s}  {found.split:{width}s}  {found.count:6d} {found.problem}"
            )
            if found.is_error or not brief:
                lines += [f"{'':{width + 18}s}{example}" for example in found.examples]
        return lines


def look_at(config: Any, quick: bool = False) -> Report:
    """Looks at the data that a config names.

    Args:
        config: of any task.
        quick: leave out what takes as long as to prepare the training, such as
            decoding all sound.

    Raises:
        UserError: there is no such task, or the data cannot be read at all.
    """
    check = load_check(config.task)
    findings = sorted(check.findings(config, quick), key=lambda f: not f.is_error)
    return Report(findings)
