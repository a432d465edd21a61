"""ENVELOPE (RFC 3501 7.4.2, RFC 9051 7.5.2), ready to send."""

from collections.abc import Iterable
from typing import Final

from .addresses import Address, parse_addresses
from .fields import Fields
from .limits import MAX_ADDRESSES, MAX_FIELD
from .wire import NIL, nstring

_ADDRESS_FIELDS: Final = (b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc")
_NOBODY: Final[list[Address]] = []

Addresses = dict[bytes, list[Address]]


def addresses_of(found: Fields) -> Addresses:
    """The addresses of each field; of a repeated field those of all, lest the checked and the shown one differ."""
    return {
        name: [address for value in found[name] for address in parse_addresses(clipped(value))][:MAX_ADDRESSES]
        for name in _ADDRESS_FIELDS
        if name in found
    }


def clipped(value: bytes) -> bytes:
    """The value up to the limit, without the address that the limit would cut in two."""
    return value if len(value) <= MAX_FIELD else value[:MAX_FIELD].rpartition(b",")[0]


def envelopes(found: Fields, addresses: Addresses, *, is_ascii: bool) -> tuple[bytes, bytes | None]:
    """Both forms (see wire); the second is None when it is the same."""
    envelope = _envelope(found, addresses, utf8=False)
    if is_ascii:
        return envelope, None
    richer = _envelope(found, addresses, utf8=True)
    return envelope, richer if richer != envelope else None


def _envelope(found: Fields, addresses: Addresses, *, utf8: bool) -> bytes:
    sender = _list(addresses.get(b"from", _NOBODY), utf8=utf8)
    # RFC 3501 7.4.2: an absent or empty Sender or Reply-To is From; the client is not expected to know.
    members = [
        _text(found, b"date", utf8=utf8),
        _text(found, b"subject", utf8=utf8),
        sender,
        _list(addresses[b"sender"], utf8=utf8) if addresses.get(b"sender") else sender,
        _list(addresses[b"reply-to"], utf8=utf8) if addresses.get(b"reply-to") else sender,
        _list(addresses.get(b"to", _NOBODY), utf8=utf8),
        _list(addresses.get(b"cc", _NOBODY), utf8=utf8),
        _list(addresses.get(b"bcc", _NOBODY), utf8=utf8),
        _text(found, b"in-reply-to", utf8=utf8),
        _text(found, b"message-id", utf8=utf8),
    ]
    return b"(" + b" ".join(members) + b")"


def _text(found: Fields, name: bytes, *, utf8: bool) -> bytes:
    values = found.get(name)
    return nstring(values[0][:MAX_FIELD], utf8=utf8) if values else NIL


def _list(addresses: Iterable[Address], *, utf8: bool) -> bytes:
    written = b"".join([_address(address, utf8=utf8) for address in addresses])
    return b"(" + written + b")" if written else NIL


def _address(address: Address, *, utf8: bool) -> bytes:
    return b"(" + b" ".join([nstring(part, utf8=utf8) for part in address]) + b")"
