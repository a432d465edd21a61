"""What the store gives of messages for SORT and THREAD, from their headers."""

from msgspec import msgpack

from core.formats import mime
from protocols.imap.finding.columns import Row


def row(uid: int, header: str = "", *, size: int = 0, arrived: int = 0) -> Row:
    """A message that arrived at a second."""
    summary = mime.scan(header.encode() + b"\n\n").summary
    return uid, size, arrived * 1_000_000, summary.sent_at, msgpack.encode(summary)


def summary_of(row: Row) -> mime.Summary:
    return msgpack.decode(row[4], type=mime.Summary)
