"""i;unicode-casemap: the default collation of SEARCH, SORT and THREAD (RFC 5051; RFC 5255 4.4).

Two texts are equal, one holds the other, or they sort, exactly as their folded forms do octet by octet.  What people
take for the same letters is more than that: `loosen` makes it the same.
"""

from collections.abc import Callable
from typing import Final
from unicodedata import combining, normalize

# Cached per code point; beyond this many the cache starts anew, so that hostile text cannot fill memory.
_MAX_CACHED: Final = 16_384


class _Folding(dict[int, str]):
    def __init__(self, of: Callable[[str], str]) -> None:
        super().__init__()
        self._of = of

    def __missing__(self, codepoint: int) -> str:
        folded = self._of(chr(codepoint))
        if len(self) >= _MAX_CACHED:
            self.clear()
        self[codepoint] = folded
        return folded


def _folded(character: str) -> str:
    title = character.title()
    # RFC 5051 2 (2)(a): the titlecase property of UnicodeData.txt, which never holds more than one character; where
    # Python answers with more ("ß" -> "Ss", from SpecialCasing.txt) there is no such property.
    return normalize("NFKD", title if len(title) == 1 else character)


def _loosened(character: str) -> str:
    letters = normalize("NFKD", normalize("NFKD", character).casefold())
    return "".join([letter for letter in letters if not combining(letter)])


_FOLDING: Final = _Folding(_folded)
_LOOSENING: Final = _Folding(_loosened)


def fold(text: str) -> str:
    """The text in its "titlecased canonicalized" form (RFC 5051 2)."""
    return text.upper() if text.isascii() else text.translate(_FOLDING)


def loosen(text: str) -> str:
    """The text in small letters without diacritics: "Größe" and "GROSSE" come to the same."""
    return text.lower() if text.isascii() else text.translate(_LOOSENING)
