"""One entity while it is read: its Content-* fields as octets, its place, its children."""

from typing import Final, NamedTuple

from .fields import Fields
from .limits import MAX_BOUNDARY, MAX_MIME_FIELD
from .parameters import Parameter, parse_parameters, without_comments

_Params = tuple[Parameter, ...]

PLAIN_TEXT: Final = (b"TEXT", b"PLAIN")
MESSAGE: Final = (b"MESSAGE", b"RFC822")
OPAQUE: Final = (b"APPLICATION", b"OCTET-STREAM")
_MESSAGE_SUBTYPES: Final = frozenset({b"rfc822", b"global"})  # RFC 6532 3.7


class Disposition(NamedTuple):
    type: bytes
    params: _Params


class Content(NamedTuple):
    """The Content-* fields (RFC 2045, 2183, 3282, 2557, 1864), raw but unfolded."""

    type: bytes
    subtype: bytes
    params: _Params
    encoding: bytes
    id: bytes | None
    description: bytes | None
    md5: bytes | None
    disposition: Disposition | None
    language: tuple[bytes, ...]
    location: bytes | None


class Entity:
    """A message, a body part, or a multipart; lives only as long as the scan."""

    __slots__ = (
        "body_end", "body_start", "children", "content", "envelope", "envelope_utf8", "first_line", "header_start",
        "is_message", "is_multipart", "lines",
    )  # fmt: skip

    def __init__(self, header_start: int) -> None:
        self.header_start = header_start
        self.body_start = self.body_end = self.first_line = self.lines = 0
        self.content: Content = DEFAULT
        self.is_message = self.is_multipart = False
        self.envelope: bytes | None = None
        self.envelope_utf8: bytes | None = None
        self.children: list[Entity] = []

    @property
    def is_digest(self) -> bool:
        """Whether parts without a type are messages (RFC 2046 5.1.5)."""
        return self.is_multipart and self.content.subtype.lower() == b"digest"


DEFAULT: Final = Content(*PLAIN_TEXT, (), b"7BIT", None, None, None, None, (), None)
_DEFAULT_MESSAGE: Final = DEFAULT._replace(type=MESSAGE[0], subtype=MESSAGE[1])


def content_of(found: Fields, *, in_digest: bool) -> Content:
    """The content fields of a header, with the defaults of RFC 2045 5.2 and, in a digest, of RFC 2046 5.1.5."""
    default = _DEFAULT_MESSAGE if in_digest else DEFAULT
    type_, subtype, params = default.type, default.subtype, default.params
    if raw := _first(found, b"content-type"):
        type_, subtype, params = _media_type(raw)
    encoding = _first(found, b"content-transfer-encoding")
    return Content(
        type_,
        subtype,
        params,
        _token(encoding) if encoding else default.encoding,
        _first(found, b"content-id"),
        _first(found, b"content-description"),
        _first(found, b"content-md5"),
        _disposition(_first(found, b"content-disposition")),
        _languages(_first(found, b"content-language")),
        _first(found, b"content-location"),
    )


def is_message_type(content: Content) -> bool:
    """Whether the body is a message of its own."""
    return content.subtype.lower() in _MESSAGE_SUBTYPES and content.type.lower() == b"message"


def boundary_of(content: Content) -> bytes | None:
    """The boundary, or None: without one (RFC 2046 5.1.1 demands it) the parts cannot be told apart."""
    for parameter in content.params:
        if parameter.name.lower() == b"boundary":
            return parameter.value[:MAX_BOUNDARY] if parameter.value.strip() else None
    return None


def _media_type(raw: bytes) -> tuple[bytes, bytes, _Params]:
    """RFC 2045 5.2: an invalid type counts as text/plain; what parameters it has are kept (many write "text")."""
    value, params = parse_parameters(raw)
    type_, _, subtype = value.partition(b"/")
    return (type_, subtype, params) if type_ and subtype else (*PLAIN_TEXT, params)


def _disposition(raw: bytes | None) -> Disposition | None:
    if raw is None:
        return None
    value, params = parse_parameters(raw)
    return Disposition(value, params) if value else None


def _languages(value: bytes | None) -> tuple[bytes, ...]:
    """RFC 3282 2: tags parted by commas."""
    tags = without_comments(value or b"").split(b",")
    return tuple(tag.strip() for tag in tags if tag.strip())


def _token(value: bytes) -> bytes:
    words = without_comments(value).replace(b";", b" ").split(None, 1)
    return words[0] if words else DEFAULT.encoding


def _first(found: Fields, name: bytes) -> bytes | None:
    values = found.get(name)
    return values[0][:MAX_MIME_FIELD] if values else None
