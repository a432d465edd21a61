"""The parts of FETCH that are octets of a message: BODY[...] and BINARY[...] (RFC 9051 6.4.5, RFC 3516)."""

from collections.abc import Iterable, Iterator
from typing import Protocol

from core.errors import MessageExpunged, Refusal
from core.formats import mime
from core.model import Blob, Item
from core.ports import ReadTx
from protocols.imap import commands
from protocols.imap.saying import responses

PIECE_OCTETS = 256 * 1024  # held at once of a message, and of an answer
AS_THEY_ARE = frozenset({"", "7bit", "8bit", "binary"})

Asked = commands.Section | commands.Binary | commands.BinarySize


class UnknownEncoding(Refusal):
    """A part cannot be decoded (RFC 3516 4.3)."""


class Source(Protocol):
    """Octets too many for one piece; `read` gives the next, and b"" at the end."""

    @property
    def size(self) -> int: ...
    def read(self, tx: ReadTx) -> bytes: ...


class Message:
    """One message while its line is being made; what it needs of the store is read when it is first asked for."""

    __slots__ = ("_blob", "_parts", "item", "taken", "tx")

    def __init__(self, tx: ReadTx, item: Item) -> None:
        self.tx = tx
        self.item = item
        self.taken = 0  # octets read of its body
        self._blob: Blob | None = None
        self._parts: mime.PartTable | None = None

    @property
    def parts(self) -> mime.PartTable:
        if self._parts is None:
            self._parts = mime.decode_parts(self.item.parts)
        return self._parts

    @property
    def blob(self) -> Blob:
        if self._blob is None:
            self._blob = self.tx.blob(self.item.hash)
            if self._blob is None:
                raise MessageExpunged("The message has been expunged")
        return self._blob

    def extent(self, path: tuple[int, ...], specifier: mime.Specifier) -> tuple[int, int] | None:
        """Where a section lies in prefix and blob taken together: our own trace headers are part of its header."""
        if not path and not specifier:
            return 0, self.item.size
        found = mime.extent(self.parts, path, specifier)
        if found is None:
            return None
        ahead = len(self.item.prefix)
        start, stop = found
        return (start if not path and start == 0 and specifier != "TEXT" else start + ahead), stop + ahead

    def read(self, start: int, stop: int) -> bytes:
        self.taken += stop - start
        return read_octets(self.tx, self.blob, self.item.prefix, start, stop)


def read_octets(tx: ReadTx, blob: Blob, prefix: bytes, start: int, stop: int) -> bytes:
    """Octets of a message, which is its prefix and its blob."""
    ahead = len(prefix)
    if start >= ahead:
        return tx.read_blob(blob, start - ahead, stop - ahead)
    return prefix[start:stop] + (tx.read_blob(blob, 0, stop - ahead) if stop > ahead else b"")


# ---------------------------------------------------------------------------------------------- sources


class _Raw:
    """Octets of a message as they are."""

    def __init__(self, message: Message, start: int, stop: int) -> None:
        self.size = stop - start
        self._blob, self._prefix = message.blob, message.item.prefix
        self._position, self._stop = start, stop

    def read(self, tx: ReadTx) -> bytes:
        start = self._position
        self._position = min(start + PIECE_OCTETS, self._stop)
        return read_octets(tx, self._blob, self._prefix, start, self._position)


class _Held:
    """Octets that are there already, but too many to be sent at once."""

    def __init__(self, octets: bytes) -> None:
        self.size = len(octets)
        self._octets = octets
        self._position = 0

    def read(self, tx: ReadTx) -> bytes:
        start, self._position = self._position, self._position + PIECE_OCTETS
        return self._octets[start : self._position]


class _Decoded:
    """Octets of a part without its transfer encoding, from one place in them to another."""

    def __init__(self, raw: _Raw, encoding: str, start: int, stop: int) -> None:
        self.size = stop - start
        self._raw = raw
        self._decoder = mime.TransferDecoder(encoding)
        self._skip, self._left = start, stop - start
        self._is_over = False

    def read(self, tx: ReadTx) -> bytes:
        while self._left and not self._is_over:
            octets = self._next(tx)
            skipped = min(self._skip, len(octets))
            self._skip -= skipped
            octets = octets[skipped : skipped + self._left]
            self._left -= len(octets)
            if octets:
                return octets
        return b""

    def _next(self, tx: ReadTx) -> bytes:
        octets = self._raw.read(tx)
        if not octets:
            self._is_over = True
            return self._decoder.finish()
        return self._decoder.feed(octets)


# ---------------------------------------------------------------------------------------------- items

# Octets of "name SP value", or its head and where the rest comes from.
Rendered = bytes | tuple[bytes, Source]


def line(message: Message, first: bytes, asked: Iterable[Asked], *, is_first: bool) -> list[bytes | Source]:
    """The end of a message's line, behind `first`.  It holds little, however much is asked for."""
    pieces: list[bytes | Source] = []
    text, held = [first], len(first)
    for item in asked:
        rendered = _rendered(message, item, PIECE_OCTETS - held)
        if not is_first:
            text.append(b" ")
        is_first = False
        if isinstance(rendered, bytes):
            text.append(rendered)
            held += len(rendered)
        else:
            text.append(rendered[0])
            pieces += (b"".join(text), rendered[1])
            text = []
    pieces.append(b"".join((*text, b")\r\n")))
    return pieces


def _rendered(message: Message, item: Asked, room: int) -> Rendered:
    if isinstance(item, commands.Section):
        return _section(message, item, room)
    if isinstance(item, commands.Binary):
        return _binary(message, item, room)
    return _binary_size(message, item)


def _section(message: Message, section: commands.Section, room: int) -> Rendered:
    """BODY[...]: a section that is not there is NIL (RFC 9051 7.5.2)."""
    if section.text == "HEADER.FIELDS" or section.text == "HEADER.FIELDS.NOT":
        return _header_fields(message, section, room)
    found = message.extent(section.path, section.text)
    if found is None:
        return section.label + b" NIL"
    start, stop = _partial(found, section.partial)
    head = b"%b {%d}\r\n" % (section.label, stop - start)
    if stop - start > room:
        return head, _Raw(message, start, stop)
    return head + message.read(start, stop)


def _partial(extent: tuple[int, int], partial: tuple[int, int] | None) -> tuple[int, int]:
    start, stop = extent
    if partial is None:
        return extent
    origin, length = partial
    return min(start + origin, stop), min(start + origin + length, stop)


def _header_fields(message: Message, section: commands.Section, room: int) -> Rendered:
    found = message.extent(section.path, "HEADER")
    if found is None:
        return section.label + b" NIL"
    exclude = section.text == "HEADER.FIELDS.NOT"
    octets = mime.header_fields(message.read(*found), section.fields, exclude=exclude)
    if section.partial is not None:
        origin, length = section.partial
        octets = octets[origin : origin + length]
    head = b"%b {%d}\r\n" % (section.label, len(octets))
    return head + octets if len(octets) <= room else (head, _Held(octets))


def _binary(message: Message, binary: commands.Binary, room: int) -> Rendered:
    """RFC 3516: the size must be known ahead, so that a large part is decoded twice rather than held."""
    found = _binary_extent(message, binary.path)
    if found is None:
        return binary.label + b" NIL"
    encoding, start, stop = found
    low, high = _partial((0, _decoded_size(message, encoding, start, stop)), binary.partial)
    source = _Decoded(_Raw(message, start, stop), encoding, low, high)
    if high - low > room:
        return binary.label + b" " + responses.literal_header(high - low, binary=True), source
    octets = b"".join(_all_of(source, message))
    return binary.label + b" " + responses.literal_header(len(octets), binary=b"\0" in octets) + octets


def _binary_extent(message: Message, path: tuple[int, ...]) -> tuple[str, int, int] | None:
    part = mime.section(message.parts, path)
    found = message.extent(path, "")
    if part is None or found is None:
        return None
    # RFC 2045 6.4: what is made of parts has no encoding of its own; neither has the message as a whole.
    encoding = part.encoding if path and not part.is_multipart else ""
    if not mime.knows_encoding(encoding):
        raise UnknownEncoding("The part has an unknown transfer encoding")
    return encoding, *found


def _decoded_size(message: Message, encoding: str, start: int, stop: int) -> int:
    if encoding in AS_THEY_ARE:
        return stop - start
    return sum(map(len, _all_of(_Decoded(_Raw(message, start, stop), encoding, 0, 1 << 62), message)))


def _all_of(source: Source, message: Message) -> Iterator[bytes]:
    while octets := source.read(message.tx):
        message.taken += len(octets)
        yield octets


def _binary_size(message: Message, asked: commands.BinarySize) -> bytes:
    found = _binary_extent(message, asked.path)
    return b"%b %d" % (asked.label, 0 if found is None else _decoded_size(message, *found))
