"""What is computed once of a message on its way in, and the trace headers that a delivery adds to it."""

import hashlib
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache

from msgspec import msgpack

from core.formats.mime import Scan, encode_parts
from core.model import Blob, Incoming

_ENCODER = msgpack.Encoder()
MICROSECONDS = 1_000_000


def describe(scan: Scan, blob: Blob) -> Incoming:
    """A scanned message as the store takes it."""
    richer = (scan.envelope_utf8, scan.structure_utf8)
    return Incoming(
        blob=blob,
        sent_at=scan.summary.sent_at,
        envelope=scan.envelope,
        structure=scan.structure,
        parts=encode_parts(scan.parts),
        summary=_ENCODER.encode(scan.summary),
        utf8=None if richer == (None, None) else _ENCODER.encode(richer),
    )


def delivery_token(scan: Scan, digest: bytes, sender: str) -> bytes:
    """By what a repeated delivery is known (T-7.2): Message-ID, Date and body; without Message-ID, sender and body.

    The body counts, so that nobody can suppress another's mail by sending one with the same Message-ID first.
    """
    summary = scan.summary
    named = f"{summary.message_id}\n{summary.sent_at}" if summary.message_id else f"\n{sender}"
    return hashlib.sha256(digest + named.encode("utf-8", "surrogateescape")).digest()


def trace_headers(*, sender: str, recipient: str, received: str, at: int) -> bytes:
    """What stands above a message in one mailbox: Return-Path (RFC 5321 4.4), Delivered-To, and one Received."""
    stamp = _date(at // MICROSECONDS)
    lines = f"Return-Path: <{sender}>\r\nDelivered-To: {recipient}\r\nReceived: {received};\r\n\t{stamp}\r\n"
    return lines.encode("utf-8")


@lru_cache(2)
def _date(seconds: int) -> str:
    return format_datetime(datetime.fromtimestamp(seconds, UTC))
