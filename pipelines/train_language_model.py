"""Trains one: ``python pipelines/train_language_model.py CONFIG [a.b=value]``.

The run goes to ``runs/<config name>``; the same command again goes on with it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from nlp_speech.cli import run
from nlp_speech.config import read_config
from nlp_speech.contract import load_task, load_training_task


def main(path: str, *overrides: str) -> None:
    """Trains the language model that the config at `path` describes."""
    from nlp_speech.training import train

    config = read_config(path, overrides)
    task, training_task = (
        load_task("language_model"),
        load_training_task("language_model"),
    )
    directory = Path("runs") / Path(path).stem
    weights = train(task, training_task, config, directory, resume=directory.exists())
    print(weights)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    run(lambda: main(*sys.argv[1:]))
