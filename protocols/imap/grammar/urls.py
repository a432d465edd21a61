"""IMAP URLs (RFC 5092) that name a message of the account itself, or a part of one."""

import re
from typing import Final

import msgspec
from msgspec import Struct

from protocols.imap.commands import Section
from protocols.imap.grammar.fetch import fetch
from protocols.imap.grammar.scanner import BadSyntax, Scanner

# RFC 5092 11: bchar, which has neither ";" nor "?", so that each part ends where the next begins.
_BCHAR: Final = rb"(?:[A-Za-z0-9\-._~!$'()*+,&=:@/]|%[0-9A-Fa-f]{2})"
_NZ_NUMBER: Final = rb"[1-9][0-9]{0,9}"
_PART_OF_MESSAGE: Final = re.compile(
    rb"/(?!/)(?P<mailbox>%(bchar)b+)(?:;UIDVALIDITY=(?P<validity>%(nz)b))?/;UID=(?P<uid>%(nz)b)"
    rb"(?:/;SECTION=(?P<section>%(bchar)b+))?(?:/;PARTIAL=(?P<start>[0-9]{1,10})(?:\.(?P<length>%(nz)b))?)?"
    % {b"bchar": _BCHAR, b"nz": _NZ_NUMBER},
    re.IGNORECASE,
)
_ENCODED: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_TO_THE_END: Final = 1 << 62


class MessageUrl(Struct, frozen=True, gc=False):
    """The octets of a section of a message, as FETCH would give them."""

    mailbox: str
    uidvalidity: int | None
    uid: int
    section: Section


def message_url(url: bytes) -> MessageUrl:
    """iabsolute-path with an imessagepart (RFC 5092 11); raises BadSyntax.

    RFC 4469 3 leaves all URLs with a server out, and RFC 5092 7.2 those that are relative to a mailbox.
    """
    found = _PART_OF_MESSAGE.fullmatch(url)
    if found is None:
        raise BadSyntax("Not the URL of a message here")
    validity = None if found["validity"] is None else int(found["validity"])
    section = _section(_decoded(found["section"] or b""))
    if found["start"] is not None:
        length = _TO_THE_END if found["length"] is None else int(found["length"])
        section = msgspec.structs.replace(section, partial=(int(found["start"]), length))
    return MessageUrl(_mailbox(found["mailbox"]), validity, int(found["uid"]), section)


def _decoded(octets: bytes) -> bytes:
    return _ENCODED.sub(lambda code: bytes([int(code[1], 16)]), octets)


def _mailbox(octets: bytes) -> str:
    """RFC 5092 8: a mailbox name in UTF-8; 7: without segments that a URL's reader would have resolved."""
    if any(segment in (b".", b"..") for segment in octets.split(b"/")):
        raise BadSyntax("The URL has dot segments")
    try:
        return _decoded(octets).decode("utf-8")
    except UnicodeDecodeError:
        raise BadSyntax("The mailbox name is not UTF-8") from None


def _section(specification: bytes) -> Section:
    """RFC 5092 6: the object returned by UID FETCH ... BODY.PEEK[<section>]."""
    scanner = Scanner(b" 1 BODY.PEEK[%b]" % specification, 0, (), utf8=False)
    (item,) = fetch(scanner, b"", False).items
    assert isinstance(item, Section), "what begins with BODY and ends with a bracket is nothing else"
    return item
