"""Arguments and options that commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

BundlePath = Annotated[Path, typer.Argument(metavar="BUNDLE", show_default=False)]
Runtime = Annotated[str, typer.Option(help="keras, saved_model, tflite or auto")]
Variant = Annotated[
    str | None,
    typer.Option(help="of the device file: dynamic (usual), float, float16 or text"),
]
BatchSize = Annotated[int, typer.Option(min=1, help="inputs run together at most")]
Threads = Annotated[int | None, typer.Option(min=1, help="threads at most")]
Limit = Annotated[int | None, typer.Option(min=1, help="so many examples, drawn")]
DataFiles = Annotated[
    list[Path] | None,
    typer.Option(help="two parallel text files (give it twice), or one table"),
]
JsonFile = Annotated[
    Path | None, typer.Option("--json", help="write the result to this file")
]
ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", show_default=False)]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", help="a.b=value, in YAML")
]
SkipBad = Annotated[
    bool,
    typer.Option(
        "--skip-bad", help="leave out what cannot be read, name it and count it"
    ),
]
HotWords = Annotated[
    list[str] | None,
    typer.Option(
        "--hot-word", help="a word to expect, WORD or WORD=BONUS; give it often"
    ),
]
