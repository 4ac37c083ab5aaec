"""Where data sets are on this machine."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "NLP_SPEECH_DATA"


def data_root() -> Path:
    """The folder that names in configs are relative to.

    Returns:
        ``$NLP_SPEECH_DATA`` if it is set and not empty, else ``datasets``.
    """
    return Path(os.environ.get(VARIABLE) or "datasets").expanduser()


def resolve(name: str | Path) -> Path:
    """The path of a data file named in a config.

    Args:
        name: relative to the data root, or absolute, or with a leading ``~``.

    Returns:
        Its path, whether or not there is such a file.
    """
    return data_root() / Path(name).expanduser()
