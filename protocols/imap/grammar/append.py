"""APPEND and REPLACE: messages, and the literals that interrupt what is said of them.

What a client says up to such a literal is read into steps.  The last of them says what the literal is and where it
stands, and that is all that must be known to read on behind it.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from protocols.imap import limits
from protocols.imap.commands import (
    STAR,
    Append,
    AppendStep,
    Begin,
    End,
    Flags,
    Octets,
    Replace,
    SequenceSet,
    Url,
)
from protocols.imap.grammar.flags import date_time, flag_list
from protocols.imap.grammar.scanner import BadSyntax, Scanner, over_limit

_WORD: Final = re.compile(rb"(CATENATE|UTF8|TEXT|URL) ", re.IGNORECASE)
_ONE: Final = re.compile(rb"\*|[1-9][0-9]{0,9}+")
_HIGHEST: Final = 0xFFFF_FFFF  # nz-number is 32 bits


def append(scanner: Scanner, tag: bytes) -> Append:
    """APPEND SP mailbox 1*append-message (RFC 3502)."""
    scanner.space()
    name = scanner.mailbox()
    return Append(tag, name, _read(scanner, _messages(scanner, several=True)))


def replace(scanner: Scanner, tag: bytes, uid: bool) -> Replace:
    """REPLACE SP seq-number SP mailbox append-message (RFC 8508 5)."""
    scanner.space()
    one = scanner.matching(_ONE, "the number of a message")[0]
    number = STAR if one == b"*" else int(one)
    if number > _HIGHEST:
        raise BadSyntax("The number is too large")
    scanner.space()
    name = scanner.mailbox()
    return Replace(tag, uid, SequenceSet(((number, number),)), name, _read(scanner, _messages(scanner, several=False)))


def resume(
    text: bytes, literals: tuple[bytes, ...], after: Octets | Url, *, several: bool, tag: bytes
) -> tuple[AppendStep, ...]:
    """What follows a literal (fragments.LiteralStart, fragments.CommandEnd); raises BadSyntax."""
    scanner = Scanner(text, 0, literals, utf8=False)
    try:
        return _read(scanner, _behind(scanner, after, several=several))
    except BadSyntax as fault:
        fault.tag = tag
        raise


def _read(scanner: Scanner, steps: Iterable[AppendStep]) -> tuple[AppendStep, ...]:
    """The steps up to the next literal, or all; the text must end there too."""
    taken = []
    for step in steps:
        taken.append(step)
        if isinstance(step, Octets) or (isinstance(step, Url) and step.url is None):
            break
    scanner.end()
    if scanner.used != len(scanner.literals):
        raise BadSyntax("Expected a message as a literal")
    return tuple(taken)


def _behind(scanner: Scanner, after: Octets | Url, *, several: bool) -> Iterator[AppendStep]:
    in_list = True
    if isinstance(after, Octets):
        in_list = after.catenate
        if after.utf8:
            scanner.expect(b")", "a parenthesis behind the literal")
    if in_list and not scanner.at(b")"):
        scanner.space()
        yield from _parts(scanner)
    yield End()
    if several and not _is_over(scanner):
        yield from _messages(scanner, several=True)


def _is_over(scanner: Scanner) -> bool:
    return scanner.position == len(scanner.text)


def _messages(scanner: Scanner, *, several: bool) -> Iterator[AppendStep]:
    """append-message = SP [flag-list SP] [date-time SP] append-data, once or more often."""
    while True:
        scanner.space()
        yield from _message(scanner)
        yield End()
        if not several or _is_over(scanner):
            return


def _message(scanner: Scanner) -> Iterator[AppendStep]:
    """append-data is a literal, or as RFC 4469 5 and RFC 6855 4 add to it."""
    flags, date = Flags(), None
    if scanner.sees(b"("):
        flags = flag_list(scanner)
        scanner.space()
    if scanner.sees(b'"'):
        date = date_time(scanner)
        scanner.space()
    yield Begin(flags, date)
    match _word(scanner):
        case b"CATENATE":
            scanner.expect(b"(", "a list of parts")
            yield from _parts(scanner)
        case b"UTF8":
            yield _utf8(scanner, catenate=False)
        case None:
            scanner.at(b"~")
            scanner.expect(b"\0", "a message as a literal")
            yield Octets()
        case _:
            raise BadSyntax("Expected a message as a literal")


def _parts(scanner: Scanner) -> Iterator[AppendStep]:
    """cat-part *(SP cat-part) ")"."""
    while True:
        yield _part(scanner)
        if scanner.at(b")"):
            return
        scanner.expect(b" ", "a space or the end of the list of parts")


def _part(scanner: Scanner) -> AppendStep:
    match _word(scanner):
        case b"TEXT":
            scanner.expect(b"\0", "a literal")
            return Octets(catenate=True)
        case b"UTF8":
            return _utf8(scanner, catenate=True)
        case b"URL":
            return Url(None if scanner.at(b"\0") else url(scanner.astring("a URL")))
        case _:
            raise BadSyntax("Expected TEXT or URL")


def _utf8(scanner: Scanner, *, catenate: bool) -> Octets:
    scanner.expect(b"(~\0", "a literal8 in parentheses")
    return Octets(catenate=catenate, utf8=True)


def _word(scanner: Scanner) -> bytes | None:
    found = _WORD.match(scanner.text, scanner.position)
    if found is None:
        return None
    scanner.position = found.end()
    return found[1].upper()


def url(octets: bytes) -> bytes:
    """A URL that is short enough to be told in BADURL."""
    if len(octets) > limits.URL:
        raise over_limit("The URL is too long")
    return octets
