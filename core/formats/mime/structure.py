"""BODYSTRUCTURE (RFC 3501 7.4.2, RFC 9051 7.5.2), ready to send; and BODY, which is the same without its extensions."""

from re import compile as pattern
from typing import Final

from .entity import Content, Entity
from .parameters import Parameter, percent_encoded
from .wire import NIL, is_utf8, nstring, string

REPLACEMENT: Final = "\ufffd".encode()  # stands for octets that could not be decoded

# The grammar wants a body in every multipart; Dovecot and Cyrus send such a one when there is none.
_EMPTY_BODY: Final = b'("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 0 0)'
_ASCII_PARAMETER: Final = b'"CHARSET" "us-ascii"'  # RFC 2046 4.1.2: text without a charset is this


def structures(root: Entity, *, is_ascii: bool) -> tuple[bytes, bytes | None]:
    """Both forms (see wire); the second is None when it is the same, as it is when all header text is ASCII."""
    structure = _body(root, utf8=False)
    richer = structure if is_ascii else _body(root, utf8=True)
    return structure, richer if richer != structure else None


def _body(entity: Entity, *, utf8: bool) -> bytes:
    if entity.is_multipart:
        return _multipart(entity, utf8=utf8)
    content = entity.content
    is_text = content.type.lower() == b"text"
    fields = [
        string(content.type, utf8=utf8),
        string(content.subtype, utf8=utf8),
        _params(content.params, utf8=utf8, is_text=is_text),
        nstring(content.id, utf8=utf8),
        nstring(content.description, utf8=utf8),
        string(content.encoding, utf8=utf8),
        b"%d" % (entity.body_end - entity.body_start),
    ]
    if entity.is_message:
        envelope = entity.envelope_utf8 if utf8 and entity.envelope_utf8 is not None else entity.envelope
        fields += [envelope or NIL, _body(entity.children[0], utf8=utf8), b"%d" % entity.lines]
    elif is_text:
        fields.append(b"%d" % entity.lines)
    fields.append(nstring(content.md5, utf8=utf8))
    return b"(" + b" ".join(fields) + b" " + _common_extensions(content, utf8=utf8) + b")"


def _multipart(entity: Entity, *, utf8: bool) -> bytes:
    content = entity.content
    children = b"".join([_body(child, utf8=utf8) for child in entity.children]) or _EMPTY_BODY
    fields = [string(content.subtype, utf8=utf8), _params(content.params, utf8=utf8)]
    return b"(" + children + b" " + b" ".join(fields) + b" " + _common_extensions(content, utf8=utf8) + b")"


def _common_extensions(content: Content, *, utf8: bool) -> bytes:
    disposition = language = NIL
    if content.disposition is not None:
        params = _params(content.disposition.params, utf8=utf8)
        disposition = b"(" + string(content.disposition.type, utf8=utf8) + b" " + params + b")"
    if content.language:
        language = b"(" + b" ".join([string(tag, utf8=utf8) for tag in content.language]) + b")"
    return b" ".join([disposition, language, nstring(content.location, utf8=utf8)])


def _params(params: tuple[Parameter, ...], *, utf8: bool, is_text: bool = False) -> bytes:
    written = [_param(param, utf8=utf8) for param in params]
    if is_text and not any(param.name.lower() == b"charset" for param in params):
        written.append(_ASCII_PARAMETER)
    return b"(" + b" ".join(written) + b")" if written else NIL


def _param(param: Parameter, *, utf8: bool) -> bytes:
    """RFC 9051 7.5.2: sections are joined; what was in a charset is UTF-8 under the name with "*".

    The plain form must be ASCII: there such a value is as it was written, and one in raw UTF-8 is put as RFC 2231 has
    it (RFC 2047 5 forbids encoded words here).  What its charset cannot decode is as it was written in both.
    """
    name, value = param.name, param.value
    if param.encoded is not None:
        name += b"*"
        value = value if utf8 and REPLACEMENT not in value else param.encoded
    elif not (utf8 or value.isascii() or not is_utf8(value)):
        name, value = name + b"*", b"utf-8''" + percent_encoded(value)
    return string(name, utf8=utf8) + b" " + string(value, utf8=utf8)


def without_extensions(structure: bytes) -> bytes:
    """The BODY form of a BODYSTRUCTURE that we wrote."""
    return _basic(structure, 0)[0]


_VALUE: Final = pattern(rb'"(?:[^"\\]++|\\.)*+"|\{([0-9]+)\}\r\n|[^\s()"{]++')
_MESSAGES: Final = frozenset({(b'"message"', b'"rfc822"'), (b'"message"', b'"global"')})


def _basic(structure: bytes, start: int) -> tuple[bytes, int]:
    """The body that opens at start, without extensions, and the place after it."""
    kept = []
    position = start + 1
    if structure[position : position + 1] == b"(":
        while structure[position : position + 1] == b"(":
            child, position = _basic(structure, position)
            kept.append(child)
        end = _after(structure, position + 1)
        body = b"(" + b"".join(kept) + structure[position:end] + b")"
    else:
        body, end = _basic_single(structure, position)
    return body, _after_list(structure, end)


def _basic_single(structure: bytes, start: int) -> tuple[bytes, int]:
    type_end = _after(structure, start)
    kind = structure[start:type_end].lower()
    end = subtype_end = _after(structure, type_end + 1)
    for _ in range(5):  # parameters, id, description, encoding, octets
        end = _after(structure, end + 1)
    if kind == b'"text"':
        end = _after(structure, end + 1)
    elif (kind, structure[type_end + 1 : subtype_end].lower()) in _MESSAGES:
        envelope_end = _after(structure, end + 1)
        inner, inner_end = _basic(structure, envelope_end + 1)
        end = _after(structure, inner_end + 1)
        kept = structure[start : envelope_end + 1] + inner + structure[inner_end:end]
        return b"(" + kept + b")", end
    return b"(" + structure[start:end] + b")", end


def _after(structure: bytes, position: int) -> int:
    """The place after the value at position: a string, a literal, an atom, or a list."""
    if structure[position : position + 1] == b"(":
        return _after_list(structure, position + 1)
    value = _VALUE.match(structure, position)
    assert value is not None, "only what we wrote is read here"
    return value.end() + int(value[1] or 0)


def _after_list(structure: bytes, position: int) -> int:
    """The place after the bracket that closes the list we are in."""
    while structure[position : position + 1] != b")":
        position = _after(structure, position + (structure[position : position + 1] == b" "))
    return position + 1
