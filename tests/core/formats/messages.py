"""Builds messages for the tests, and scans them."""

from collections.abc import Iterator
from itertools import islice

from core.formats.mime import Part, Scan, Scanner, decode_parts, encode_parts, without_extensions
from tests.core.formats.imap_reader import check_body, check_envelope, read


def crlf(text: str) -> bytes:
    """Readable test text as a message has it."""
    return text.encode().replace(b"\n", b"\r\n")


def scan_in_pieces(octets: bytes, size: int) -> Scan:
    scanner = Scanner()
    for start in range(0, len(octets), size):
        scanner.feed(octets[start : start + size])
    return scanner.finish()


def check_scan(octets: bytes, scanned: Scan) -> None:
    """What holds for every message whatever."""
    assert scanned.size == len(octets)
    assert scanned.lines == octets.count(b"\n")
    check_envelope(read(scanned.envelope))
    check_body(read(scanned.structure), extensible=True)
    check_body(read(without_extensions(scanned.structure)), extensible=False)
    if scanned.envelope_utf8 is not None:
        assert scanned.envelope_utf8 != scanned.envelope
        check_envelope(read(scanned.envelope_utf8, utf8=True))
    if scanned.structure_utf8 is not None:
        assert scanned.structure_utf8 != scanned.structure
        check_body(read(scanned.structure_utf8, utf8=True), extensible=True)
        check_body(read(without_extensions(scanned.structure_utf8), utf8=True), extensible=False)
    assert decode_parts(encode_parts(scanned.parts)) == scanned.parts
    assert len(scanned.summary.preview) <= 200
    assert "\0" not in repr(scanned.summary).replace("\\0", "")

    def walk(part: Part, start: int, end: int) -> None:
        assert start <= part.header_start <= part.body_start <= part.body_end <= end
        assert part.lines == octets.count(b"\n", part.body_start, part.body_end)
        inner = part.body_start
        for child in part.children:
            walk(child, inner, part.body_end)
            inner = child.body_end
        assert not part.is_message or len(part.children) == 1

    assert scanned.root.header_start == 0
    assert scanned.root.body_end == len(octets)
    walk(scanned.root, 0, len(octets))


def pieces(octets: bytes, cuts: Iterator[int]) -> Iterator[bytes]:
    """The octets in pieces of the lengths given, and the rest."""
    at = 0
    for length in islice(cuts, 10_000):
        if at >= len(octets):
            return
        yield octets[at : at + length]
        at += length
    yield octets[at:]
