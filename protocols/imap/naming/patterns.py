"""Mailbox patterns: "*" is anything, "%" anything within one level (RFC 9051 6.3.9).  Linear in name and pattern."""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache

from core.model import SEPARATOR
from protocols.imap.naming.homes import known_as

Matches = Callable[[str], bool]

FEW_WILDCARDS = 2  # with more, a regular expression may try too many ways to share a name out among them
_WILDCARDS = {"*": ".*", "%": f"[^{SEPARATOR}]*"}


@lru_cache(256)
def matcher(reference: str, patterns: tuple[str, ...]) -> Matches:
    """Whether a path matches one of the patterns, each taken to stand behind the reference."""
    whole = [_normalized(reference + pattern) for pattern in patterns]
    if any(sum(map(pattern.count, "*%")) > FEW_WILDCARDS for pattern in whole):
        each = [_stepwise(pattern) for pattern in whole]
        return lambda path: any(matches(path) for matches in each)
    parts = ["".join(_WILDCARDS.get(character) or re.escape(character) for character in pattern) for pattern in whole]
    compiled = re.compile("|".join(parts), re.DOTALL)
    return lambda path: compiled.fullmatch(path) is not None


def reaches(reference: str, patterns: Iterable[str], root: str) -> bool:
    """Whether a name at or below a root may match one of the patterns."""
    for pattern in patterns:
        fixed = re.split("[*%]", _normalized(reference + pattern), maxsplit=1)[0]
        if fixed.startswith(f"{root}{SEPARATOR}") or root.startswith(fixed):
            return True
    return False


def _normalized(pattern: str) -> str:
    """As names are kept: NFC, INBOX in capitals; and of wildcards in a row, the one that does what all do."""
    pattern = known_as(pattern)
    return re.sub(r"[*%]*\*[*%]*", "*", re.sub("%+", "%", pattern))


def _stepwise(pattern: str) -> Matches:
    """All ways at once: bit n of a number says that the first n characters of the pattern can have been used up."""
    here: dict[str, int] = {}
    for at, character in enumerate(pattern):
        here[character] = here.get(character, 0) | 1 << at
    star, percent = here.pop("*", 0), here.pop("%", 0)
    wild, end = star | percent, 1 << len(pattern)

    def matches(path: str) -> bool:
        ways = 1 | (1 & wild) << 1
        for character in path:
            stay = star if character == SEPARATOR else wild
            ways = ways & stay | (ways & here.get(character, 0)) << 1
            ways |= (ways & wild) << 1  # a wildcard may stand for nothing
            if not ways:
                return False
        return bool(ways & end)

    return matches
