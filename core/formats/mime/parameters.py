"""Content-Type and Content-Disposition: a value and its parameters, RFC 2231 sections joined and decoded."""

from binascii import unhexlify
from re import DOTALL
from re import compile as pattern
from typing import Final, NamedTuple

from .addresses import comment_end, unquoted
from .limits import MAX_PARAMS
from .text import decode_text


class Parameter(NamedTuple):
    """The value is raw; or, if extended (RFC 2231: name*=charset'language'text), decoded and in UTF-8."""

    name: bytes
    value: bytes
    extended: bool


_PARAMETER: Final = pattern(
    rb';[ \t\r\n]*+([^\s=;"]++)[ \t\r\n]*+=[ \t\r\n]*+(?:"((?:[^"\\]++|\\.)*+)|([^;]*+))', DOTALL
)
_VALUE: Final = pattern(rb"[ \t\r\n]*+([^\s;]*+)")
_SECTION: Final = pattern(rb"([^*]++)(?:\*([0-9]{1,4}))?(\*)?")
_OUTSIDE: Final = pattern(rb'"(?:[^"\\]++|\\.)*+"?|(?:\A|(?<=[\s;]))\(', DOTALL)
_PERCENT: Final = pattern(rb"%([0-9A-Fa-f]{2})")

_Sections = dict[int, tuple[bytes, bool]]  # number: octets, and whether they are encoded


def parse_parameters(raw: bytes) -> tuple[bytes, tuple[Parameter, ...]]:
    """The value before the first ";", and the parameters after it, of an unfolded field."""
    raw = without_comments(raw)
    value = _VALUE.match(raw)
    assert value is not None, "the pattern matches nothing too"
    params: dict[bytes, Parameter] = {}
    sections: dict[bytes, _Sections] = {}
    for name, quoted, token in _PARAMETER.findall(raw, value.end())[:MAX_PARAMS]:
        content = unquoted(quoted) or token.rstrip()
        if b"*" in name and (section := _SECTION.fullmatch(name)):
            numbered = sections.setdefault(section[1], {})
            numbered.setdefault(int(section[2] or 0), (content, section[3] is not None))
        else:
            # The first of several equal ones counts, as it does for fields.
            params.setdefault(name.lower(), Parameter(name, content, extended=False))
    return value[1], (*params.values(), *[_joined(name, sections[name]) for name in sections])


def without_comments(value: bytes) -> bytes:
    """Comments become a blank (RFC 2045 5.1).  A "(" inside a word stays: name=report(1).pdf is a file name."""
    if b"(" not in value:
        return value
    kept = []
    position = 0
    while found := _OUTSIDE.search(value, position):
        if found[0] == b"(":
            kept += [value[position : found.start()], b" "]
            position = comment_end(value, found.start())
        else:
            kept.append(value[position : found.end()])
            position = found.end()
    return b"".join(kept) + value[position:]


def _joined(name: bytes, sections: _Sections) -> Parameter:
    """RFC 2231 3 and 4.  What follows a missing section is lost."""
    value, extended = sections[min(sections)]
    charset = b"us-ascii"
    if extended:
        # RFC 2231 4: charset'language'text; the quotes may be missing, then all is text.
        parts = value.split(b"'", 2)
        charset, value = (parts[0], parts[2]) if len(parts) == 3 else (charset, value)
        value = _percent_decoded(value)
    octets = [value]
    following = min(sections) + 1
    while following in sections:
        more, encoded = sections[following]
        extended = extended or encoded
        octets.append(_percent_decoded(more) if encoded else more)
        following += 1
    joined = b"".join(octets)
    if extended:
        joined = decode_text(joined, charset.decode("latin-1")).encode()
    return Parameter(name, joined, extended)


def _percent_decoded(value: bytes) -> bytes:
    return _PERCENT.sub(lambda escape: unhexlify(escape[1]), value)
