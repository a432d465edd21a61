"""Part numbers, and the stored form of the tree."""

import pytest

from core.formats.mime import Part, PartTable, decode_parts, encode_parts, extent, scan, section
from tests.core.formats.messages import crlf

# The message of RFC 3501 6.4.5, whose part numbers are given there.
EXAMPLE = crlf("""Subject: top
Content-Type: multipart/mixed; boundary=m

--m
Content-Type: text/plain

[1]
--m
Content-Type: application/octet-stream

[2]
--m
Content-Type: message/rfc822

Subject: three
Content-Type: multipart/mixed; boundary=t

--t
Content-Type: text/plain

[3.1]
--t
Content-Type: application/octet-stream

[3.2]
--t--
--m
Content-Type: multipart/mixed; boundary=f

--f
Content-Type: image/gif

[4.1]
--f
Content-Type: message/rfc822

Subject: four two
Content-Type: multipart/mixed; boundary=g

--g
Content-Type: text/plain

[4.2.1]
--g
Content-Type: multipart/alternative; boundary=h

--h
Content-Type: text/plain

[4.2.2.1]
--h
Content-Type: text/richtext

[4.2.2.2]
--h--
--g--
--f--
--m--
""")


@pytest.mark.parametrize("number", ["1", "2", "3.1", "3.2", "4.1", "4.2.1", "4.2.2.1", "4.2.2.2"])
def test_parts_have_the_numbers_of_rfc_3501(number: str) -> None:
    path = tuple(map(int, number.split(".")))
    scanned = scan(EXAMPLE)
    for found in (extent(scanned.root, path), extent(scanned.parts, path)):
        assert found is not None
        assert EXAMPLE[slice(*found)] == f"[{number}]".encode()


@pytest.mark.parametrize(
    "path",
    [(0,), (5,), (1, 1), (2, 1), (3, 3), (3, 1, 1), (4, 3), (4, 1, 1), (4, 2, 2, 3), (-1,), (3, 0), (4, 2, 2, 1, 1)],
)
def test_other_numbers_are_no_parts(path: tuple[int, ...]) -> None:
    assert section(scan(EXAMPLE).parts, path) is None
    assert extent(scan(EXAMPLE).parts, path) is None


def octets_of(octets: bytes, path: tuple[int, ...], specifier: str) -> bytes | None:
    found = extent(scan(octets).parts, path, specifier)  # type: ignore[arg-type]
    return None if found is None else octets[slice(*found)]


def test_header_and_text_belong_to_messages_only() -> None:
    assert octets_of(EXAMPLE, (), "HEADER") == EXAMPLE[: EXAMPLE.index(b"--m")]
    assert octets_of(EXAMPLE, (), "TEXT") == EXAMPLE[EXAMPLE.index(b"--m") :]
    assert octets_of(EXAMPLE, (3,), "HEADER") == b"Subject: three\r\nContent-Type: multipart/mixed; boundary=t\r\n\r\n"
    text = octets_of(EXAMPLE, (4, 2), "TEXT")
    assert text is not None
    assert text.startswith(b"--g\r\n")
    assert text.endswith(b"--g--")
    for path in ((1,), (4,), (4, 2, 2), (9,)):
        assert octets_of(EXAMPLE, path, "HEADER") is None
        assert octets_of(EXAMPLE, path, "TEXT") is None


def test_mime_is_the_header_of_the_part_itself() -> None:
    assert octets_of(EXAMPLE, (3,), "MIME") == b"Content-Type: message/rfc822\r\n\r\n"
    assert octets_of(EXAMPLE, (4, 1), "MIME") == b"Content-Type: image/gif\r\n\r\n"
    assert octets_of(EXAMPLE, (3, 1), "MIME") == b"Content-Type: text/plain\r\n\r\n"
    assert octets_of(EXAMPLE, (), "MIME") is None


def test_the_whole_message_is_the_empty_section() -> None:
    assert octets_of(EXAMPLE, (), "") == EXAMPLE


def test_a_message_that_is_no_multipart_has_part_1_only() -> None:
    octets = b"Subject: x\r\n\r\nbody"
    assert octets_of(octets, (1,), "") == b"body"
    assert octets_of(octets, (1,), "MIME") == b"Subject: x\r\n\r\n"
    assert octets_of(octets, (2,), "") is None
    assert octets_of(octets, (1, 1), "") is None


def test_a_message_that_is_a_message_counts_on_inside() -> None:
    octets = b"Content-Type: message/rfc822\n\nSubject: in\n\nbody"
    assert octets_of(octets, (1,), "") == b"Subject: in\n\nbody"
    assert octets_of(octets, (1,), "HEADER") == b"Subject: in\n\n"
    assert octets_of(octets, (1,), "TEXT") == b"body"
    assert octets_of(octets, (1, 1), "") == b"body"
    assert octets_of(octets, (1, 1, 1), "") is None
    assert octets_of(octets, (1, 2), "") is None


def test_an_empty_multipart_has_no_part() -> None:
    assert octets_of(b"Content-Type: multipart/mixed; boundary=b\n\n", (1,), "") is None


def test_the_stored_form_is_small_and_comes_back() -> None:
    parts = scan(EXAMPLE).parts
    stored = encode_parts(parts)
    assert decode_parts(stored) == parts
    assert len(stored) < 60 * EXAMPLE.count(b"Content-Type")


def test_the_table_knows_how_to_decode_a_part() -> None:
    octets = b"Content-Type: Text/HTML; Charset=UTF-8\nContent-Transfer-Encoding: Quoted-Printable\n\nx"
    assert scan(octets).parts == PartTable(0, 84, 85, "text", "html", "utf-8", "quoted-printable", is_message=False)


def test_a_part_says_everything_as_text() -> None:
    part = scan(
        "Content-Type: Image/PNG; Name=old.png; X*=iso-8859-1''%FC\n"
        "Content-ID: <a>\nContent-Description: =?utf-8?q?=C3=BC?=\nContent-Language: de, en\nContent-MD5: m\n"
        "Content-Location: löc\n"
        "Content-Disposition: Attachment; filename=plain.png; filename*=utf-8''%C3%BC.png\n\nx".encode()
    ).root
    assert (part.type, part.subtype, part.media_type) == ("Image", "PNG", "image/png")
    assert (part.param("name"), part.param("x"), part.param("none")) == ("old.png", "ü", None)
    assert (part.id, part.description, part.language, part.md5) == ("<a>", "ü", ("de", "en"), "m")
    assert part.location == "löc"
    assert part.disposition is not None
    assert part.disposition.type == "Attachment"
    assert part.filename == "ü.png"


def test_a_file_name_may_be_an_old_name_parameter_or_none() -> None:
    def name(header: bytes) -> str | None:
        part: Part = scan(header + b"\n\nx").root
        return part.filename

    assert name(b"Content-Type: image/png; name=a.png") == "a.png"
    assert name(b"Content-Type: image/png; name=a.png\nContent-Disposition: inline") == "a.png"
    assert name(b'Content-Type: image/png; name="=?utf-8?q?=C3=BC.png?="') == "ü.png"
    assert name(b"Content-Type: image/png") is None
