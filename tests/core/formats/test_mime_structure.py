"""BODYSTRUCTURE and BODY, as a client gets them."""

import pytest

from core.formats.mime import scan, without_extensions
from tests.core.formats.messages import check_scan, crlf


def structure(text: str) -> str:
    octets = crlf(text)
    scanned = scan(octets)
    check_scan(octets, scanned)
    return scanned.structure.decode()


def single(header: str) -> str:
    return structure(header + "\n\nx\n")


PLAIN = '("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 3 1 NIL NIL NIL NIL)'


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Subject: x", PLAIN),
        ("Content-Type: nonsense", PLAIN),
        ("Content-Type: /plain", PLAIN),
        ("Content-Type:", PLAIN),
        ("Content-Transfer-Encoding:", PLAIN),
        ("Content-Type: text; charset=utf-8", PLAIN.replace('"CHARSET" "us-ascii"', '"charset" "utf-8"')),
        ("Content-Type: multipart/mixed", PLAIN),
        (
            "Content-Type: Text/HTML (what?); Charset=UTF-8; format=flowed",
            '("Text" "HTML" ("Charset" "UTF-8" "format" "flowed") NIL NIL "7BIT" 3 1 NIL NIL NIL NIL)',
        ),
        (
            "Content-Type: text/plain; format=flowed",
            '("text" "plain" ("format" "flowed" "CHARSET" "us-ascii") NIL NIL "7BIT" 3 1 NIL NIL NIL NIL)',
        ),
        ("Content-Type: image/png", '("image" "png" NIL NIL NIL "7BIT" 3 NIL NIL NIL NIL)'),
        (
            "Content-Type: image/png; name=a.png\nContent-ID: <a@b>\nContent-Description: A\n picture\n"
            "Content-Transfer-Encoding: BASE64 (really)\nContent-MD5: abc==\nContent-Language: de, en (x)\n"
            'Content-Disposition: attachment; filename="a b.png"\nContent-Location: http://x/',
            '("image" "png" ("name" "a.png") "<a@b>" "A picture" "BASE64" 3 "abc=="'
            ' ("attachment" ("filename" "a b.png")) ("de" "en") "http://x/")',
        ),
        (
            "Content-Type: image/png\nContent-Disposition: inline",
            '("image" "png" NIL NIL NIL "7BIT" 3 NIL ("inline" NIL) NIL NIL)',
        ),
        (
            "Content-Type: image/png\nContent-Disposition: ; filename=x",
            '("image" "png" NIL NIL NIL "7BIT" 3 NIL NIL NIL NIL)',
        ),
        (
            "Content-Type: message/delivery-status",
            '("message" "delivery-status" NIL NIL NIL "7BIT" 3 NIL NIL NIL NIL)',
        ),
        (
            "Content-Type: image/png; name*0=long; name*1=er",
            '("image" "png" ("name" "longer") NIL NIL "7BIT" 3 NIL NIL NIL NIL)',
        ),
        (
            "Content-Type: image/png; name*=iso-8859-1''%FC.png",
            '("image" "png" ("name*" "iso-8859-1\'\'%FC.png") NIL NIL "7BIT" 3 NIL NIL NIL NIL)',
        ),
        (
            "Content-Type: image/png; name=ü.png",
            '("image" "png" ("name*" "utf-8\'\'%C3%BC.png") NIL NIL "7BIT" 3 NIL NIL NIL NIL)',
        ),
    ],
)
def test_a_single_part(header: str, expected: str) -> None:
    assert single(header) == expected


def test_new_clients_get_utf8_in_parameters_and_descriptions() -> None:
    for field in ("name=ü.png", "name*=iso-8859-1''%FC.png"):
        name = field.partition("=")[0]
        richer = scan(f"Content-Type: image/png; {field}\nContent-Description: für\n\nx".encode()).structure_utf8
        assert richer is not None
        assert richer.decode() == f'("image" "png" ("{name}" "ü.png") NIL "für" "7BIT" 1 NIL NIL NIL NIL)'


def test_octets_of_no_charset_are_a_literal_for_both() -> None:
    scanned = scan(b"Content-Type: image/png; name=\xfc\n\nx")
    assert scanned.structure == b'("image" "png" ("name" {1}\r\n\xfc) NIL NIL "7BIT" 1 NIL NIL NIL NIL)'
    assert scanned.structure_utf8 is None


def test_an_asterisk_alone_makes_no_second_form() -> None:
    assert scan(b"Subject: a*b\n\nx").structure_utf8 is None


NESTED = """Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain; charset=utf-8

one
--b
Content-Type: message/rfc822
Content-Disposition: attachment

From: a@b
Subject: within (it)

two
--b
Content-Type: multipart/alternative; boundary=i

--i

three
--i
Content-Type: text/html

four
--i--
--b--
"""


def test_parts_nest_as_they_do_in_the_message() -> None:
    assert structure(NESTED) == (
        '(("text" "plain" ("charset" "utf-8") NIL NIL "7BIT" 3 0 NIL NIL NIL NIL)'
        '("message" "rfc822" NIL NIL NIL "7BIT" 38'
        ' (NIL "within (it)" ((NIL NIL "a" "b")) ((NIL NIL "a" "b")) ((NIL NIL "a" "b")) NIL NIL NIL NIL NIL)'
        ' ("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 3 0 NIL NIL NIL NIL) 3'
        ' NIL ("attachment" NIL) NIL NIL)'
        '(("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 5 0 NIL NIL NIL NIL)'
        '("text" "html" ("CHARSET" "us-ascii") NIL NIL "7BIT" 4 0 NIL NIL NIL NIL)'
        ' "alternative" ("boundary" "i") NIL NIL NIL)'
        ' "mixed" ("boundary" "b") NIL NIL NIL)'
    )


def test_body_is_the_structure_without_its_extensions() -> None:
    assert without_extensions(scan(crlf(NESTED)).structure).decode() == (
        '(("text" "plain" ("charset" "utf-8") NIL NIL "7BIT" 3 0)'
        '("message" "rfc822" NIL NIL NIL "7BIT" 38'
        ' (NIL "within (it)" ((NIL NIL "a" "b")) ((NIL NIL "a" "b")) ((NIL NIL "a" "b")) NIL NIL NIL NIL NIL)'
        ' ("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 3 0) 3)'
        '(("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 5 0)'
        '("text" "html" ("CHARSET" "us-ascii") NIL NIL "7BIT" 4 0)'
        ' "alternative") "mixed")'
    )


def test_brackets_in_literals_and_quotes_do_not_confuse_body() -> None:
    octets = b'Content-Type: image/png; name="a)\xff("\nContent-Description: (\\" ) x"\n\ny'
    body = without_extensions(scan(octets).structure)
    assert body == b'("image" "png" ("name" {4}\r\na)\xff() NIL "(\\\\\\" ) x\\"" "7BIT" 1)'


def test_a_multipart_without_parts_gets_an_empty_text() -> None:
    expected = '(("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 0 0) "mixed" ("boundary" "b") NIL NIL NIL)'
    assert structure("Content-Type: multipart/mixed; boundary=b\n\nno delimiter\n") == expected
    assert structure("Content-Type: multipart/mixed; boundary=b\n") == expected


def test_a_message_with_a_raw_utf8_envelope_has_two_structures() -> None:
    scanned = scan("Content-Type: message/rfc822\n\nSubject: Grüße\n\nx".encode())
    assert scanned.structure.isascii()
    assert scanned.structure_utf8 is not None
    assert '"Grüße"'.encode() in scanned.structure_utf8
    assert scanned.envelope_utf8 is None
