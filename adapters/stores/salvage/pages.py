"""A database file and its write-ahead log as pages (file format 1.2, 1.3, 4.1 to 4.5).  Nothing is written."""

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, Self

from adapters.stores.sqlite import PAGE_OCTETS

MAGIC: Final = b"SQLite format 3\0"
SMALLEST: Final = 512
LARGEST: Final = 65536
HEADER_OCTETS: Final = 100

_LOG_HEADER = struct.Struct(">8I")
_FRAME_HEADER = struct.Struct(">6I")
_LOG_MAGIC: Final = 0x377F0682  # with checksums of little-endian words; one more: of big-endian ones
_WORD: Final = 0xFFFFFFFF


class PageFile:
    """The pages that the last commit left, as far as they are there; use it with `with`."""

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        self.damage: list[str] = []
        self._file = path.open("rb")
        self._log = _opened(path.with_name(path.name + "-wal"))
        self._frames: dict[int, int] = {}  # page -> where its newest octets are in the log
        header = os.pread(self._file.fileno(), HEADER_OCTETS, 0)
        self.has_header = header.startswith(MAGIC)
        self.page_octets, self._reserved = self._measures(header)
        octets = os.fstat(self._file.fileno()).st_size
        in_file = -(-octets // self.page_octets)
        if octets % self.page_octets:
            self.damage.append(f"the file ends within page {in_file}")
        said = int.from_bytes(header[28:32], "big") if self.has_header else 0
        logged = self._read_log()
        self.count = logged or max(said, in_file)
        if max(in_file, *self._frames, 0) < self.count:
            self.damage.append(f"{self.count} pages were in the file, of which {in_file} are")

    @property
    def usable(self) -> int:
        """Octets of a page that hold data (1.3.4)."""
        return self.page_octets - self._reserved

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if self._log is not None:
            self._log.close()

    def page(self, number: int) -> bytes:
        """The octets of a page, from 1 on; zeros where there are none."""
        if (at := self._frames.get(number)) is not None and self._log is not None:
            octets = os.pread(self._log.fileno(), self.page_octets, at)
        elif 1 <= number <= self.count:
            octets = os.pread(self._file.fileno(), self.page_octets, (number - 1) * self.page_octets)
        else:
            octets = b""
        return octets.ljust(self.page_octets, b"\0")

    def _measures(self, header: bytes) -> tuple[int, int]:
        """(octets of a page, those of them that are reserved)."""
        if not self.has_header:
            self.damage.append("page 1: the file does not begin as a database")
            return PAGE_OCTETS, 0
        octets = int.from_bytes(header[16:18], "big")
        octets = LARGEST if octets == 1 else octets
        if not SMALLEST <= octets <= LARGEST or octets & (octets - 1):
            self.damage.append("page 1: the size of pages is not one")
            return PAGE_OCTETS, 0
        return octets, header[20] if octets - header[20] >= 480 else 0

    def _read_log(self) -> int:
        """Takes the frames up to the last commit; how many pages there are then, 0 without a commit."""
        if self._log is None or os.fstat(self._log.fileno()).st_size == 0:
            return 0
        count = 0
        pending: dict[int, int] = {}
        for number, size, at in self._committed_frames():
            pending[number] = at
            if size:
                self._frames |= pending
                pending.clear()
                count = size
        return count

    def _committed_frames(self) -> Iterator[tuple[int, int, int]]:
        """(page, size of the database after this commit or 0, where its octets are), as long as the checksums hold."""
        assert self._log is not None, "there is a log"
        descriptor = self._log.fileno()
        header = os.pread(descriptor, _LOG_HEADER.size, 0)
        if len(header) < _LOG_HEADER.size:
            self.damage.append("the log ends in its header")
            return
        magic, _, octets, _, *salts, one, two = _LOG_HEADER.unpack(header)
        order = "<" if magic & ~1 == _LOG_MAGIC and not magic & 1 else ">"
        sums = _checksum(header[:24], (0, 0), order)
        if magic & ~1 != _LOG_MAGIC or sums != (one, two) or octets != self.page_octets:
            self.damage.append("the header of the log is damaged: what is only there is lost")
            return
        at = _LOG_HEADER.size
        while len(frame := os.pread(descriptor, _FRAME_HEADER.size + octets, at)) == _FRAME_HEADER.size + octets:
            number, size, *rest = _FRAME_HEADER.unpack_from(frame)
            if rest[:2] != salts:
                return  # of a time before the log began anew
            sums = _checksum(frame[8 + 16 :], _checksum(frame[:8], sums, order), order)
            if sums != tuple(rest[2:]):
                self.damage.append("the log is damaged, or a commit was under way: what comes later in it is lost")
                return
            yield number, size, at + _FRAME_HEADER.size
            at += len(frame)


def _opened(path: Path) -> BinaryIO | None:
    try:
        return path.open("rb")
    except FileNotFoundError:
        return None


def _checksum(octets: bytes, sums: tuple[int, int], order: str) -> tuple[int, int]:
    """4.2: over words in pairs."""
    one, two = sums
    for first, second in struct.iter_unpack(f"{order}II", octets):
        one = (one + first + two) & _WORD
        two = (two + second + one) & _WORD
    return one, two
