"""i;unicode-casemap: the collation of SEARCH, SORT and THREAD (RFC 5051; RFC 5255 4.6 names it the default).

Two texts are equal, one holds the other, or they sort, exactly as their folded forms do octet by octet.
"""

from typing import Final
from unicodedata import normalize

# Cached per code point; beyond this many the cache starts anew, so that hostile text cannot fill memory.
_MAX_CACHED: Final = 16_384


class _Folding(dict[int, str]):
    def __missing__(self, codepoint: int) -> str:
        character = chr(codepoint)
        title = character.title()
        # RFC 5051 2 (2)(a): the titlecase property of UnicodeData.txt, which never holds more than one character; where
        # Python answers with more ("ß" -> "Ss", from SpecialCasing.txt) there is no such property.
        folded = normalize("NFKD", title if len(title) == 1 else character)
        if len(self) >= _MAX_CACHED:
            self.clear()
        self[codepoint] = folded
        return folded


_FOLDING: Final = _Folding()


def fold(text: str) -> str:
    """The text in its "titlecased canonicalized" form (RFC 5051 2)."""
    return text.upper() if text.isascii() else text.translate(_FOLDING)
