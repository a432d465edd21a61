"""Entities into the values that are handed out: the full tree of parts, and the small one that is stored."""

from collections.abc import Iterable
from typing import Final

from .entity import Entity
from .model import Disposition, Part, PartTable
from .parameters import Parameter
from .text import decode_header

_TOKENS: Final = "latin-1"  # what should be an ASCII token may hold any octets


def part_of(entity: Entity) -> Part:
    """The entity and all inside it, as text."""
    content = entity.content
    disposition = None
    if content.disposition is not None:
        disposition = Disposition(str(content.disposition.type, _TOKENS), _params(content.disposition.params))
    return Part(
        header_start=entity.header_start,
        body_start=entity.body_start,
        body_end=entity.body_end,
        lines=entity.lines,
        type=str(content.type, _TOKENS),
        subtype=str(content.subtype, _TOKENS),
        params=_params(content.params),
        encoding=str(content.encoding, _TOKENS),
        is_message=entity.is_message,
        id=_optional(content.id),
        description=_optional(content.description),
        md5=_optional(content.md5),
        disposition=disposition,
        language=tuple([str(tag, _TOKENS) for tag in content.language]),
        location=_optional(content.location),
        children=tuple([part_of(child) for child in entity.children]),
        envelope=entity.envelope,
        envelope_utf8=entity.envelope_utf8,
    )


def table_of(part: Part) -> PartTable:
    """What is stored of a part and all inside it."""
    return PartTable(
        part.header_start,
        part.body_start,
        part.body_end,
        part.type.lower(),
        part.subtype.lower(),
        (part.param("charset") or "").lower(),
        part.encoding.lower(),
        part.is_message,
        tuple([table_of(child) for child in part.children]),
    )


def _params(params: Iterable[Parameter]) -> tuple[tuple[str, str], ...]:
    """Where a plain and an extended form of one name stand side by side, the extended one is meant (RFC 6266 4.3)."""
    if not params:
        return ()
    extended = {param.name.lower() for param in params if param.extended}
    return tuple(
        [
            (str(param.name, _TOKENS), _text(param.value))
            for param in params
            if param.extended or param.name.lower() not in extended
        ]
    )


def _text(value: bytes) -> str:
    """A parameter's value.  RFC 2047 5 forbids encoded words here; many senders use them for file names."""
    return value.decode() if value.isascii() and b"=?" not in value else decode_header(value)


def _optional(value: bytes | None) -> str | None:
    return None if value is None else decode_header(value)
