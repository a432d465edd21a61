"""Pack files: bodies too large for a row, appended one after the other and made durable together.

A record is a header (magic, stored length, plain length, encoding, hash) and the stored bytes, so that a database could
be rebuilt from its packs.  After a crash a pack may end in bytes that no row names: every start opens a fresh pack, and
what no row names is never read.  A body larger than one frame is written straight to a pack of its own as it comes in.

Several processes may make packs in one directory.  Whoever writes to a pack holds a lock on it until every commit that
could name its newest records is over; so a pack without a lock that no row names is nobody's, whatever became of its
process.
"""

import fcntl
import os
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from msgspec.structs import replace

from adapters.blobs import frames
from core.errors import Unavailable
from core.model import FRAMED, PLAIN, Blob

PACK_OCTETS = 256 * 1024 * 1024  # a pack is closed once it is that large
SEARCHED_OCTETS = 1 << 20  # at a time, for a record
REMOVED_AT_A_TIME = 200  # packs, of which each is open for a moment
_HEADER = struct.Struct("<4sQQB32s")
_MAGIC = b"PFB1"


def record_header(blob: Blob) -> bytes:
    """What stands in front of a blob's stored bytes."""
    return _HEADER.pack(_MAGIC, blob.stored_size, blob.size, blob.encoding, blob.hash)


class Packs:
    """The pack files of one mailbox database.  `append` and `sync` belong to its writer; reading is for any thread."""

    def __init__(self, directory: Path, now: Callable[[], int] = lambda: 0) -> None:
        """`now` is a clock's: packs are numbered by when they were made, so that no number comes back."""
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._lock = threading.Lock()
        numbers = [int(path.stem) for path in directory.glob("*.pack")]
        self._next = max(numbers, default=0) + 1
        self._now = now
        self._current: tuple[int, int] | None = None  # (pack number, descriptor) being appended to
        self._held: list[int] = []  # descriptors of other packs with records that the next commit may name
        self._offset = 0
        self._dirty = False

    def _path(self, pack_id: int) -> Path:
        return self._directory / f"{pack_id}.pack"

    def _create(self) -> tuple[int, int]:
        """(number, descriptor) of a new pack, which is locked until it is closed."""
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC
        while True:
            with self._lock:
                pack_id = max(self._next, self._now())
                self._next = pack_id + 1
            try:
                descriptor = os.open(self._path(pack_id), flags, 0o600)
            except FileExistsError:
                continue  # another process was first
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            if os.fstat(descriptor).st_nlink:
                return pack_id, descriptor
            os.close(descriptor)  # removed between the two, when it had no lock yet

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
            self._held.append(self._current[1])
            self._current = None  # or a failure to open the next would have this descriptor closed twice
        self._current, self._offset = self._create(), 0
        self.sync_directory()

    def sync(self) -> None:
        """Makes everything appended so far durable."""
        if self._dirty and self._current is not None:
            os.fdatasync(self._current[1])
            self._dirty = False

    def settle(self) -> None:
        """What was appended before is named by a commit now, or never will be; called between transactions."""
        while self._held:
            os.close(self._held.pop())

    def hold(self, pack_id: int) -> None:
        """Keeps a pack that came with a command until `settle`, whoever wrote it.  Raises Unavailable: it is gone."""
        try:
            descriptor = os.open(self._path(pack_id), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as gone:
            raise Unavailable("The body is not there any more") from gone
        self._held.append(descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        if not os.fstat(descriptor).st_nlink:
            raise Unavailable("The body is not there any more")

    def abandon(self) -> None:
        """After a failed write: the pack's end is unknown, so nothing more is appended to it."""
        current, self._current, self._dirty = self._current, None, False
        if current is not None:
            os.close(current[1])

    def begin_spool(self) -> tuple[int, int]:
        """(pack number, descriptor) of a new pack for one body; `end_spool` must follow."""
        return self._create()

    def end_spool(self, pack_id: int, descriptor: int, *, keep: bool) -> None:
        """The body is in a row now (or is not wanted): closes its pack, and removes it unless it is kept."""
        if not keep:
            self._path(pack_id).unlink(missing_ok=True)
        os.close(descriptor)

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
            _check_record(descriptor, blob)
            return _plain(blob, lambda low, high: _fetch(descriptor, blob, low, high), start, stop)
        finally:
            os.close(descriptor)

    def records(self) -> Iterator[Blob]:
        """Whatever looks like a record, in all packs: live, dead, or half-written; the bodies are not looked at."""
        for pack_id in sorted(int(path.stem) for path in self._directory.glob("*.pack")):
            with self._path(pack_id).open("rb") as pack:
                yield from _records(pack, pack_id)

    # ------------------------------------------------------------------------------------------ upkeep

    def remove_unnamed(self, named: Callable[[], Iterable[int]]) -> None:
        """Removes packs that nobody writes to and no row names; `named` reads which ones rows name.

        That is asked again once they are known to have no writer: what any of them named is committed by then.
        """
        known = set(named())
        with ExitStack() as held:
            unnamed = (path for path in self._directory.glob("*.pack") if int(path.stem) not in known)
            unheld = [path for path in islice(unnamed, REMOVED_AT_A_TIME) if _hold(path, held)]
            known = set(named()) if unheld else known
            for path in unheld:
                if int(path.stem) not in known:
                    path.unlink(missing_ok=True)

    def close(self) -> None:
        self.sync()
        self.settle()
        if self._current is not None:
            os.close(self._current[1])
        self._current = None


def _hold(path: Path, held: ExitStack) -> bool:
    """Whether nobody writes to a pack; from then on nobody can, until it is given free."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    held.callback(os.close, descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _records(pack: BinaryIO, pack_id: int) -> Iterator[Blob]:
    """One behind the other; where there is none, from the next on that can be found."""
    end = pack.seek(0, os.SEEK_END)
    at: int | None = 0
    while at is not None:
        pack.seek(at)
        header = pack.read(_HEADER.size)
        if len(header) < _HEADER.size:
            return
        magic, stored_size, size, encoding, digest = _HEADER.unpack(header)
        body = at + _HEADER.size
        if magic == _MAGIC and encoding in (PLAIN, FRAMED) and body + stored_size <= end:
            yield Blob(digest, size, stored_size, encoding, pack_id=pack_id, pack_offset=body)
            at = body + stored_size
        else:
            at = _next_magic(pack, at + 1)


def _next_magic(pack: BinaryIO, start: int) -> int | None:
    """Where the next record may begin."""
    pack.seek(start)
    window = b""
    while piece := pack.read(SEARCHED_OCTETS):
        window = window[1 - len(_MAGIC) :] + piece
        if (found := window.find(_MAGIC)) >= 0:
            return pack.tell() - len(window) + found
    return None


def _plain(blob: Blob, fetch: Callable[[int, int], bytes], start: int, stop: int) -> bytes:
    stop = min(stop, blob.size)
    if start >= stop:
        return b""
    if blob.encoding == PLAIN:
        return fetch(start, stop)
    return frames.read(fetch, blob.size, start, stop)


def _check_record(descriptor: int, blob: Blob) -> None:
    """Whether it is this blob that is there: nobody must ever be shown another's."""
    assert blob.pack_offset is not None, "a blob in a pack has a place there"
    if os.pread(descriptor, _HEADER.size, blob.pack_offset - _HEADER.size) != record_header(blob):
        raise frames.CorruptFrame(f"Pack {blob.pack_id} has no such record at that place")


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
