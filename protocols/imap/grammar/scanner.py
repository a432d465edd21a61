"""Reads one command's text from left to right; the methods are named for what the RFC's grammar calls it.

Regular expressions do the work, each linear (possessive) and each begun where the last one ended.
"""

import re
from binascii import Error, a2b_base64
from collections.abc import Callable
from functools import lru_cache
from typing import Final, TypeVar

from msgspec import Struct

from protocols.imap import limits
from protocols.imap.naming import utf7

T = TypeVar("T")


class Quirks(Struct, frozen=True):
    """Clients' well-known faults that do no harm.  Any other fault is refused."""

    spaces_before_line_end: bool = True
    loose_status: bool = True  # a second space before the list of STATUS, or one at its end


QUIRKS: Final = Quirks()


class BadSyntax(Exception):
    """What the client wrote is no command of ours; to be answered with BAD."""

    def __init__(self, text: str, *, code: bytes | None = None, tag: bytes | None = None) -> None:
        super().__init__(text)
        self.text = text  # never holds what the client wrote
        self.code = code
        self.tag = tag  # None: not even a tag could be read


class BadCharset(BadSyntax):
    """A charset we do not know; to be answered with NO [BADCHARSET] (RFC 9051 section 6.4.4)."""


class UnknownCommand(BadSyntax):
    """A proper tag, and then nothing we know."""


def over_limit(text: str) -> BadSyntax:
    """The refusal of a command that is well formed but has too much of something."""
    return BadSyntax(text, code=b"LIMIT")


# RFC 9051 section 9.  ATOM-CHAR is printable ASCII without ( ) { SP % * " \ ]; ASTRING-CHAR has the ] again.
ATOM_CHARS: Final = rb"!#$&'+-\[^-z|}~"
_ATOM: Final = re.compile(rb"[%s]++" % ATOM_CHARS)
# Quoted strings may hold eight-bit octets: RFC 9051 allows UTF-8 there, and old clients never asked.
_ASTRING: Final = re.compile(rb'([%s\]]++)|"((?:[^"\\\r\n\x00]++|\\["\\])*+)"|(\x00)' % ATOM_CHARS)
_LIST_MAILBOX: Final = re.compile(rb'([%s\]%%*]++)|"((?:[^"\\\r\n\x00]++|\\["\\])*+)"|(\x00)' % ATOM_CHARS)
_ESCAPED: Final = re.compile(rb"\\(.)")
_NUMBER: Final = re.compile(rb"[0-9]{1,19}+")
_WORD: Final = re.compile(rb"[A-Za-z0-9.\-]++")
# RFC 9051 section 5.1: mailbox names hold no control characters and neither of the two Unicode line ends.
_FORBIDDEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
MAX_NUMBER64: Final = (1 << 63) - 1


class Scanner:
    """A position in a command's text, and the literals not read yet."""

    __slots__ = ("literals", "position", "text", "used", "utf8")

    def __init__(self, text: bytes, position: int, literals: tuple[bytes, ...], *, utf8: bool) -> None:
        self.text = text
        self.position = position
        self.literals = literals
        self.used = 0
        self.utf8 = utf8

    def at(self, token: bytes) -> bool:
        """Whether this stands here; if so, it has been read."""
        if not self.text.startswith(token, self.position):
            return False
        self.position += len(token)
        return True

    def sees(self, token: bytes) -> bool:
        """Whether this stands here; it is not read."""
        return self.text.startswith(token, self.position)

    def expect(self, token: bytes, what: str) -> None:
        if not self.at(token):
            raise BadSyntax(f"Expected {what}")

    def space(self) -> None:
        if not self.at(b" "):
            raise BadSyntax("Expected a space and an argument")

    def end(self) -> None:
        """The command must be over."""
        if self.position != len(self.text):
            raise BadSyntax("Too many arguments")

    def matching(self, pattern: re.Pattern[bytes], what: str) -> re.Match[bytes]:
        found = pattern.match(self.text, self.position)
        if found is None:
            raise BadSyntax(f"Expected {what}")
        self.position = found.end()
        return found

    def word(self) -> bytes:
        """A name of the protocol's own, in capitals; empty if there is none."""
        found = _WORD.match(self.text, self.position)
        if found is None:
            return b""
        self.position = found.end()
        return found[0].upper()

    def atom(self, what: str = "an atom") -> bytes:
        return self.matching(_ATOM, what)[0]

    def astring(self, what: str = "a string") -> bytes:
        found = self.matching(_ASTRING, what)
        return found[1] or self._string(found)

    def string(self, what: str = "a quoted string or literal") -> bytes:
        found = self.matching(_ASTRING, what)
        if found[1] is not None:
            raise BadSyntax(f"Expected {what}")
        return self._string(found)

    def nstring(self, what: str = "a quoted string, a literal or NIL") -> bytes | None:
        return None if self.nil() else self.string(what)

    def nil(self) -> bool:
        """Whether NIL stands here; if so, it has been read."""
        if self.text[self.position : self.position + 3].upper() != b"NIL":
            return False
        self.position += 3
        return True

    def literal8(self) -> bytes | None:
        """RFC 3516 4.4: a literal that may hold NUL, if there is one here."""
        return self._literal(binary=True) if self.at(b"~\0") else None

    def _string(self, found: re.Match[bytes]) -> bytes:
        quoted = found[2]
        if quoted is None:
            return self._literal()
        return _ESCAPED.sub(rb"\1", quoted) if b"\\" in quoted else quoted

    def _literal(self, *, binary: bool = False) -> bytes:
        if self.used == len(self.literals):
            raise BadSyntax("A literal is not allowed here")  # the message of an APPEND
        literal = self.literals[self.used]
        self.used += 1
        if b"\0" in literal and not binary:
            raise BadSyntax("NUL is not allowed in a literal")  # RFC 9051 section 9: literal is *CHAR8
        return literal

    def number(self, what: str = "a number") -> int:
        """number64 of RFC 9051: up to 63 bits."""
        number = int(self.matching(_NUMBER, what)[0])
        if number > MAX_NUMBER64:
            raise BadSyntax("Number is too large")
        return number

    def mailbox(self) -> str:
        return _mailbox_name(self.astring("a mailbox name"), self.utf8)

    def list_mailbox(self) -> str:
        """A mailbox name that may hold the wildcards % and *."""
        found = self.matching(_LIST_MAILBOX, "a mailbox pattern")
        return _mailbox_name(found[1] or self._string(found), self.utf8)

    def listing(self, read: Callable[[], T], most: int, what: str, *, empty: bool = False) -> list[T]:
        """A parenthesized list of what `read` reads."""
        self.expect(b"(", f"a list of {what}")
        values: list[T] = []
        if empty and self.at(b")"):
            return values
        while True:
            values.append(read())
            if len(values) > most:
                raise over_limit(f"Too many {what}")
            if self.at(b")"):
                return values
            self.expect(b" ", f"a space or the end of the list of {what}")


@lru_cache(limits.CACHE_ENTRIES)
def _mailbox_name(octets: bytes, utf8: bool) -> str:
    if len(octets) > limits.MAILBOX_NAME:
        raise over_limit("Mailbox name is too long")
    try:
        name = octets.decode("utf-8") if utf8 else utf7.decode(octets)
    except ValueError:
        raise BadSyntax(f"Mailbox name is not {'UTF-8' if utf8 else 'modified UTF-7'}") from None
    if _FORBIDDEN.search(name):
        raise BadSyntax("Mailbox name holds a control character")
    # ASCII only: Unicode would make INBOX of a name with a dotless i.
    return "INBOX" if len(name) == 5 and name.isascii() and name.upper() == "INBOX" else name


def base64(octets: bytes) -> bytes:
    """RFC 4648 base64 as SASL lines have it, padding and all; raises BadSyntax for anything else."""
    try:
        return a2b_base64(octets, strict_mode=True)
    except Error:
        raise BadSyntax("Not base64") from None
