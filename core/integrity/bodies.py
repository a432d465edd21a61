"""What can still be read of a damaged body, and the message that takes the place of the one it belonged to.

A message never changes under its UID, so what is left of one is another message.  It says at its top how much was lost;
where the header is gone, or does not end in the first slice, it has the one that was remembered for SEARCH and SORT.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from email.header import Header
from email.utils import format_datetime, formataddr, getaddresses
from itertools import chain, groupby
from typing import Final

from msgspec import DecodeError, msgpack

from core.formats.mime import Summary
from core.intake import MICROSECONDS

SLICE_OCTETS: Final = 64 * 1024
FINE_OCTETS: Final = 4 * 1024  # what is looked at one by one where a slice cannot be read
FIELD_CHARACTERS: Final = 2_000
_DECODER = msgpack.Decoder(Summary)

Piece = bytes | int  # octets, or how many are lost


def pieces(read: Callable[[int, int], bytes], size: int) -> Iterator[Piece]:
    """A body from its beginning to its end; `read(start, stop)` raises where it cannot."""
    for start in range(0, size, SLICE_OCTETS):
        yield from _slice(read, start, min(start + SLICE_OCTETS, size), SLICE_OCTETS)


def _slice(read: Callable[[int, int], bytes], start: int, stop: int, octets: int) -> Iterator[Piece]:
    try:
        data = read(start, stop)
    except Exception:  # noqa: BLE001 - whatever is wrong with this one, the others are still read
        if octets <= FINE_OCTETS:
            yield stop - start
            return
        for fine in range(start, stop, FINE_OCTETS):
            yield from _slice(read, fine, min(fine + FINE_OCTETS, stop), FINE_OCTETS)
    else:
        yield data


def replacement(prefix: bytes, summary: bytes, body: Iterable[Piece], *, lost: int, size: int) -> Iterator[bytes]:
    """The octets of the message that takes the place.

    `summary` is as it is stored; of the body's `size` octets so many are `lost`, or none: then they are not what they
    were.
    """
    rest = iter(body)
    first = next(rest, 0)
    yield prefix
    yield f"X-Penfold-Damaged: {f'{lost} of {size} octets are lost' if lost else 'some octets differ'}\r\n".encode()
    if isinstance(first, int) or b"\r\n\r\n" not in first:
        yield from _remembered(summary)
        yield b"Content-Type: text/plain; charset=utf-8\r\n\r\nThis is what is left of a damaged message.\r\n"
    for is_lost, some in groupby(chain((first,), rest), lambda piece: isinstance(piece, int)):
        if is_lost:
            yield f"\r\n[{sum(piece for piece in some if isinstance(piece, int))} octets are lost]\r\n".encode()
        else:
            yield from (piece for piece in some if isinstance(piece, bytes))


def _remembered(summary: bytes) -> Iterator[bytes]:
    """The header fields that a summary still has."""
    try:
        known = _DECODER.decode(summary)
    except DecodeError:
        return
    for name, value in (("From", known.from_), ("To", known.to), ("Cc", known.cc)):
        # Below the field's text is what only ENVELOPE says.
        if people := ", ".join(_people(value.partition("\n")[0])):
            yield f"{name}: {people}\r\n".encode()
    if subject := " ".join(known.subject.split())[:FIELD_CHARACTERS]:
        charset = "us-ascii" if subject.isascii() else "utf-8"
        text = subject.encode("utf-8", "replace").decode()
        encoded = Header(text, charset, header_name="Subject").encode(linesep="\r\n")
        yield f"Subject: {encoded}\r\n".encode()
    if known.message_id.isascii() and known.message_id.isprintable() and known.message_id:
        yield f"Message-ID: <{known.message_id}>\r\n".encode()
    if known.sent_at is not None:
        yield f"Date: {format_datetime(datetime.fromtimestamp(known.sent_at // MICROSECONDS, UTC))}\r\n".encode()


def _people(text: str) -> Iterator[str]:
    """The addresses of a decoded field, as it may be written; others cannot be answered anyway."""
    for name, address in getaddresses([text[:FIELD_CHARACTERS]]):
        if address.isascii() and address.isprintable() and address:
            yield formataddr((" ".join(name.split()).encode("utf-8", "replace").decode(), address))
