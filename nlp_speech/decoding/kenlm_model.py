"""A language model read by KenLM, which is faster and smaller than our own reader."""

from __future__ import annotations

import gzip
import importlib.util
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from nlp_speech.decoding.arpa import read_arpa
from nlp_speech.decoding.fusion import WordModel
from nlp_speech.errors import UserError


class KenLM:
    """A `fusion.WordModel` that KenLM scores.

    Args:
        path: an ARPA file, plain or compressed with gzip.
        words: each word that can be said with its log10 probability without a context;
            KenLM does not list them.
    """

    def __init__(self, path: Path, words: dict[str, float]) -> None:
        import kenlm  # pyright: ignore[reportMissingImports]

        self._kenlm = kenlm
        self._words = words
        config = kenlm.Config()
        config.show_progress = False
        config.arpa_complain = kenlm.ARPALoadComplain.NONE
        try:
            with _plain(path) as file:
                self._model = kenlm.Model(str(file), config)
        except (OSError, EOFError, zlib.error) as error:
            raise UserError.at(path, None, f"KenLM cannot read it ({error})") from error

    def start(self) -> Any:
        """The context at the beginning of a sentence."""
        state = self._kenlm.State()
        self._model.BeginSentenceWrite(state)
        return state

    def score(self, context: Any, word: str) -> tuple[float, Any]:
        """The log10 probability of a word, and the context after it."""
        after = self._kenlm.State()
        return self._model.BaseScore(context, word, after), after

    def words(self) -> Iterator[tuple[str, float]]:
        """Each word that can be said with its log10 probability without a context."""
        yield from self._words.items()


@contextmanager
def _plain(path: Path) -> Iterator[Path]:
    """An ARPA file without compression, which not every build of KenLM reads."""
    if path.suffix.lower() != ".gz":
        yield path
        return
    with TemporaryDirectory() as scratch, gzip.open(path) as compressed:
        plain = Path(scratch) / path.stem
        with plain.open("wb") as file:
            shutil.copyfileobj(compressed, file)
        yield plain


def read_model(path: Path) -> WordModel:
    """Reads an ARPA file, with KenLM where it is installed.

    What it does not read, such as words without any context or more of it than it was
    built for, our own reader does.

    Raises:
        UserError: the file is missing, or not such a file.
    """
    if importlib.util.find_spec("kenlm") is None:
        return read_arpa(path)
    words = dict(read_arpa(path, order=1).words())
    try:
        return KenLM(path, words)
    except UserError:
        return read_arpa(path)
