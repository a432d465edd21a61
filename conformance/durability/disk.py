"""A disk as a recorded server has left it: what is on it for certain, what may be, and what readers see.

The rules are those of POSIX, not of one kind of file system: octets are safe once a sync of their file that began after
they were written has ended; a name is safe once a sync of its directory has.  All else may be there or not.
"""

import random
from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from conformance.durability.recording import Event, Kind

SECTOR = 512  # what a disk writes whole
UNRECORDED = ("-shm", ".lock")  # SQLite's index of its WAL is mapped, and made anew; locks are empty


class Change(NamedTuple):
    """Octets written, or cut off (then zeros), and the file's size after that."""

    at: int
    offset: int
    data: bytes
    size: int


class Synced:
    """What one can ask to be made safe: since when is what happened at some place in the order safe?"""

    def __init__(self) -> None:
        self.syncs: list[tuple[int, int]] = []  # (ended, began), in the order of their ends

    def safe_from(self, at: int) -> int | None:
        """Where in the order the first sync ended that began after that."""
        later = islice(self.syncs, bisect_right(self.syncs, (at, at)), None)
        return next((ended for ended, began in later if began > at), None)


class File(Synced):
    def __init__(self, inode: int, made_at: int) -> None:
        super().__init__()
        self.inode, self.made_at = inode, made_at
        self.now = bytearray()
        self.certain = bytearray()
        self.pending: list[Change] = []
        self.writes: list[tuple[int, int, int]] = []  # (place in the order, offset, octets)

    def write(self, at: int, offset: int, data: bytes) -> None:
        _put(self.now, offset, data)
        self.pending.append(Change(at, offset, data, len(self.now)))
        self.writes.append((at, offset, len(data)))

    def cut(self, at: int, size: int) -> None:
        lost = bytes(max(0, len(self.now) - size))
        _resize(self.now, size)
        self.pending.append(Change(at, size, lost, size))

    def sync(self, began: int, ended: int) -> None:
        self.syncs.append((ended, began))
        for change in self.pending:
            if change.at < began:
                _put(self.certain, change.offset, change.data)
                _resize(self.certain, change.size)
        self.pending = [change for change in self.pending if change.at >= began]

    def lose(self, began: int) -> None:
        """A sync has failed: Linux takes such pages for written from then on, and no later sync writes them."""
        self.pending = [change for change in self.pending if change.at >= began]

    def last_write(self, low: int, high: int) -> int:
        """When octets low..high were last written."""
        return max(at for at, offset, length in self.writes if offset < high and offset + length > low)

    def image(self, chance: "Chance") -> bytes:
        """What may be there after a power cut: each sector as it was at some time since the last sync."""
        if not self.pending:
            return bytes(self.certain)
        found = bytearray(self.certain)
        touched: dict[int, int] = {}
        for change in self.pending:
            for sector in _sectors(change):
                touched[sector] = touched.get(sector, 0) + 1
        reached = {sector: chance.of(count) for sector, count in touched.items()}
        for change in self.pending:
            for sector in _sectors(change):
                if reached[sector] > 0:
                    low = max(change.offset, sector * SECTOR)
                    high = min(change.offset + len(change.data), (sector + 1) * SECTOR)
                    _put(found, low, change.data[low - change.offset : high - change.offset])
                reached[sector] -= 1
        sizes = [len(self.certain), *(change.size for change in self.pending)]
        _resize(found, sizes[chance.of(len(sizes) - 1)])
        return bytes(found)


class Directory(Synced):
    """Names and what they stand for are kept by the disk; this is what can be synced."""

    def __init__(self, made_at: int) -> None:
        super().__init__()
        self.made_at = made_at


Node = File | Directory


class Chance:
    """How much of what is uncertain is there."""

    def __init__(self, draw: Callable[[int], int]) -> None:
        self.of = draw  # of so many changes, one after the other, how many

    @classmethod
    def styles(cls, chance: random.Random) -> dict[str, "Chance"]:
        def often(share: float, end: Callable[[int], int]) -> Callable[[int], int]:
            return lambda count: end(count) if chance.random() < share else chance.randint(0, count)

        return {
            "nothing": cls(lambda count: 0),
            "everything": cls(lambda count: count),
            "any": cls(lambda count: chance.randint(0, count)),
            "most": cls(often(0.9, lambda count: count)),
            "little": cls(often(0.9, lambda count: 0)),
        }


class Disk:
    """Below one directory; `apply` takes the events in their order."""

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self.names: dict[str, Node] = {self.root: Directory(-1)}
        self.certain: dict[str, Node] = dict(self.names)
        self._ever = {self.root: [self.names[self.root]]}
        self._pending: list[tuple[int, str, Node | None]] = []  # names given and taken since their directory was synced
        self._by_inode: dict[int, File] = {}
        self._begun: dict[tuple[int, str], int] = {}
        self._deeds: dict[Kind, Callable[[Event], None]] = {
            Kind.WRITE: lambda event: self._file(event).write(event.at, event.offset, event.data),
            Kind.TRUNCATE: lambda event: self._file(event).cut(event.at, event.size),
            Kind.OPENED: self._opened,
            Kind.MADE: lambda event: self._name(event.at, event.path, Directory(event.at)),
            Kind.REMOVED: lambda event: self._name(event.at, event.path, None),
            Kind.RENAMED: self._renamed,
            Kind.SYNC_BEGINS: self._begins,
            Kind.SYNC_DONE: self._synced,
            Kind.SYNC_FAILED: self._failed,
        }

    @classmethod
    def found(cls, root: Path) -> "Disk":
        """A disk on which everything below the directory is certain."""
        disk = cls(root)
        for path in sorted(root.rglob("*")):
            node: Node = Directory(-1)
            if path.is_file():
                node = File(path.stat().st_ino, -1)
                node.now, node.certain = bytearray(path.read_bytes()), bytearray(path.read_bytes())
                disk._by_inode[node.inode] = node
            disk.names[str(path)] = disk.certain[str(path)] = node
            disk._ever[str(path)] = [node]
        return disk

    def apply(self, event: Event) -> None:
        if deed := self._deeds.get(event.kind):
            deed(event)

    def _file(self, event: Event) -> File:
        return self._by_inode[event.inode]

    def _name(self, at: int, path: str, node: Node | None) -> None:
        self._pending.append((at, path, node))
        if node is None:
            self.names.pop(path, None)
        else:
            self.names[path] = node
            self._ever.setdefault(path, []).append(node)

    def _opened(self, event: Event) -> None:
        known = self.names.get(event.path)
        if not isinstance(known, File) or known.inode != event.inode:
            known = self._by_inode[event.inode] = File(event.inode, event.at)
            self._name(event.at, event.path, known)
        if event.size:  # O_TRUNC
            known.cut(event.at, 0)

    def _renamed(self, event: Event) -> None:
        before = event.data.decode(errors="surrogateescape")
        node = self.names[before]
        self._name(event.at, before, None)
        self._name(event.at, event.path, node)

    def _begins(self, event: Event) -> None:
        self._begun[event.thread, event.path] = event.at

    def _synced(self, event: Event) -> None:
        began = self._begun.pop((event.thread, event.path))
        if isinstance(directory := self.names.get(event.path), Directory):
            self._sync_names(event.path, began)
            directory.syncs.append((event.at, began))
        else:
            self._file(event).sync(began, event.at)

    def _failed(self, event: Event) -> None:
        began = self._begun.pop((event.thread, event.path))
        if not isinstance(self.names.get(event.path), Directory):
            self._file(event).lose(began)

    def _sync_names(self, directory: str, began: int) -> None:
        left = []
        for at, path, node in self._pending:
            if at < began and parent(path) == directory:
                _bind(self.certain, path, node)
            else:
                left.append((at, path, node))
        self._pending = left

    # ------------------------------------------------------------------------------------------ what is there

    def named(self, path: str, at: int) -> Node:
        """What a name stood for at some place in the order, or last before that."""
        return [node for node in self._ever[path] if node.made_at <= at][-1]

    def unsafe_name(self, path: str, until: int) -> str:
        """The name on the way to a file that was not safe at some place in the order; empty: all of them were."""
        while path != self.root:
            safe = self.named(parent(path), until).safe_from(self.named(path, until).made_at)
            if safe is None or safe > until:
                return path
            path = parent(path)
        return ""

    def now(self) -> Iterator[tuple[str, bytes]]:
        """The files as readers see them."""
        for path, node in self.names.items():
            if isinstance(node, File) and not path.endswith(UNRECORDED):
                yield path.removeprefix(self.root + "/"), bytes(node.now)

    def image(self, chance: Chance) -> Iterator[tuple[str, bytes | None]]:
        """The files after a power cut, and the directories (None), each after the one it is in."""
        names = dict(self.certain)
        waiting: dict[str, list[Node | None]] = {}
        for _, path, node in self._pending:
            waiting.setdefault(path, []).append(node)
        for path, nodes in waiting.items():
            if reached := chance.of(len(nodes)):
                _bind(names, path, nodes[reached - 1])
        for path in sorted(names):
            if parent(path) not in names and path != self.root:
                del names[path]  # sorted: what is in it goes, too
            elif not path.endswith(UNRECORDED):
                node = names[path]
                yield path.removeprefix(self.root).lstrip("/"), node.image(chance) if isinstance(node, File) else None


def parent(path: str) -> str:
    return str(PurePosixPath(path).parent)


def _bind(names: dict[str, Node], path: str, node: Node | None) -> None:
    if node is None:
        names.pop(path, None)
    else:
        names[path] = node


def _resize(octets: bytearray, size: int) -> None:
    if len(octets) > size:
        del octets[size:]
    else:
        octets.extend(bytes(size - len(octets)))


def _put(octets: bytearray, offset: int, data: bytes) -> None:
    if len(octets) < offset:
        _resize(octets, offset)
    octets[offset : offset + len(data)] = data


def _sectors(change: Change) -> range:
    return range(change.offset // SECTOR, -(-(change.offset + len(change.data)) // SECTOR))
