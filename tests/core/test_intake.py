import hashlib

import pytest

from core.formats.mime import scan
from core.intake import delivery_token, describe, trace_headers
from core.model import PLAIN, Blob
from tests.support.store import MORNING

MESSAGE = b"From: a@example.org\r\nDate: Mon, 1 Jan 2024 10:00:00 +0000\r\nMessage-ID: <1@x>\r\n\r\nbody\r\n"


def token(message: bytes, sender: str = "a@example.org") -> bytes:
    return delivery_token(scan(message), hashlib.sha256(message).digest(), sender)


def test_the_same_message_has_the_same_token_whoever_sends_it() -> None:
    """T-7.2: a retry may come by another way."""
    assert token(MESSAGE) == token(MESSAGE, "relay@example.org")


@pytest.mark.parametrize(("old", "new"), [(b"10:00:00", b"10:00:01"), (b"<1@x>", b"<2@x>"), (b"body", b"other body")])
def test_another_date_id_or_body_is_another_message(old: bytes, new: bytes) -> None:
    """T-7.2: also the body, or one could suppress another's mail by its Message-ID."""
    assert token(MESSAGE.replace(old, new)) != token(MESSAGE)


def test_without_a_message_id_the_sender_counts() -> None:
    nameless = MESSAGE.replace(b"Message-ID: <1@x>\r\n", b"")
    assert token(nameless) == token(nameless)
    assert token(nameless) != token(nameless, "b@example.org")


def test_the_trace_headers_end_in_a_line_and_say_who_and_when() -> None:
    """RFC 5321 4.4: Return-Path, then Received with a date."""
    headers = trace_headers(sender="a@example.org", recipient="b@example.org", received="from x by y", at=MORNING)
    assert headers.splitlines() == [
        b"Return-Path: <a@example.org>",
        b"Delivered-To: b@example.org",
        b"Received: from x by y;",
        b"\tTue, 14 Nov 2023 22:13:20 +0000",
    ]
    assert headers.endswith(b"\r\n")


@pytest.mark.parametrize(("message", "is_richer"), [(MESSAGE, False), (b"Subject: \xc3\xa9\r\n\r\n", True)])
def test_a_second_rendering_is_kept_only_where_it_differs(message: bytes, is_richer: bool) -> None:
    """RFC 6855: raw UTF-8 in headers is for sessions that asked for it."""
    blob = Blob(hashlib.sha256(message).digest(), len(message), len(message), PLAIN, data=message)
    found = scan(message)
    incoming = describe(found, blob)
    assert incoming.blob is blob
    assert (incoming.envelope, incoming.structure, incoming.sent_at) == (
        found.envelope,
        found.structure,
        found.summary.sent_at,
    )
    assert (incoming.utf8 is not None) is is_richer
