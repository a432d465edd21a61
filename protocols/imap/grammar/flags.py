"""Flag lists, and the dates that stand beside them in APPEND."""

import re
from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from typing import Final

from protocols.imap import limits
from protocols.imap.commands import SYSTEM_FLAGS, DateTime, Flags
from protocols.imap.grammar.scanner import ATOM_CHARS, BadSyntax, Scanner, over_limit

# flag-list, or flag *(SP flag) as STORE allows it.
FLAG_LIST: Final = re.compile(rb"\((?:[%s\\]++(?: [%s\\]++)*+)?\)" % (ATOM_CHARS, ATOM_CHARS))
FLAGS_BARE: Final = re.compile(rb"[%s\\]++(?: [%s\\]++)*+" % (ATOM_CHARS, ATOM_CHARS))
_KEYWORD: Final = re.compile(rb"[%s]++" % ATOM_CHARS)
_SYSTEM: Final = {name.upper().encode(): 1 << bit for bit, name in enumerate(SYSTEM_FLAGS)}
MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DATE_TIME: Final = re.compile(
    rb'"([ 0-9][0-9])-([A-Za-z]{3})-([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{2})([0-9]{2})"'
)
_EPOCH: Final = date(1970, 1, 1).toordinal()


def flag_list(scanner: Scanner) -> Flags:
    """flag-list = "(" [flag *(SP flag)] ")"."""
    return flags_of(scanner.matching(FLAG_LIST, "a list of flags")[0][1:-1])


def flags_of(text: bytes) -> Flags:
    """The flags of a list without its parentheses."""
    return _cached(text) if len(text) <= limits.CACHED_KEY else _flags(text.split(b" "))


@lru_cache(limits.CACHE_ENTRIES)
def _cached(text: bytes) -> Flags:
    return _flags(text.split(b" ") if text else ())


def _flags(names: Iterable[bytes]) -> Flags:
    system = 0
    keywords: dict[str, str] = {}
    for count, name in enumerate(names, 1):
        if count > limits.FLAGS:
            raise over_limit("Too many flags")
        if name.startswith(b"\\"):
            system |= _system_flag(name)
        else:
            word = keyword(name)
            keywords.setdefault(word.lower(), word)
    return Flags(system, tuple(keywords.values()))


def _system_flag(name: bytes) -> int:
    flag = _SYSTEM.get(name.upper())
    if flag is None:
        # RFC 9051 section 2.3.2: we announced no others, and \Recent is not the client's to set.
        raise BadSyntax("Not a system flag that can be set")
    return flag


def keyword(name: bytes) -> str:
    """flag-keyword = "$MDNSent" / "$Forwarded" / "$Junk" / "$NotJunk" / "$Phishing" / atom."""
    if not _KEYWORD.fullmatch(name):
        raise BadSyntax("Not a flag")
    if len(name) > limits.KEYWORD:
        raise over_limit("Keyword is too long")
    return name.decode("ascii")


def month(name: bytes) -> int:
    """date-month = "Jan" / "Feb" / "Mar" / ...: its number."""
    try:
        return MONTHS.index(name.decode("ascii").upper()) + 1
    except ValueError:
        raise BadSyntax("Not a month") from None


def date_time(scanner: Scanner) -> DateTime:
    """RFC 9051 section 9, date-time; the day may begin with a space."""
    found = scanner.matching(_DATE_TIME, "a date and time")
    hour, minute, second, zone_hours, zone_minutes = (int(found[n]) for n in (4, 5, 6, 8, 9))
    if hour > 23 or minute > 59 or second > 60 or zone_hours > 23 or zone_minutes > 59:
        raise BadSyntax("Not a time of day")
    try:
        days = date(int(found[3]), month(found[2]), int(found[1])).toordinal() - _EPOCH
    except ValueError:
        raise BadSyntax("No such day") from None
    zone = zone_hours * 60 + zone_minutes
    if found[7] == b"-":
        zone = -zone
    return DateTime((days * 86_400 + hour * 3_600 + (minute - zone) * 60 + second) * 1_000_000, zone)
