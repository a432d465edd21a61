"""The shim's log as values, in the order in which it all happened."""

import mmap
import struct
from bisect import bisect_left
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

_HEAD = struct.Struct("=IHHIIIIQqq")
_MAGIC = 0x31524650


class Kind(IntEnum):
    """What a record tells; the numbers are those of shim.c."""

    WRITE = 1
    TRUNCATE = 2
    SYNC_BEGINS = 3
    SYNC_DONE = 4
    SYNC_FAILED = 5
    SYNC_SKIPPED = 6
    OPENED = 7  # with O_CREAT or O_TRUNC
    MADE = 8  # a directory
    REMOVED = 9
    RENAMED = 10
    SENDS = 11  # is about to
    SENT = 12


class Event(NamedTuple):
    at: int  # place in the order of all events
    kind: Kind
    pid: int
    thread: int
    path: str
    inode: int
    offset: int
    size: int
    port: int  # of the peer, for what is sent
    data: bytes


def events(log: Path) -> Iterator[Event]:
    """All of it; a record that is torn or overlaid is an error, as the log would prove nothing then."""
    with log.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as octets:
        place = number = 0
        while place < len(octets):
            magic, kind, path, pid, thread, data, port, inode, offset, size = _HEAD.unpack_from(octets, place)
            assert magic == _MAGIC, f"the log is damaged at {place}"
            name = place + _HEAD.size
            body = name + path
            place = body + data
            assert place <= len(octets), "the log ends within a record"
            # surrogateescape: names are octets.
            told = octets[name:body].decode(errors="surrogateescape")
            yield Event(number, Kind(kind), pid, thread, told, inode, offset, size, port, octets[body:place])
            number += 1


class Sent:
    """When which octet of what was said to whom left the server: streams by the peer's port."""

    def __init__(self) -> None:
        self._ends: dict[
            int, list[tuple[int, int]]
        ] = {}  # port -> (octets up to here, place of the send that ends there)
        self._sending: dict[tuple[int, int], Event] = {}  # (port, thread) -> the send

    def note(self, event: Event) -> None:
        if event.kind is Kind.SENDS:
            self._sending[event.port, event.thread] = event
        elif event.kind is Kind.SENT:
            began = self._sending.pop((event.port, event.thread))
            ends = self._ends.setdefault(event.port, [])
            if event.size > 0:
                ends.append(((ends[-1][0] if ends else 0) + event.size, began.at))

    @property
    def has_begun(self) -> bool:
        return bool(self._ends)

    def total(self, port: int) -> int:
        return self._ends[port][-1][0]

    def when(self, port: int, octets: int) -> int:
        """The place in the order where so many octets were first on their way to a peer."""
        ends = self._ends.get(port, [])
        if (place := bisect_left(ends, (octets, 0))) < len(ends):
            return ends[place][1]
        # A server that was killed has not written down how it went.
        last = [began.at for (to, _), began in self._sending.items() if to == port]
        assert last, f"{octets} octets were never sent to port {port}"
        return last[0]
