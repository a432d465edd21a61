"""The commits of mailbox databases, read from what was written to their WAL: what each wrote, and what was there then.

Which commit a command depends on is not guessed from times: it is the first after which the command's worker has in its
folders what the command was to leave there.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import apsw

from adapters.blobs.packs import Packs
from adapters.stores.sql import Params, SqlReadTx
from conformance.durability.contents import Folders, folders
from conformance.durability.disk import Disk, File
from conformance.durability.recording import Event, Kind
from conformance.durability.workers import Step, Worker
from core.model import Blob, MailboxId

_WAL_HEADER, _FRAME_HEADER = 32, 24  # octets; https://sqlite.org/walformat.html
_FRAME = struct.Struct(">II")  # page number, pages of the database after the commit (0: not the last frame of one)


@dataclass(frozen=True)
class Commit:
    """`first` and `last`: where in the order its first and its last octet were written to the WAL."""

    database: str
    wal: File
    first: int
    last: int
    frames: int


class Wal:
    """One database and its WAL: `note` after each event, when the disk has taken it."""

    def __init__(self, database: str, disk: Disk) -> None:
        self.path, self.database = f"{database}-wal", database
        self._disk = disk
        self._file: File | None = None
        self._pages: dict[int, tuple[int, int, bytes]] = {}  # frame -> (place in the order, page number, page)
        self._image = bytearray()
        self.restarts = 0

    def note(self, event: Event) -> Commit | None:
        """The commit that ends with this event, if one does."""
        if event.kind is not Kind.WRITE or event.path != self.path:
            return None
        node = self._disk.names[self.path]
        assert isinstance(node, File), "a WAL is a file"
        if node is not self._file or event.offset == 0:  # a new WAL, or the old one from its beginning
            self.restarts += node is self._file
            self._file, self._pages = node, {}
            if event.offset == 0:
                return None
        page_size = struct.unpack_from(">I", node.now, 8)[0]
        frame, within = divmod(event.offset - _WAL_HEADER, _FRAME_HEADER + page_size)
        if within != _FRAME_HEADER:
            assert (within, len(event.data)) == (0, _FRAME_HEADER), "SQLite writes a frame's header, then its page"
            return None
        assert len(event.data) == page_size, "a page is written whole"
        number, pages = _FRAME.unpack_from(node.now, event.offset - _FRAME_HEADER)
        self._pages[frame] = (event.at, number, event.data)
        return self._committed(node, frame, page_size, pages) if pages else None

    def _committed(self, node: File, frame: int, page_size: int, pages: int) -> Commit:
        # Frames beyond are of a transaction that was rolled back.
        mine = [found for number, found in sorted(self._pages.items()) if number <= frame]
        self._pages.clear()
        if not self._image:
            base = self._disk.names[self.database]
            assert isinstance(base, File), "a database is a file"
            self._image += base.now
        self._image.extend(bytes(max(0, pages * page_size - len(self._image))))
        for _, number, page in mine:
            self._image[(number - 1) * page_size : number * page_size] = page
        del self._image[pages * page_size :]
        first = min(at for at, _, _ in mine)
        return Commit(self.database, node, first, mine[-1][0], len(mine))

    def tx(self) -> SqlReadTx:
        """What is there after the last commit."""
        octets = bytearray(self._image)
        octets[18:20] = b"\1\1"  # not in WAL mode: in memory there is none
        connection = apsw.Connection(":memory:")
        connection.deserialize("main", bytes(octets))
        return SqlReadTx(_InMemory(connection), _NoPacks())


class _InMemory:
    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def execute(self, statement: str, params: Params) -> Iterator[tuple[object, ...]]:
        return self._connection.execute(statement, params)

    def executemany(self, statement: str, params: object) -> None:
        raise AssertionError("nobody writes here")


class _NoPacks(Packs):
    def __init__(self) -> None:
        """Bodies are compared by their hashes here; nothing is read."""


@dataclass(frozen=True)
class Acknowledged:
    """A step, when it was acknowledged, and the commit that it depends on."""

    worker: Worker
    step: Step
    at: int
    commit: Commit
    blobs: tuple[Blob, ...]


@dataclass
class Ties:
    """Finds the commit of each step; `note` after each commit."""

    workers: Sequence[Worker]
    mailboxes: Mapping[str, MailboxId]
    commits: list[Commit] = field(default_factory=list)
    of: dict[int, tuple[Commit, tuple[Blob, ...]]] = field(default_factory=dict)  # id of a step -> its commit, bodies
    _reached: dict[str, int] = field(default_factory=dict)

    def note(self, commit: Commit, tx: SqlReadTx) -> None:
        self.commits.append(commit)
        seen = folders(tx, self.mailboxes)
        for worker in self.workers:
            self._note(worker, worker.mine(seen), commit, tx)

    def _note(self, worker: Worker, seen: Folders, commit: Commit, tx: SqlReadTx) -> None:
        reached = self._reached.get(worker.name, 0)
        if reached < len(worker.steps) and _is(worker.steps[reached].after, seen):
            step = worker.steps[reached]
            blobs = tuple(blob for body in step.bodies if (blob := tx.blob(body)) is not None)
            self.of[id(step)] = (commit, blobs)
            self._reached[worker.name] = reached + 1


def _is(expected: Folders, seen: Folders) -> bool:
    """Like differences(), in a hurry."""
    if expected.keys() != seen.keys():
        return False
    for path, mail in expected.items():
        there = seen[path]
        if mail.keys() != there.keys():
            return False
        if any(one.uid not in (None, there[body].uid) or one.flags != there[body].flags for body, one in mail.items()):
            return False
    return True
