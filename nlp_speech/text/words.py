"""Words of any script, for scores that compare them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

# Thai, Lao, Burmese, Khmer; kana, ideographs and their extensions.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff]"
)


def is_unspaced(texts: Iterable[str]) -> bool:
    """Whether most letters are of scripts that put no spaces between words."""
    letters = unspaced = 0
    for text in texts:
        unspaced += len(_UNSPACED.findall(text))
        letters += sum(map(str.isalnum, text))
    return 2 * unspaced > letters


def words_of(text: str) -> list[str]:
    """The words of a text in lower case: letters with their marks, and digits.

    Where a script puts no spaces between words, each character is one, with its marks.
    Of text in ASCII these are the runs of ``[a-z0-9]``.
    """
    folded = unicodedata.normalize("NFC", text.lower()).translate(_WORDS)
    return _UNSPACED.sub(_apart, folded).split()


def _apart(found: re.Match[str]) -> str:
    is_mark = unicodedata.category(found[0])[0] == "M"
    return found[0] if is_mark else f" {found[0]}"


class Kept(dict[int, str]):
    """A table of `str.translate` that makes all but some characters a space.

    Args:
        categories: the first letters of the Unicode categories that stay, such as "LMN"
            for letters, marks and numbers.
    """

    def __init__(self, categories: str) -> None:
        super().__init__()
        self._categories = categories

    def __missing__(self, code: int) -> str:
        """Fills the table as characters come."""
        character = chr(code)
        stays = unicodedata.category(character)[0] in self._categories
        self[code] = character if stays else " "
        return self[code]


_WORDS = Kept("LMN")
