"""Other people's mails: each scans, whole and in pieces, and agrees with Python's email package where that is right."""

from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header as email_decode_header
from email.header import make_header
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from core.formats.mime import Part, scan
from tests.core.formats.messages import check_scan, scan_in_pieces

CORPUS = Path(__file__).parents[2] / "corpus" / "mail"
FILES = sorted(path.relative_to(CORPUS).as_posix() for path in CORPUS.rglob("*") if path.is_file())

Tree = tuple[str, list[Any]]

FOLDED_QUOTES = "email splits quoted strings at folds and sees no boundary"
DOUBLED = "email swallows a delimiter that follows another at once; here it begins an empty part"
SAME_BOUNDARY = "nested multiparts share one boundary: email gives it to the outer, we to the inner one"
PREFIX = "RFC 2046 5.1.1: a line that begins with the delimiter is one; email wants the whole line"

STRUCTURE_DIFFERS = {
    "bounces-sisimai/lhost-x1-02.eml": "a line end without a blank in Content-Type: email makes it part of the type",
    "mail-parser/malformed__000.eml": DOUBLED,
    "mail-parser/malformed__003.eml": SAME_BOUNDARY,
    "mail-parser/malformed__004.eml": SAME_BOUNDARY,
    "mail-parser/malformed__005.eml": SAME_BOUNDARY,
    "mail-parser/malformed__013.eml": SAME_BOUNDARY,
    "mail-parser/malformed__019.eml": "a junk line inside the header: email ends the header there",
    "mail-parser/thirdparty__012.eml": FOLDED_QUOTES,
    "mime4j/ending-boundaries.msg.eml": PREFIX,
    "mime4j/very-long-boundary.msg.eml": "the boundary ends in blanks, which email drops",
    "mime4j/very-very-long-boundary.msg.eml": "the boundary is longer than the octets that we compare",
    "mime4j/weird-boundary.msg.eml": "the boundary ends in blanks, which email drops",
    "mimekit-messages/feedback-report.txt": "a junk line inside the header: email ends the header there",
    "mimekit-messages/issue358.txt": "a junk line inside the header: email ends the header there",
    "mimetools/2002_06_12_doublebound.msg.eml": DOUBLED,
    "mimetools/double-bound.msg.eml": DOUBLED,
    "mimetools/multi-badnames.msg.eml": FOLDED_QUOTES,
    "mimetools/multi-clen.msg.eml": FOLDED_QUOTES,
    "mimetools/multi-digest.msg.eml": FOLDED_QUOTES,
    "mimetools/multi-simple.msg.eml": FOLDED_QUOTES,
    "ruby-mail/mime_emails__raw_email4.eml": PREFIX,
}


def test_the_corpus_is_there() -> None:
    assert len(FILES) == 594


@pytest.mark.parametrize("name", FILES)
def test_every_file_scans_whole_and_in_pieces(name: str) -> None:
    octets = (CORPUS / name).read_bytes()
    scanned = scan(octets)
    check_scan(octets, scanned)
    for size in (1, 7, 100, 4_096) if len(octets) < 8_000 else (61, 1_024, 65_536):
        assert scan_in_pieces(octets, size) == scanned


def lines_end_with_cr_only(octets: bytes) -> bool:
    """Old Mac files: email takes CR for a line end, SMTP and IMAP know no such lines."""
    return octets.count(b"\r") > octets.count(b"\n")


def theirs(message: Message) -> Tree:
    kind = message.get_content_type()
    if kind.startswith("multipart/") and not message.get_boundary():
        return ("text/plain", [])
    # email takes apart delivery reports and what else is message/*; RFC 3501 knows only these as messages.
    if message.is_multipart() and (kind.startswith("multipart/") or kind in ("message/rfc822", "message/global")):
        return (kind, [theirs(part) for part in message.get_payload()])  # type: ignore[arg-type]
    return (kind, [])


def ours(part: Part) -> Tree:
    return (part.media_type, [ours(child) for child in part.children])


@pytest.mark.parametrize("name", FILES)
def test_the_tree_of_parts_is_that_of_the_email_package(name: str) -> None:
    octets = (CORPUS / name).read_bytes()
    if lines_end_with_cr_only(octets):
        return
    same = ours(scan(octets).root) == theirs(message_from_bytes(octets))
    assert same != (name in STRUCTURE_DIFFERS), STRUCTURE_DIFFERS.get(name)


@pytest.mark.parametrize("name", FILES)
def test_an_ascii_subject_is_decoded_like_the_email_package_does(name: str) -> None:
    octets = (CORPUS / name).read_bytes()
    header = message_from_bytes(octets)["Subject"]
    if lines_end_with_cr_only(octets) or not isinstance(header, str) or name in STRUCTURE_DIFFERS:
        return
    try:
        expected = str(make_header(email_decode_header(header)))
    except (HeaderParseError, LookupError, UnicodeDecodeError, ValueError):
        return
    # email puts blanks around encoded words and keeps line ends, so blanks are not compared; NUL is never kept.
    assert squeezed(scan(octets).summary.subject) == squeezed(expected.replace("\0", ""))


def squeezed(text: str) -> str:
    return "".join(text.split())
