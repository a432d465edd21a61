"""Sequence sets (RFC 9051 section 9, sequence-set), in one pass however long."""

import re
from typing import Final

from protocols.imap import limits
from protocols.imap.commands import STAR, SequenceSet
from protocols.imap.grammar.scanner import BadSyntax, Scanner, over_limit

_SET: Final = re.compile(rb"[0-9*][0-9*:,]*+|\$")
_MEMBER: Final = re.compile(rb"(?:\*|([1-9][0-9]{0,9}))(?::(?:\*|([1-9][0-9]{0,9})))?")
_HIGHEST: Final = 0xFFFF_FFFF  # nz-number is 32 bits
SAVED: Final = SequenceSet((), saved=True)


def sequence_set(scanner: Scanner) -> SequenceSet:
    """sequence-set = (seq-number / seq-range) *("," (seq-number / seq-range)) / "$"."""
    return parse_set(scanner.matching(_SET, "a sequence set")[0])


def parse_set(text: bytes) -> SequenceSet:
    """`2,4:7,12:*`, or `$` alone (RFC 5182)."""
    if text == b"$":
        return SAVED
    members = text.split(b",", limits.SEQUENCE_RANGES)
    if len(members) > limits.SEQUENCE_RANGES:
        raise over_limit("Too many ranges in a sequence set")
    return SequenceSet(tuple([_member(member) for member in members]))


def _member(text: bytes) -> tuple[int, int]:
    if text.isdigit() and text[0] != 0x30 and len(text) < 10:  # long sets are mostly single numbers
        number = int(text)
        return number, number
    found = _MEMBER.fullmatch(text)
    if found is None:
        raise BadSyntax("Not a sequence set")
    low = _seq_number(found[1])
    high = low if b":" not in text else _seq_number(found[2])
    return low, high


def _seq_number(digits: bytes | None) -> int:
    number = STAR if digits is None else int(digits)
    if number > _HIGHEST:
        raise BadSyntax("A number in a sequence set is too large")
    return number
