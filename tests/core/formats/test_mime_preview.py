"""Previews (RFC 8970)."""

from base64 import b64encode

import pytest

from core.formats.mime import scan
from tests.core.formats.messages import crlf


def preview(octets: bytes) -> str:
    return scan(octets).summary.preview


def html(body: str) -> str:
    return preview(f"Content-Type: text/html; charset=utf-8\n\n{body}".encode())


def test_blanks_and_line_ends_are_one_space() -> None:
    assert preview(b"\r\n\r\n  Hello,\r\n\r\n\tworld \r\n") == "Hello, world"


def test_it_is_cut_at_200_characters() -> None:
    assert preview(b"\n" + b"x" * 5_000) == "x" * 200
    assert preview(b"\n" + b"word " * 500) == ("word " * 40).strip()
    assert len(preview(b"\n" + b"a " * 5_000)) == 199


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "8bit"])
def test_it_is_decoded(encoding: str) -> None:
    text = "Grüße, " * 100
    body = {
        "base64": b64encode(text.encode()),
        "quoted-printable": text.replace("ü", "=C3=BC").replace("ß", "=C3=9F").encode(),
        "8bit": text.encode(),
    }[encoding]
    header = f"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: {encoding}\n\n".encode()
    assert preview(header + body) == text[:200].strip()


def test_a_sample_cut_inside_a_character_shows_no_broken_one() -> None:
    text = "\u4f60" * 10 + " " * 570
    assert preview(b"Content-Type: text/plain; charset=utf-8\n\n" + (text + "\u597d").encode() + b"\xe5") == (
        "\u4f60" * 10 + " \u597d"
    )


def test_unlabelled_utf8_is_recognised_though_the_sample_ends_inside_a_character() -> None:
    assert preview(b"\n" + "é".encode() + b"x" * 101 + b" " * 495 + "é".encode()) == "é" + "x" * 101 + " é"
    assert preview(b"\n" + ("x" + "é" * 1_500).encode()) == "x" + "é" * 199


ALTERNATIVE = """Content-Type: multipart/alternative; boundary=b

--b
Content-Type: text/html

<p>rich
--b
Content-Type: text/plain

{plain}
--b--
"""


def test_of_alternatives_the_plain_one_is_shown_unless_it_is_blank() -> None:
    assert preview(crlf(ALTERNATIVE.format(plain="poor"))) == "poor"
    assert preview(crlf(ALTERNATIVE.format(plain="  "))) == "rich"


def test_a_footer_after_an_html_body_is_not_the_message() -> None:
    octets = crlf("""Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/html

<p>body
--b
Content-Type: text/plain

footer of the list
--b--
""")
    assert preview(octets) == "body"


def test_attachments_and_what_is_no_text_are_passed_over() -> None:
    octets = crlf("""Content-Type: multipart/mixed; boundary=b

--b
Content-Type: image/png

PNG
--b
Content-Type: text/plain
Content-Disposition: attachment

attached
--b
Content-Type: message/rfc822

Subject: x

forwarded
--b--
""")
    assert preview(octets) == "forwarded"


def test_without_any_text_it_is_empty() -> None:
    assert preview(b"Content-Type: image/png\n\nPNG") == ""


def test_only_the_first_few_texts_are_looked_at() -> None:
    blank = "--b\n\n \n"
    octets = crlf("Content-Type: multipart/mixed; boundary=b\n\n" + blank * 4 + "--b\n\nfifth\n--b--\n")
    assert preview(octets) == ""


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>Hello <b>world</b></p>", "Hello world"),
        ("<html><head><title>T</title><style>p{}</style></head><body>x</body></html>", "x"),
        ("<STYLE type=x>p{}</STYLE >a<script>1<2</script>b", "a b"),
        ("a<!-- hidden -->b<!doctype html>c", "a b c"),
        ("a &amp; b &lt; c &#252; &nbsp; d", "a & b < c ü d"),
        ("1 < 2", "1 < 2"),
        ("a<style>never closed", "a"),
        ("a<!-- never closed", "a"),
        ("a<img src='never closed", "a"),
        ("&zwnj;&nbsp;\u034f&#8203;pre&shy;header", "preheader"),
        ("<style>" + "p{}" * 3_000 + "</style>late", "late"),
        ("", ""),
    ],
)
def test_markup_is_removed(markup: str, text: str) -> None:
    assert html(markup) == text
