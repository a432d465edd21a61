"""What the scanner finds out about a message, as values: its tree of parts, its wire forms, its summary."""

from collections.abc import Sequence
from typing import Literal, TypeVar

from msgspec import Struct
from msgspec.msgpack import Decoder, Encoder


class PartTable(Struct, frozen=True, array_like=True):
    """The tree as it is stored: where each part lies and how to decode it.  Offsets count octets of the message.

    The header is header_start to body_start, its blank line included.  Names are in lower case.
    """

    header_start: int
    body_start: int
    body_end: int
    type: str
    subtype: str
    charset: str
    encoding: str
    is_message: bool  # holds one message, which is its only child
    children: "tuple[PartTable, ...]" = ()

    @property
    def is_multipart(self) -> bool:
        return self.type == "multipart"


class Disposition(Struct, frozen=True, array_like=True):
    """Content-Disposition (RFC 2183)."""

    type: str
    params: tuple[tuple[str, str], ...] = ()


class Part(Struct, frozen=True, array_like=True):
    """Everything about a part, as text: names and values as written, parameters decoded (RFC 2231).

    `type` and `subtype` keep their case.  A multipart that was not taken apart (no boundary, or beyond a limit) is not
    called multipart here.
    """

    header_start: int
    body_start: int
    body_end: int
    lines: int  # line feeds in the body
    type: str
    subtype: str
    params: tuple[tuple[str, str], ...]
    encoding: str
    is_message: bool
    id: str | None = None
    description: str | None = None
    md5: str | None = None
    disposition: Disposition | None = None
    language: tuple[str, ...] = ()
    location: str | None = None
    children: "tuple[Part, ...]" = ()
    envelope: bytes | None = None  # of a message part: that of the message inside
    envelope_utf8: bytes | None = None

    @property
    def is_multipart(self) -> bool:
        return self.type.lower() == "multipart"

    @property
    def media_type(self) -> str:
        """Type and subtype in lower case, "text/plain"."""
        return f"{self.type}/{self.subtype}".lower()

    def param(self, name: str) -> str | None:
        """A Content-Type parameter; names have no case."""
        return _param(self.params, name)

    @property
    def filename(self) -> str | None:
        """What the sender calls the file (RFC 2183 2.3, or the older name= of Content-Type)."""
        given = _param(self.disposition.params, "filename") if self.disposition else None
        return given if given is not None else self.param("name")


class Summary(Struct, frozen=True, array_like=True):
    """What SEARCH, SORT and THREAD ask of a message again and again, decoded.  A field that is absent is empty."""

    subject: str
    from_: str  # these four: the decoded text of the field, and what else ENVELOPE says of it, for substring search
    to: str
    cc: str
    bcc: str
    from_mailbox: str  # these three: SORT FROM, TO and CC (RFC 5256 3)
    to_mailbox: str
    cc_mailbox: str
    from_display: str  # these two: SORT DISPLAYFROM and DISPLAYTO (RFC 5957 3)
    to_display: str
    base_subject: str
    is_reply: bool  # or forward (RFC 5256 3, THREAD=REFERENCES)
    sent_at: int | None  # microseconds, UTC
    sent_day: int | None  # date.toordinal() of the Date field as written, its zone disregarded (SENTBEFORE, SENTON)
    message_id: str  # normalised, without brackets; empty if there is no valid one
    in_reply_to: str
    references: tuple[str, ...]  # oldest first; RFC 5256 rules, In-Reply-To included
    preview: str
    clipped: bool  # a field exceeded its limit: for it the header itself must be searched
    conversation: str = ""  # what Outlook's Thread-Index calls the conversation, in hexadecimal; empty without one


class Scan(Struct, frozen=True, array_like=True):
    """All that one pass finds.  A form named utf8 is None where it would equal the other."""

    size: int
    lines: int
    root: Part
    parts: PartTable
    envelope: bytes
    envelope_utf8: bytes | None
    structure: bytes
    structure_utf8: bytes | None
    summary: Summary


Node = TypeVar("Node", Part, PartTable)
Specifier = Literal["", "HEADER", "TEXT", "MIME"]


def section(root: Node, path: Sequence[int]) -> Node | None:
    """The part that IMAP numbers address (RFC 3501 6.4.5), or None.

    A message that is no multipart has one part, 1, itself; inside a message part the numbers count the parts of the
    message that it holds.
    """
    part: Node = root
    inside: Node | None = root  # the entity whose parts the next number counts
    for number in path:
        if inside is None:
            return None
        if inside.is_multipart:
            if not 1 <= number <= len(inside.children):
                return None
            part = inside.children[number - 1]
        elif number == 1:
            part = inside
        else:
            return None
        inside = _inside(part)
    return part


def _inside(part: Node) -> Node | None:
    if part.is_message:
        return part.children[0]
    return part if part.is_multipart else None


def extent(root: Node, path: Sequence[int], specifier: Specifier = "") -> tuple[int, int] | None:
    """Where the octets of BODY[path.specifier] begin and end, or None if there is no such section."""
    part = section(root, path)
    if part is None:
        return None
    if specifier == "MIME":
        return (part.header_start, part.body_start) if path else None
    if specifier == "":
        return (part.body_start, part.body_end) if path else (part.header_start, part.body_end)
    # RFC 3501 6.4.5: HEADER and TEXT are of the message, or of one that a message part holds.
    message = part if not path else part.children[0] if part.is_message else None
    if message is None:
        return None
    return (
        (message.header_start, message.body_start) if specifier == "HEADER" else (message.body_start, message.body_end)
    )


_ENCODER = Encoder()
_DECODER = Decoder(PartTable)


def encode_parts(parts: PartTable) -> bytes:
    """The stored form."""
    return _ENCODER.encode(parts)


def decode_parts(stored: bytes) -> PartTable:
    """The tree from its stored form."""
    return _DECODER.decode(stored)


def _param(params: tuple[tuple[str, str], ...], name: str) -> str | None:
    for known, value in params:
        if known.lower() == name:
            return value
    return None
