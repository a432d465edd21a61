"""Message bodies on their way in: hashed and scanned as they come, in memory while small, in a pack once large.

The bodies of one command share a pack of their own, and are kept or discarded together.
"""

import hashlib
import os
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from msgspec.structs import replace

from adapters.blobs import frames
from adapters.blobs.packs import Packs, encode, record_header, write_all
from core.errors import Unavailable
from core.model import FRAMED, Blob


class Scanner(Protocol):
    def feed(self, data: bytes) -> None: ...


class Spool:
    """Takes a body's octets in pieces of any size; memory stays below two frames whatever comes.

    The frames of a large body are compressed and written as they fill, behind room for the largest table that a body of
    `limit` octets needs, so that the table can be written in front when all is known.
    """

    def __init__(
        self, packs: Callable[[], Packs], scanner: Scanner, limit: int, *, beside: "Spool | None" = None
    ) -> None:
        """`beside` is a finished spool of the same command: what is kept in memory is counted for both together."""
        self.size = 0
        self.scanner = scanner
        self._limit = limit
        self._hash = hashlib.sha256()
        self._buffer = bytearray()
        self._pack: _SharedPack = _SharedPack(packs) if beside is None else beside._pack
        self._body: _FramedBody | None = None

    def write(self, chunk: bytes) -> None:
        self.size += len(chunk)
        self._hash.update(chunk)
        self.scanner.feed(chunk)
        self._buffer += chunk
        while len(self._buffer) > frames.FRAME_OCTETS:
            if self._body is None:
                self._body = _FramedBody(self._pack, self._limit)
            self._body.add(bytes(self._buffer[: frames.FRAME_OCTETS]))
            del self._buffer[: frames.FRAME_OCTETS]

    def finish(self) -> Blob:
        """The whole body as a blob; what went to the pack is durable there when this returns."""
        with self._pack.lock:
            digest, rest = self._hash.digest(), bytes(self._buffer)
            self._buffer.clear()
            if self._body is None:
                return self._pack.place(encode(rest, digest))
            self._body.add(rest)
            return self._body.finish(digest, self.size)

    def keep(self) -> None:
        """A row names the blob now: its pack stays."""
        self._pack.close(keep=True)

    def discard(self) -> None:
        """Nothing needs the body any more, nor those beside it; harmless after `keep`."""
        self._pack.close(keep=False)
        self._buffer.clear()


@contextmanager
def _refusing() -> Iterator[None]:
    """A disk that is full or fails is no fault of ours: the client may try again later."""
    try:
        yield
    except OSError as fault:
        raise Unavailable("The message could not be written") from fault


class _SharedPack:
    """The pack of one command's bodies, which is made when the first of them must be written."""

    def __init__(self, packs: Callable[[], Packs]) -> None:
        # A thread may be finishing a body when the client goes: its descriptor must not become another file's.
        self.lock = threading.Lock()
        self.end = 0
        self._packs = packs
        self._place: tuple[int, int] | None = None  # (pack number, descriptor)
        self._held = 0  # octets of finished bodies that are in memory
        self._is_named = False  # the pack's name is durable
        self._is_closed = False

    def place(self, blob: Blob) -> Blob:
        """A body of one frame: stays in memory while all of them together are no more than one, else it is written."""
        if self._held + blob.size <= frames.FRAME_OCTETS:
            self._held += blob.size
            return blob
        header, data = record_header(blob), blob.data or b""
        start = self.end + len(header)
        self.write(header + data, self.end)
        self.end = start + len(data)
        return replace(blob, data=None, pack_id=self.settle(), pack_offset=start)

    def write(self, octets: bytes, offset: int) -> None:
        """Raises Unavailable."""
        if self._is_closed:
            raise ValueError("The bodies have been given up")
        with _refusing():
            if self._place is None:
                self._place = self._packs().begin_spool()
            write_all(self._place[1], octets, offset)

    def settle(self) -> int:
        """Makes what was written durable; the pack's number.  Raises Unavailable."""
        assert self._place is not None, "something was written"
        with _refusing():
            os.fdatasync(self._place[1])
            if not self._is_named:
                self._packs().sync_directory()
                self._is_named = True
        return self._place[0]

    def close(self, *, keep: bool) -> None:
        """The first to call this decides."""
        with self.lock:
            self._is_closed = True
            if self._place is not None:
                self._packs().end_spool(*self._place, keep=keep)
                self._place = None


class _FramedBody:
    """A body of more than one frame, behind those that are in the pack already."""

    def __init__(self, pack: _SharedPack, limit: int) -> None:
        self._pack = pack
        room = len(record_header(_EMPTY)) + frames.table_octets(-(-limit // frames.FRAME_OCTETS) + 1)
        self._first = self._end = pack.end + room
        self._entries: list[tuple[int, int]] = []

    def add(self, plain: bytes) -> None:
        length, stored = frames.frame(plain)
        self._pack.write(stored, self._end)
        self._end += len(stored)
        self._entries.append((length, zlib.crc32(stored)))

    def finish(self, digest: bytes, size: int) -> Blob:
        """Writes the table right before the first frame and the record header before that; then syncs file and name."""
        table = frames.table(self._entries)
        start = self._first - len(table)
        blob = Blob(digest, size, self._end - start, FRAMED, pack_offset=start)
        header = record_header(blob)
        self._pack.write(header + table, start - len(header))
        self._pack.end = self._end
        return replace(blob, pack_id=self._pack.settle())


_EMPTY = Blob(bytes(32), 0, 0, FRAMED)
