"""Header text as IMAP strings, stored ready to send.

Every value has two forms.  The plain one is for any client: ASCII in quoted strings, raw UTF-8 turned into encoded
words (RFC 2047), because a rev1 client may not be sent it in quotes (RFC 3501 9).  The UTF-8 one keeps it, for sessions
with IMAP4rev2 or UTF8=ACCEPT (RFC 6855 3).  Octets that are neither go out as a literal, as they are, in both.
"""

from binascii import b2a_base64
from collections.abc import Iterator
from re import compile as pattern
from typing import Final

from .text import decode_header

NIL: Final = b"NIL"

_is_plain: Final = pattern(rb'[^\x00\r\n"\\\x80-\xff]*+').fullmatch
_UNSAFE: Final = pattern(rb"[\x00\r\n]")
_SPECIAL: Final = pattern(rb'(["\\])')
_WORD_OCTETS: Final = 45  # 60 letters of base64; with its frame 72, within the 75 of RFC 2047 2


def string(value: bytes, *, utf8: bool) -> bytes:
    """An IMAP string: quoted if it can be."""
    if _is_plain(value):
        return b'"' + value + b'"'
    value = value.replace(b"\0", b"")  # RFC 3501 4.3: not even a literal may hold NUL
    if not value.isascii():
        if not is_utf8(value):
            return _literal(value)
        value = value if utf8 else downgraded(value)
    return _literal(value) if _UNSAFE.search(value) else b'"' + _SPECIAL.sub(rb"\\\1", value) + b'"'


def nstring(value: bytes | None, *, utf8: bool) -> bytes:
    """An IMAP string, or NIL for what is not there."""
    if value is None:
        return NIL
    return b'"' + value + b'"' if _is_plain(value) else string(value, utf8=utf8)


def downgraded(value: bytes) -> bytes:
    """Text with raw UTF-8 as ASCII that decodes to the same: all from its first to its last such word is encoded."""
    text = decode_header(value)
    words = text.split(" ")
    foreign = [index for index, word in enumerate(words) if not word.isascii()]
    if not foreign:
        return text.encode()
    first, last = foreign[0], foreign[-1] + 1
    # Once decoded, "=?" is text and must not become an encoded word again; outer blanks would be lost.
    if text != text.strip(" ") or any("=?" in word for word in words[:first] + words[last:]):
        first, last = 0, len(words)
    middle = _encoded_words(" ".join(words[first:last]))
    return " ".join([*words[:first], *middle, *words[last:]]).encode()


def _encoded_words(text: str) -> Iterator[str]:
    """RFC 2047 5 (3): no character is parted between two words."""
    octets = text.encode()
    start = 0
    while start < len(octets):
        end = min(start + _WORD_OCTETS, len(octets))
        while end < len(octets) and octets[end] & 0xC0 == 0x80:
            end -= 1
        yield f"=?utf-8?B?{b2a_base64(octets[start:end], newline=False).decode()}?="
        start = end


def is_utf8(value: bytes) -> bool:
    """Whether the octets are UTF-8."""
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _literal(value: bytes) -> bytes:
    return b"{%d}\r\n%b" % (len(value), value)
