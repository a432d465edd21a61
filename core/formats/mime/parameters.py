"""Content-Type and Content-Disposition: a value and its parameters, RFC 2231 sections joined and decoded."""

from binascii import unhexlify
from re import DOTALL, Match
from re import compile as pattern
from typing import Final, NamedTuple

from .addresses import comment_end, unquoted
from .limits import MAX_PARAMS
from .text import decode_text


class Parameter(NamedTuple):
    """The value is raw; or, if extended (RFC 2231: name*=charset'language'text), decoded and in UTF-8.

    `encoded` is an extended value as it was written, its sections joined: charset and language are kept there, and
    octets that the charset does not have.
    """

    name: bytes
    value: bytes
    encoded: bytes | None = None

    @property
    def extended(self) -> bool:
        return self.encoded is not None


_PARAMETER: Final = pattern(
    rb';[ \t\r\n]*+([^\s=;"]++)[ \t\r\n]*+=[ \t\r\n]*+(?:"((?:[^"\\]++|\\.)*+)|([^;]*+))', DOTALL
)
_VALUE: Final = pattern(rb"[ \t\r\n]*+([^\s;]*+)")
_SECTION: Final = pattern(rb"([^*]++)(?:\*([0-9]{1,4}))?(\*)?")
_OUTSIDE: Final = pattern(rb'"(?:[^"\\]++|\\.)*+"?|(?:\A|(?<=[\s;]))\(', DOTALL)
_PERCENT: Final = pattern(rb"%([0-9A-Fa-f]{2})")
_NOT_ATTRIBUTE_CHAR: Final = pattern(rb"[^A-Za-z0-9!#$&+.^_`{|}~-]")  # RFC 5987 3.2.1, the safe part of RFC 2231's
_NOT_PRINTABLE: Final = pattern(rb"[^\x20-\x7e]")

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
            params.setdefault(name.lower(), Parameter(name, content))
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
    first = min(sections)
    run = [sections[first]]
    while (following := first + len(run)) in sections:
        run.append(sections[following])
    if not any(encoded for _, encoded in run):
        return Parameter(name, b"".join([value for value, _ in run]))
    label, run[0] = _label(*run[0])
    octets = b"".join([_percent_decoded(value) if encoded else value for value, encoded in run])
    text = b"".join(
        [_NOT_PRINTABLE.sub(_percent, value) if encoded else percent_encoded(value) for value, encoded in run]
    )
    charset = label.partition(b"'")[0] or b"us-ascii"
    return Parameter(name, decode_text(octets, charset.decode("latin-1")).encode(), label + text)


def _label(value: bytes, encoded: bool) -> tuple[bytes, tuple[bytes, bool]]:
    """RFC 2231 4: charset'language' before the text of a first section; where the quotes are missing all is text."""
    parts = value.split(b"'", 2)
    if not encoded or len(parts) != 3:
        return b"''", (value, encoded)
    charset, language, text = (_NOT_PRINTABLE.sub(_percent, part) for part in parts)
    return b"%b'%b'" % (charset, language), (text, encoded)


def percent_encoded(value: bytes) -> bytes:
    """Octets as RFC 2231 4 writes them."""
    return _NOT_ATTRIBUTE_CHAR.sub(_percent, value)


def _percent(octet: Match[bytes]) -> bytes:
    return b"%%%02X" % octet[0][0]


def _percent_decoded(value: bytes) -> bytes:
    return _PERCENT.sub(lambda escape: unhexlify(escape[1]), value)
