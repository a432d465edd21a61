"""Message bytes out of the stream, for DATA and for BDAT, however the stream was cut.

A bare CR or LF is never taken for a line end and never let through: a message is refused for it, but only after its
proper end (RFC 5321 2.3.8 and 4.1.1.4).  Where two servers disagree about such ends, one message becomes two.
"""

from io import IncrementalNewlineDecoder

_END = b"\r\n.\r\n"
_DOT = b"\r\n."
# What the end may look like so far, longest first.
_BEGUN = tuple(_END[:length] for length in range(len(_END) - 1, 0, -1))


class LineEnds:
    """Watches a stream for a CR without its LF, or an LF without its CR, wherever it is cut.

    The standard library's newline decoder notes which kinds of line ends it has met, a pair cut in two included, in a
    quarter of the time of counting them.
    """

    def __init__(self) -> None:
        self._decoder = IncrementalNewlineDecoder(None, translate=False)

    def see(self, piece: bytes, *, final: bool = False) -> None:
        """The next octets; after the final ones no LF can come any more."""
        self._decoder.decode(piece.decode("latin-1"), final)

    @property
    def bare(self) -> bool:
        """Whether any line end so far was anything but CR LF."""
        return self._decoder.newlines not in (None, "\r\n")


class DotReader:
    """DATA: up to the line with nothing but a dot, without the dots that the client doubled (RFC 5321 4.5.2)."""

    def __init__(self) -> None:
        # The data begins at the beginning of a line, as if a line end had come before; it is taken off again.
        self._held = b"\r\n"
        self._at_start = True
        self._ends = LineEnds()
        self.ended = False
        # What came behind the end: the next commands.
        self.rest = b""

    @property
    def bare(self) -> bool:
        return self._ends.bare

    def feed(self, chunk: bytes) -> bytes:
        """The message's next piece, perhaps empty."""
        chunk = self._held + chunk
        # Most chunks of an attachment have no dot at all, and looking for one octet is ten times as fast.
        dot = chunk.find(_DOT) if b"." in chunk else -1
        end = chunk.find(_END, dot) if dot >= 0 else -1
        if end >= 0:
            self.ended, self._held, self.rest = True, b"", chunk[end + len(_END) :]
            piece = chunk[: end + 2]
        else:
            self._held = _begun_end(chunk)
            piece = chunk[: len(chunk) - len(self._held)]
        self._ends.see(piece)
        if 0 <= dot < len(piece) - 2:  # else the only dot is the end's own
            piece = piece.replace(_DOT, b"\r\n")
        return self._without_start(piece)

    def _without_start(self, piece: bytes) -> bytes:
        if self._at_start and piece:
            self._at_start = False
            return piece[2:]
        return piece


def _begun_end(chunk: bytes) -> bytes:
    return next(filter(chunk.endswith, _BEGUN), b"")


class ChunkReader:
    """BDAT: every octet as it came (RFC 3030 section 2), but the same watch on line ends over all chunks.

    Without BINARYMIME, which is not announced, a message is text also here (RFC 3030 section 3).
    """

    def __init__(self) -> None:
        self._ends = LineEnds()

    @property
    def bare(self) -> bool:
        return self._ends.bare

    def feed(self, piece: bytes) -> bytes:
        self._ends.see(piece)
        return piece

    def finish(self) -> None:
        """The last chunk was the last."""
        self._ends.see(b"", final=True)
