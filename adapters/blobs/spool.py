"""A message body on its way in: hashed and scanned as it comes, in memory while small, in its own pack once large."""

import hashlib
import os
import zlib
from collections.abc import Callable
from typing import Protocol

from adapters.blobs import frames
from adapters.blobs.packs import Packs, encode, record_header, write_all
from core.model import FRAMED, Blob


class Scanner(Protocol):
    def feed(self, data: bytes) -> None: ...


class Spool:
    """Takes a body's octets in pieces of any size; memory stays below two frames whatever comes.

    The frames of a large body are compressed and written as they fill, behind room for the largest table that a body of
    `limit` octets needs, so that the table can be written in front when all is known.
    """

    def __init__(self, packs: Callable[[], Packs], scanner: Scanner, limit: int) -> None:
        self.size = 0
        self.scanner = scanner
        self._packs = packs
        self._limit = limit
        self._hash = hashlib.sha256()
        self._buffer = bytearray()
        self._file: _FramedFile | None = None

    def write(self, chunk: bytes) -> None:
        self.size += len(chunk)
        self._hash.update(chunk)
        self.scanner.feed(chunk)
        self._buffer += chunk
        while len(self._buffer) > frames.FRAME_OCTETS:
            if self._file is None:
                self._file = _FramedFile(self._packs(), self._limit)
            self._file.add(bytes(self._buffer[: frames.FRAME_OCTETS]))
            del self._buffer[: frames.FRAME_OCTETS]

    def finish(self) -> Blob:
        """The whole body as a blob; a large one is durable in its pack when this returns."""
        digest, rest = self._hash.digest(), bytes(self._buffer)
        self._buffer.clear()
        if self._file is None:
            return encode(rest, digest)
        self._file.add(rest)
        return self._file.finish(digest, self.size)

    def keep(self) -> None:
        """A row names the blob now: its pack stays."""
        if self._file is not None:
            self._file.close(keep=True)
            self._file = None

    def discard(self) -> None:
        """Nothing needs the body any more; harmless after `keep`."""
        self._buffer.clear()
        if self._file is not None:
            self._file.close(keep=False)
            self._file = None


class _FramedFile:
    """A pack that holds one framed body."""

    def __init__(self, packs: Packs, limit: int) -> None:
        self._packs = packs
        self._pack_id, self._descriptor = packs.begin_spool()
        self._room = len(record_header(_EMPTY)) + frames.table_octets(-(-limit // frames.FRAME_OCTETS) + 1)
        self._end = self._room
        self._entries: list[tuple[int, int]] = []

    def add(self, plain: bytes) -> None:
        length, stored = frames.frame(plain)
        write_all(self._descriptor, stored, self._end)
        self._end += len(stored)
        self._entries.append((length, zlib.crc32(stored)))

    def finish(self, digest: bytes, size: int) -> Blob:
        """Writes the table right before the first frame and the record header before that; then syncs file and name."""
        table = frames.table(self._entries)
        start = self._room - len(table)
        blob = Blob(digest, size, self._end - start, FRAMED, pack_id=self._pack_id, pack_offset=start)
        header = record_header(blob)
        write_all(self._descriptor, header + table, start - len(header))
        os.fdatasync(self._descriptor)
        self._packs.sync_directory()
        return blob

    def close(self, *, keep: bool) -> None:
        self._packs.end_spool(self._pack_id, self._descriptor, keep=keep)


_EMPTY = Blob(bytes(32), 0, 0, FRAMED)
