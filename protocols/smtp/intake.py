"""One message's way into its spool, and the first thing that went wrong on it.

A message that failed is still read to its end (RFC 5321 4.2.5, RFC 3030 section 2), but nothing of it is kept.
"""

from protocols.smtp import limits, replies
from protocols.smtp.datareader import ChunkReader, DotReader
from protocols.smtp.envelope import Spool


class Intake:
    """The message that is coming in; with no spool, octets that only have to be got over with."""

    def __init__(self, spool: Spool | None, limit: int, failure: bytes | None = None) -> None:
        self.spool = spool
        self.failure = failure
        self.size = 0
        self._limit = limit
        self.chunks = ChunkReader()

    def take(self, piece: bytes, reader: DotReader | ChunkReader) -> None:
        """Keep what the reader made of the next bytes."""
        self.size += len(piece)
        if self.failure is None:
            self._judge(reader)
        if self.failure is None and self.spool is not None and piece:
            self.spool.write(piece)

    def end_of_chunks(self) -> None:
        """No BDAT will follow."""
        self.chunks.finish()
        if self.failure is None:
            self._judge(self.chunks)

    def _judge(self, reader: DotReader | ChunkReader) -> None:
        if self.size > self._limit:
            self.fail(replies.TOO_LARGE)
        elif reader.bare:
            self.fail(replies.BARE_LINE_END)

    def overruns(self, more: int = 0) -> bool:
        """Whether so much came, or is announced, that it is not worth getting over with."""
        return self.size + more > self._limit * limits.OVERRUN

    def fail(self, reply: bytes) -> None:
        self.failure = reply
        self.discard()

    def discard(self) -> None:
        if self.spool is not None:
            self.spool.discard()
