"""Header blocks: octets into fields, tolerant of lines that are none.

A line that is no field (mbox "From ", text without a colon) neither ends the header nor joins another field.
"""

from collections.abc import Collection, Iterator
from re import IGNORECASE, MULTILINE
from re import compile as pattern
from typing import Final

Fields = dict[bytes, list[bytes]]  # lower-case name: unfolded values in order of occurrence

_VALUE: Final = rb"[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*+)"
_NAME: Final = rb"^([!-9;-~]++)"  # RFC 5322 3.6.8 ftext; blanks before the colon are RFC 5322 4.5

_FIELD: Final = pattern(_NAME + _VALUE, MULTILINE)
_KNOWN: Final = pattern(
    rb"\n(date|subject|from|sender|reply-to|to|cc|bcc|message-id|in-reply-to|references|thread-index"
    rb"|content-(?:type|id|description|transfer-encoding|md5|disposition|language|location))" + _VALUE,
    IGNORECASE,
)


def unfolded(value: bytes) -> bytes:
    """A field's value without its line ends and outer blanks (RFC 5322 2.2.3: the blank after a line end stays)."""
    if b"\n" in value or b"\r" in value:
        value = value.replace(b"\r\n", b"").replace(b"\n", b"")
    return value.strip(b" \t\r")


def fields(header: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and raw value (still folded, without the last line end) of each field, in order."""
    for field in _FIELD.finditer(header):
        yield field[1], field[2].removesuffix(b"\r")


def known_fields(header: bytes) -> Fields:
    """The fields that ENVELOPE, BODYSTRUCTURE and the summary are made of; the header starts with a line end here."""
    found: Fields = {}
    for name, value in _KNOWN.findall(header):
        found.setdefault(name.lower(), []).append(unfolded(value) if b"\n" in value else value.strip())
    return found


def header_fields(header: bytes, names: Collection[bytes], *, exclude: bool = False) -> bytes:
    """The fields of these names (or all others), raw and in their order, and the header's blank line.

    RFC 3501 6.4.5: the blank line is there unless the message has none.  Names are compared without regard to case.
    """
    wanted = {name.lower() for name in names}
    chosen = b"".join(
        # The match ends before its line end; a slice past the end of the header is harmless.
        header[field.start() : field.end() + 1]
        for field in _FIELD.finditer(header)
        if (field[1].lower() in wanted) != exclude
    )
    has_blank_line = header.endswith((b"\n\r\n", b"\n\n")) or header in (b"\r\n", b"\n")
    return chosen + b"\r\n" if has_blank_line else chosen
