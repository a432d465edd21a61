"""COMPRESS=DEFLATE (RFC 4978): raw DEFLATE both ways, with flat memory however well the client's octets shrink."""

import zlib
from typing import Final

WINDOW_BITS: Final = -15  # raw, without zlib's header (RFC 4978 3)
LEVEL: Final = 1  # mail shrinks to within a tenth of what level 6 makes of it, for a third of the time
PIECE_OCTETS: Final = 64 * 1024  # inflated at once


class Deflate:
    """One connection's two streams."""

    def __init__(self) -> None:
        self._deflater = zlib.compressobj(LEVEL, zlib.DEFLATED, WINDOW_BITS)
        self._inflater = zlib.decompressobj(WINDOW_BITS)
        self._waiting = b""

    def compress(self, octets: bytes) -> bytes:
        """What to send; the client can read all of it at once."""
        return self._deflater.compress(octets) + self._deflater.flush(zlib.Z_SYNC_FLUSH)

    def feed(self, data: bytes) -> None:
        """Takes octets from the client."""
        self._waiting += data

    @property
    def is_empty(self) -> bool:
        """Whether all that came has been inflated."""
        return not self._waiting

    @property
    def has_ended(self) -> bool:
        """Whether the client has ended its stream: what is waiting is plain."""
        return self._inflater.eof

    @property
    def plain(self) -> bytes:
        """What came and was not inflated, for who takes it as it is."""
        return self._waiting

    def inflated(self) -> bytes:
        """The next octets that the client meant, at most PIECE_OCTETS; b"" when more must come.  Raises zlib.error."""
        if not self._waiting or self._inflater.eof:
            return b""
        waiting, self._waiting = self._waiting, b""
        octets = self._inflater.decompress(waiting, PIECE_OCTETS)
        self._waiting = self._inflater.unconsumed_tail or self._inflater.unused_data
        return octets
