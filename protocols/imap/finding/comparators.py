"""The comparators by which SEARCH, SORT and THREAD compare texts, and which of them clients mean (RFC 5255 4)."""

import re
from collections.abc import Callable, Sequence
from string import ascii_lowercase
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from core.formats import casemap
from protocols.imap.commands import CollationOrder, SortKey

_IN_CAPITALS: Final = {ord(letter): letter.upper() for letter in ascii_lowercase}


def _ascii_casemap(text: str) -> str:
    return text.upper() if text.isascii() else text.translate(_IN_CAPITALS)


class Comparator(Struct, frozen=True):
    """A collation (RFC 4790): texts are equal, one holds the other, or they sort, as what it makes of them does.

    It folds character by character, so that a text may come in pieces.  Characters sort as their octets in UTF-8 do.
    """

    name: str
    fold: Callable[[str], str]
    is_descending: bool = False  # RFC 4790 3.3

    @property
    def label(self) -> str:
        """What the client is told of it: collation-selected."""
        return f"-{self.name}" if self.is_descending else self.name

    def directed(self, keys: Sequence[SortKey]) -> tuple[SortKey, ...]:
        """Sort keys in the direction of this comparator, as far as it compares what they are about."""
        if not self.is_descending:
            return tuple(keys)
        return tuple([replace(key, reverse=not key.reverse) if key.is_of_text else key for key in keys])


# RFC 5255 4.4: the default first, which it wants there.  Only what can find a text within another can be used; that
# leaves out i;ascii-numeric.  The most useful come first, for who asks with a wildcard (RFC 4790 3.2).
COMPARATORS: Final = (
    Comparator("i;unicode-casemap", casemap.fold),
    Comparator("i;ascii-casemap", _ascii_casemap),
    Comparator("i;octet", str),
)
DEFAULT: Final = COMPARATORS[0]


def matching(wanted: Sequence[CollationOrder]) -> list[Comparator]:
    """All that any of these mean, each once: the first is the one to use (RFC 5255 4.7)."""
    found: dict[str, Comparator] = {}
    for order in wanted:
        for comparator in COMPARATORS:
            if _is_meant(order.pattern, comparator):
                found.setdefault(comparator.name, replace(comparator, is_descending=order.is_descending))
    return list(found.values())


def _is_meant(pattern: str, comparator: Comparator) -> bool:
    if pattern.lower() == "default":
        return comparator is DEFAULT
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), comparator.name, re.IGNORECASE) is not None
