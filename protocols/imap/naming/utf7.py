"""Modified UTF-7, the 7-bit dress of mailbox names (RFC 3501 section 5.1.3).

`encode` always writes the one canonical form.  `decode` refuses what is broken (no end, no base64, half characters,
lone surrogates, octets that are not printable ASCII) but takes what is only clumsy (ASCII in base64, two shifts in a
row): both spellings become the same name, so nothing can hide behind the second.
"""

import re
from binascii import Error, a2b_base64, b2a_base64
from typing import Final

_SHIFT: Final = re.compile(rb"&([^-]*)(-?)")
_BASE64: Final = re.compile(rb"[A-Za-z0-9+,]*")
_PRINTABLE: Final = re.compile(rb"[\x20-\x7e]*")
_NOT_PRINTABLE: Final = re.compile(r"&|[^\x20-\x7e]+")


def decode(name: bytes) -> str:
    """The name as text.  Raises ValueError for anything that is not modified UTF-7."""
    if not _PRINTABLE.fullmatch(name):
        raise ValueError("not printable ASCII")
    if b"&" not in name:
        return name.decode("ascii")
    pieces: list[str] = []
    start = 0
    for shift in _SHIFT.finditer(name):
        pieces.append(name[start : shift.start()].decode("ascii"))
        pieces.append(_unshift(shift[1], shift[2]))
        start = shift.end()
    pieces.append(name[start:].decode("ascii"))
    return "".join(pieces)


def _unshift(digits: bytes, end: bytes) -> str:
    if not end:
        raise ValueError("a shift has no end")
    if not digits:
        return "&"
    if not _BASE64.fullmatch(digits):
        raise ValueError("not modified base64")
    try:
        utf16 = a2b_base64(digits.replace(b",", b"/") + b"=" * (-len(digits) % 4))
    except Error as error:
        raise ValueError("not modified base64") from error
    return utf16.decode("utf-16-be")


def encode(name: str) -> bytes:
    """The name in canonical modified UTF-7.  Raises ValueError for a lone surrogate, which no encoding has."""
    return _NOT_PRINTABLE.sub(_shift, name).encode("ascii")


def _shift(run: re.Match[str]) -> str:
    if run[0] == "&":
        return "&-"
    digits = b2a_base64(run[0].encode("utf-16-be"), newline=False)
    return "&" + digits.rstrip(b"=").replace(b"/", b",").decode("ascii") + "-"
