"""Address fields: octets into the four strings of an IMAP address (RFC 3501 7.4.2), for any octets whatever.

A field of plain addresses is read by one pattern; anything else (groups, routes, comments, obsolete blanks, rubbish)
goes through the tokens one by one.  Both give the same answer where the pattern applies.
"""

from re import DOTALL
from re import compile as pattern
from typing import Final, NamedTuple

from .limits import MAX_ADDRESSES


class Address(NamedTuple):
    """Strings as in the header, quoting removed, encoded words untouched.  Host None: a group begins or ends here."""

    name: bytes | None
    route: bytes | None
    mailbox: bytes | None
    host: bytes | None


# RFC 9051 7.5.2 keeps NIL and NIL/NIL for groups, so what is missing needs a word; Dovecot says these.
MISSING_MAILBOX: Final = b"MISSING_MAILBOX"
MISSING_DOMAIN: Final = b"MISSING_DOMAIN"
GROUP_END: Final = Address(None, None, None, None)

_WORD: Final = rb'([^\s"(),:;<>@\[\]\\]++)'
_PLAIN: Final = pattern(
    rb'[ \t\r\n]*+(?:(?:"([^"\\]*+)"|([^"(),:;<>@\[\]\\]*+))[ \t\r\n]*+<' + _WORD + b"@" + _WORD + b">"
    b"|" + _WORD + b"@" + _WORD + rb")[ \t\r\n]*+(?:,|\Z)"
)
_TOKEN: Final = pattern(
    rb"([ \t\r\n]++)"
    rb'|"((?:[^"\\]++|\\.)*+)(?:"|\\?\Z)'
    rb'|([^ \t\r\n"(),:;<>@\[\]\\]++|\[(?:[^\[\]\\]++|\\.)*+(?:\]|\\?\Z))'
    rb"|(.)",
    DOTALL,
)
_BLANK, _QUOTED, _ATOM, _SPECIAL = 1, 2, 3, 4
_PARENTHESIS: Final = pattern(rb"\\.|[()]", DOTALL)
_QUOTED_PAIR: Final = pattern(rb"\\(.)", DOTALL)


def parse_addresses(value: bytes) -> list[Address]:
    """All addresses and group marks of an unfolded field, in order, up to the limit."""
    found: list[Address] = []
    position = 0
    while position < len(value) and len(found) < MAX_ADDRESSES:
        plain = _PLAIN.match(value, position)
        if plain is None:
            return _Reader(value).read()
        quoted, phrase, mailbox, host, bare_mailbox, bare_host = plain.groups()
        if bare_mailbox:
            found.append(Address(None, None, bare_mailbox, bare_host))
        else:
            name = quoted if quoted is not None else b" ".join(phrase.split()) or None
            found.append(Address(name, None, mailbox, host))
        position = plain.end()
    return found


def unquoted(text: bytes) -> bytes:
    """The inside of a quoted string without its quoting (RFC 5322 3.2.4)."""
    return _QUOTED_PAIR.sub(rb"\1", text) if b"\\" in text else text


def comment_end(value: bytes, start: int) -> int:
    """After the comment that opens at start; a comment that nothing closes takes the rest (RFC 5322 3.2.2)."""
    depth = 0
    for mark in _PARENTHESIS.finditer(value, start):
        depth += {b"(": 1, b")": -1}.get(mark[0], 0)
        if depth == 0:
            return mark.end()
    return len(value)


class _Reader:
    """Reads a field token by token.  `words` is the phrase or address so far, each with "a blank came before"."""

    def __init__(self, value: bytes) -> None:
        self._value = value
        self._found: list[Address] = []
        self._in_group = False
        self._start_address()

    def _start_address(self) -> None:
        self._words: list[tuple[bool, bytes]] = []
        self._at = -1  # how many words came before the "@"
        self._blank = False
        self._angle = -1  # where "<" stood, while inside the brackets
        self._phrase: bytes | None = None
        self._route: bytes | None = None
        self._comment: bytes | None = None
        self._complete: Address | None = None

    def read(self) -> list[Address]:
        position = 0
        while position < len(self._value) and len(self._found) < MAX_ADDRESSES:
            token = _TOKEN.match(self._value, position)
            assert token is not None, "the last alternative takes any octet"
            position = self._take(token.lastindex or 0, token[token.lastindex or 0], position, token.end())
        self._end_address()
        self._end_group()
        return self._found

    def _take(self, kind: int, text: bytes, start: int, end: int) -> int:
        if kind == _BLANK:
            self._blank = True
        elif kind == _SPECIAL:
            if text == b"(":
                end = comment_end(self._value, start)
                self._comment = unquoted(self._value[start + 1 : end].removesuffix(b")")).strip()
                self._blank = True
            else:
                self._mark(text, start)
        else:
            self._words.append((self._blank, unquoted(text) if kind == _QUOTED else text))
            self._blank = False
        return end

    def _mark(self, mark: bytes, start: int) -> None:
        if mark == b",":
            # Inside brackets a comma parts the hops of a route, <@a,@b:c@d>; else the closing bracket was forgotten.
            if not (self._angle >= 0 and self._at == 0):
                self._end_address()
        elif mark == b"@":
            self._at = len(self._words) if self._at < 0 else self._at
        elif mark == b"<":
            self._phrase = _phrase(self._words)
            self._words, self._at, self._angle = [], -1, start
        elif mark == b">":
            if self._angle >= 0:
                self._end_brackets()
        elif mark == b":":
            self._colon(start)
        elif mark == b";":
            self._end_address()
            self._end_group()

    def _colon(self, start: int) -> None:
        if self._angle >= 0:
            self._route = b"".join(self._value[self._angle + 1 : start].split()) or None
            self._words, self._at = [], -1
        elif not self._in_group and self._at < 0:
            self._found.append(Address(None, None, _phrase(self._words) or b"", None))
            self._in_group = True
            self._start_address()

    def _end_brackets(self) -> None:
        at = len(self._words) if self._at < 0 else self._at
        mailbox = b"".join(word for _, word in self._words[:at])
        host = b"".join(word for _, word in self._words[at:])
        self._complete = Address(self._phrase, self._route, mailbox or MISSING_MAILBOX, host or MISSING_DOMAIN)
        self._angle = -1

    def _end_address(self) -> None:
        if self._angle >= 0:
            self._end_brackets()
        address = self._complete or self._bare()
        if address is not None:
            # RFC 822 era: user@host (Real Name)
            self._found.append(address if address.name is not None else address._replace(name=self._comment))
        self._start_address()

    def _bare(self) -> Address | None:
        """An address without brackets: Joe Blow joe . b @ example . org leaves "Joe Blow" as its name."""
        if self._at < 0:
            phrase = _phrase(self._words)
            return None if phrase is None else Address(None, None, phrase, MISSING_DOMAIN)
        before, after = self._words[: self._at], self._words[self._at :]
        first = len(before)
        while first > 0 and (first == len(before) or _joined(before[first - 1], before[first])):
            first -= 1
        last = 0
        while last < len(after) and (last == 0 or _joined(after[last - 1], after[last])):
            last += 1
        mailbox = b"".join(word for _, word in before[first:])
        host = b"".join(word for _, word in after[:last])
        return Address(_phrase(before[:first]), None, mailbox or MISSING_MAILBOX, host or MISSING_DOMAIN)

    def _end_group(self) -> None:
        if self._in_group:
            self._found.append(GROUP_END)
            self._in_group = False


def _phrase(words: list[tuple[bool, bytes]]) -> bytes | None:
    if not words:
        return None
    return b"".join(b" " + word if blank else word for blank, word in words).strip()


def _joined(word: tuple[bool, bytes], following: tuple[bool, bytes]) -> bool:
    """RFC 5322 4.4: blanks around the dots of an address are obsolete, not a separator."""
    return not following[0] or word[1].endswith(b".") or following[1].startswith(b".")
