"""What is left of a damaged body, and the message that takes its place."""

import random
from email import message_from_bytes
from email.policy import SMTP

import pytest
from msgspec import msgpack

from core.formats.mime import Scanner
from core.integrity.bodies import FINE_OCTETS, SLICE_OCTETS, pieces, replacement

HEAD = (
    b"From: =?utf-8?q?J=C3=BCrgen?= <j@x>\r\nTo: a@x, b@x\r\nSubject: caf\xc3\xa9\r\n"
    b"Message-ID: <1@x>\r\nDate: 1 Jan 2001 00:00:00 +0000\r\n"
)
TEXT = HEAD + b"\r\n" + random.Random(1).randbytes(3 * SLICE_OCTETS + 100)


def summary(text: bytes) -> bytes:
    scanner = Scanner()
    scanner.feed(text)
    return msgpack.encode(scanner.finish().summary)


def reading(*lost: int, granule: int = 1):  # type: ignore[no-untyped-def]
    """What reads TEXT, but not what holds one of these octets."""

    def read(start: int, stop: int) -> bytes:
        low, high = start // granule * granule, -(-stop // granule) * granule
        if any(low <= octet < high for octet in lost):
            raise OSError("unreadable")
        return TEXT[start:stop]

    return read


def test_a_sound_body_is_read_whole() -> None:
    assert b"".join(piece for piece in pieces(reading(), len(TEXT)) if isinstance(piece, bytes)) == TEXT
    assert list(pieces(reading(), 0)) == []


@pytest.mark.parametrize("lost", [0, 5, FINE_OCTETS, SLICE_OCTETS - 1, SLICE_OCTETS, len(TEXT) - 1])
def test_only_what_is_near_the_damage_is_lost(lost: int) -> None:
    found = list(pieces(reading(lost), len(TEXT)))
    assert sum(piece if isinstance(piece, int) else len(piece) for piece in found) == len(TEXT)
    assert sum(piece for piece in found if isinstance(piece, int)) <= FINE_OCTETS
    position = 0
    for piece in found:
        if isinstance(piece, bytes):
            assert piece == TEXT[position : position + len(piece)]
        position += piece if isinstance(piece, int) else len(piece)


def test_a_compressed_frame_is_lost_as_a_whole() -> None:
    found = list(pieces(reading(2 * SLICE_OCTETS + 1, granule=SLICE_OCTETS), len(TEXT)))
    assert sum(piece for piece in found if isinstance(piece, int)) == SLICE_OCTETS


def put(body: list[bytes | int], *, lost: int, prefix: bytes = b"Return-Path: <s@x>\r\n", known: bytes = b"") -> bytes:
    return b"".join(replacement(prefix, known or summary(TEXT), body, lost=lost, size=len(TEXT)))


def test_the_header_stays_where_it_can_be_read() -> None:
    text = put([TEXT[:SLICE_OCTETS], 6, 4, b"rest"], lost=10)
    assert text.startswith(b"Return-Path: <s@x>\r\nX-Penfold-Damaged: 10 of ")
    assert HEAD in text
    assert text.endswith(b"\r\n[10 octets are lost]\r\nrest")
    assert b"some octets differ" in put([TEXT], lost=0)


def test_a_header_that_is_lost_is_made_of_what_was_remembered() -> None:
    parsed = message_from_bytes(put([len(TEXT)], lost=len(TEXT)), policy=SMTP)
    assert parsed["return-path"] == "<s@x>"
    assert (parsed["subject"], parsed["message-id"]) == ("café", "<1@x>")
    assert [(one.display_name, one.addr_spec) for one in parsed["from"].addresses] == [("Jürgen", "j@x")]
    assert [one.addr_spec for one in parsed["to"].addresses] == ["a@x", "b@x"]
    assert parsed["date"].datetime.year == 2001
    assert "octets are lost" in parsed.get_content()


@pytest.mark.parametrize("known", [b"", b"\xc1", msgpack.encode("text"), msgpack.encode([1, 2])])
def test_a_summary_that_is_lost_too_is_done_without(known: bytes) -> None:
    text = b"".join(replacement(b"", known, [5], lost=5, size=5))
    assert message_from_bytes(text, policy=SMTP).get_content().splitlines()[-1] == "[5 octets are lost]"


def test_no_line_can_be_smuggled_into_the_header() -> None:
    text = TEXT.replace(b"caf\xc3\xa9", b"=?utf-8?q?a=0D=0ABcc:_evil@x=0D=0A=0D=0Abody?=").replace(b"1@x", b"1\xff@x")
    parsed = message_from_bytes(put([9], lost=9, known=summary(text)), policy=SMTP)
    assert parsed["bcc"] is None
    assert parsed["subject"] == "a Bcc: evil@x body"
