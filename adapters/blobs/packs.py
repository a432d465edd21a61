"""Pack files: bodies too large for a row, appended one after the other and made durable together.

A record is a header (magic, stored length, plain length, encoding, hash) and the stored bytes, so that a database could
be rebuilt from its packs.  After a crash a pack may end in bytes that no row names: every start opens a fresh pack, and
what no row names is never read.  A body larger than one frame is written straight to a pack of its own as it comes in.
"""

import os
import struct
import threading
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from adapters.blobs import frames
from core.model import PLAIN, Blob

PACK_OCTETS = 256 * 1024 * 1024  # a pack is closed once it is that large
_HEADER = struct.Struct("<4sQQB32s")
_MAGIC = b"PFB1"


def record_header(blob: Blob) -> bytes:
    """What stands in front of a blob's stored bytes."""
    return _HEADER.pack(_MAGIC, blob.stored_size, blob.size, blob.encoding, blob.hash)


class Packs:
    """The pack files of one mailbox database.  `append` and `sync` belong to its writer; reading is for any thread."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._lock = threading.Lock()
        numbers = [int(path.stem) for path in directory.glob("*.pack")]
        self._next = max(numbers, default=0) + 1
        self._current: tuple[int, int] | None = None  # (pack number, descriptor) being appended to
        self._spooling: set[int] = set()
        self._appending: set[int] = set()  # packs whose newest records may not be named by a commit yet
        self._offset = 0
        self._dirty = False

    def _path(self, pack_id: int) -> Path:
        return self._directory / f"{pack_id}.pack"

    def _create(self, gaining: set[int]) -> tuple[int, int]:
        # Number and membership in one step: between them `newest` would give the new pack up for removal.
        with self._lock:
            pack_id, self._next = self._next, self._next + 1
            gaining.add(pack_id)
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC
        return pack_id, os.open(self._path(pack_id), flags, 0o600)

    def sync_directory(self) -> None:
        """Makes the names of new packs durable."""
        descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    # ------------------------------------------------------------------------------------------ writing

    def append(self, blob: Blob) -> Blob:
        """Writes a blob's record behind the last; durable only after `sync`."""
        assert blob.data is not None, "a blob without a place carries its bytes"
        if self._current is None or self._offset >= PACK_OCTETS:
            self._roll()
        assert self._current is not None, "_roll opened a pack"
        pack_id, descriptor = self._current
        record = record_header(blob) + blob.data
        write_all(descriptor, record, self._offset)
        placed = replace(blob, data=None, pack_id=pack_id, pack_offset=self._offset + _HEADER.size)
        self._offset += len(record)
        self._dirty = True
        return placed

    def _roll(self) -> None:
        self.sync()
        if self._current is not None:
            os.close(self._current[1])
            self._current = None  # or a failure to open the next would have this descriptor closed twice
        self._current, self._offset = self._create(self._appending), 0
        self.sync_directory()

    def sync(self) -> None:
        """Makes everything appended so far durable."""
        if self._dirty and self._current is not None:
            os.fdatasync(self._current[1])
            self._dirty = False

    def settle(self) -> None:
        """What was appended before is named by a commit now, or never will be; called between transactions."""
        with self._lock:
            self._appending.intersection_update({self._current[0]} if self._current is not None else ())

    def abandon(self) -> None:
        """After a failed write: the pack's end is unknown, so nothing more is appended to it."""
        current, self._current, self._dirty = self._current, None, False
        if current is not None:
            os.close(current[1])

    def begin_spool(self) -> tuple[int, int]:
        """(pack number, descriptor) of a new pack for one body; `end_spool` must follow."""
        return self._create(self._spooling)

    def end_spool(self, pack_id: int, descriptor: int, *, keep: bool) -> None:
        """The body is in a row now (or is not wanted): closes its pack, and removes it unless it is kept."""
        os.close(descriptor)
        if not keep:
            self._path(pack_id).unlink(missing_ok=True)
        with self._lock:
            self._spooling.discard(pack_id)

    def newest(self) -> int:
        """The lowest number of a pack that may still gain records, or rows that name it."""
        with self._lock:
            return min({*self._spooling, *self._appending, self._next})

    # ------------------------------------------------------------------------------------------ reading

    def read(self, blob: Blob, start: int, stop: int) -> bytes:
        """Plain octets start..stop.  Raises FileNotFoundError when the pack is gone."""
        if blob.data is not None:
            data = blob.data
            return _plain(blob, lambda low, high: data[low:high], start, stop)
        assert blob.pack_id is not None, "a blob is in its row or in a pack"
        # Opened anew each time: a kept descriptor could be closed, and its number reused, under another thread's read.
        descriptor = os.open(self._path(blob.pack_id), os.O_RDONLY | os.O_CLOEXEC)
        try:
            return _plain(blob, lambda low, high: _fetch(descriptor, blob, low, high), start, stop)
        finally:
            os.close(descriptor)

    # ------------------------------------------------------------------------------------------ upkeep

    def remove_unnamed(self, below: int, named: set[int]) -> None:
        """Removes the packs with a number below the given that no row names."""
        for path in self._directory.glob("*.pack"):
            if int(path.stem) < below and int(path.stem) not in named:
                path.unlink(missing_ok=True)

    def close(self) -> None:
        self.sync()
        if self._current is not None:
            os.close(self._current[1])
        self._current = None


def _plain(blob: Blob, fetch: Callable[[int, int], bytes], start: int, stop: int) -> bytes:
    stop = min(stop, blob.size)
    if start >= stop:
        return b""
    if blob.encoding == PLAIN:
        return fetch(start, stop)
    return frames.read(fetch, blob.size, start, stop)


def _fetch(descriptor: int, blob: Blob, start: int, stop: int) -> bytes:
    """Stored octets start..stop of a blob in an open pack."""
    assert blob.pack_offset is not None, "a blob in a pack has a place there"
    octets = os.pread(descriptor, stop - start, blob.pack_offset + start)
    if len(octets) != stop - start:
        raise frames.CorruptFrame(f"Pack {blob.pack_id} ends too early")
    return octets


def write_all(descriptor: int, octets: bytes, offset: int) -> None:
    """Writes every octet at that place; a short write is continued."""
    view = memoryview(octets)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def encode(plain: bytes, digest: bytes) -> Blob:
    """A blob, not yet anywhere, of a body that fits in one frame: as it is.

    Compressing it would win a quarter of its room and cost as much as all else that is done with its octets.
    """
    return Blob(digest, len(plain), len(plain), PLAIN, data=plain)
