"""What is computed once of a message on its way in, and the trace headers that a delivery adds to it."""

from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from hashlib import sha256

from msgspec import msgpack

from core.formats.casemap import fold
from core.formats.mime import Scan, Summary, encode_parts
from core.model import Blob, Incoming

_ENCODER = msgpack.Encoder()
MICROSECONDS = 1_000_000
THREAD_ANCESTORS = 20  # of References: the nearest ones, of which one is known if any of the conversation is


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
        thread_keys=thread_keys(scan.summary),
    )


def thread_keys(summary: Summary) -> tuple[bytes, ...]:
    """By what a message and those that answer it find each other: message ids, or Outlook's conversation, and subject.

    Who changes the subject begins a new conversation, as people do who answer any mail to write to a list.
    """
    ids = dict.fromkeys((summary.message_id, *summary.references[: -THREAD_ANCESTORS - 1 : -1]))
    names = [name for name in ids if name]
    if summary.conversation:
        names.append(f"\n{summary.conversation}")
    subject = fold(summary.base_subject)
    return tuple([sha256(f"{name}\n{subject}".encode("utf-8", "surrogateescape")).digest()[:16] for name in names])


def delivery_token(scan: Scan, digest: bytes, sender: str) -> bytes:
    """By what a repeated delivery is known (T-7.2): Message-ID, Date and body; without Message-ID, sender and body.

    The body counts, so that nobody can suppress another's mail by sending one with the same Message-ID first.
    """
    summary = scan.summary
    named = f"{summary.message_id}\n{summary.sent_at}" if summary.message_id else f"\n{sender}"
    return sha256(digest + named.encode("utf-8", "surrogateescape")).digest()


def trace_headers(*, sender: str, recipient: str, received: str, at: int) -> bytes:
    """What stands above a message in one mailbox: Return-Path (RFC 5321 4.4), Delivered-To, and one Received."""
    stamp = _date(at // MICROSECONDS)
    lines = f"Return-Path: <{sender}>\r\nDelivered-To: {recipient}\r\nReceived: {received};\r\n\t{stamp}\r\n"
    return lines.encode("utf-8")


@lru_cache(2)
def _date(seconds: int) -> str:
    return format_datetime(datetime.fromtimestamp(seconds, UTC))
