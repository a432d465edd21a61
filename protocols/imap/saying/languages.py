"""The languages of what is said for people, and which of them a client means (RFC 5255 3).

Our texts are English wherever they are made; only what dresses them for the wire looks for them in another language.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from msgspec import Struct

from protocols.imap import limits
from protocols.imap.saying import german

WITHIN: Final = 3  # texts that stand in one another


class Language(Struct, frozen=True):
    """A language, and our texts in it by what they are in English; "{}" stands for what is a text itself, or a name."""

    tag: str
    texts: Mapping[str, str] = {}

    @property
    def is_english(self) -> bool:
        return not self.texts

    def says(self, text: str) -> str:
        """A text in this language; in English where it is not known."""
        return text if self.is_english else _translated(self.tag, text, WITHIN)


# RFC 5255 3.1: i-default is where a session begins; RFC 2277 4.5: it is English that everybody may understand.
I_DEFAULT: Final = Language("i-default")
LANGUAGES: Final = (I_DEFAULT, Language("en"), Language("de", german.TEXTS))
_BY_TAG: Final = {language.tag: language for language in LANGUAGES}


def spoken(ranges: Sequence[str]) -> Language | None:
    """The language that the first of some language ranges means which means any (RFC 4647 3.4)."""
    return next((found for wanted in ranges if (found := _looked_up(wanted)) is not None), None)


def _looked_up(wanted: str) -> Language | None:
    if wanted in ("default", "*"):  # RFC 5255 3.2: as the administrator has it, who has no say in this here
        return I_DEFAULT
    parts = wanted.split("-")
    while parts:
        if (found := _BY_TAG.get("-".join(parts))) is not None:
            return found
        parts.pop()
        if parts and len(parts[-1]) == 1:  # what introduces other parts goes with them
            parts.pop()
    return None


@lru_cache(limits.CACHE_ENTRIES)
def _translated(tag: str, text: str, within: int) -> str:
    texts = _BY_TAG[tag].texts
    if (known := texts.get(text)) is not None:
        return known
    for pattern, template in _templates(tag) if within else ():
        if (found := pattern.fullmatch(text)) is not None:
            return template.format(*[_translated(tag, part, within - 1) for part in found.groups()])
    return text


@lru_cache
def _templates(tag: str) -> list[tuple[re.Pattern[str], str]]:
    """The texts with something in them: those that say more first."""
    some = [(english, other) for english, other in _BY_TAG[tag].texts.items() if "{}" in english]
    some.sort(key=lambda pair: -len(pair[0]))
    return [(re.compile("(.+)".join(map(re.escape, english.split("{}")))), other) for english, other in some]
