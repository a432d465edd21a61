"""The shim from Python: compiling it, the environment that puts it in front of libc, and the file that steers it."""

import errno
import mmap
import struct
from enum import IntFlag
from pathlib import Path
from typing import Self

from conformance.support.processes import succeed

SOURCE = Path(__file__).with_name("shim.c")
SECOND = 1_000_000_000  # nanoseconds
_FORMAT = struct.Struct("=IIIIiIIIq256s256s")
_MET, _AHEAD = struct.Struct("=II"), struct.Struct("=q")


class On(IntFlag):
    """Kinds of calls that can be made to fail; the numbers are those of shim.c."""

    WRITE = 1
    SYNC = 2
    OPEN = 4
    TRUNCATE = 8


SHORT = 0  # instead of an error number: half of what was to be written is written


class Shim:
    """One compiled shim, its log and its control file; `environment` is for the server's process."""

    def __init__(self, directory: Path, below: Path, *, records: bool = True) -> None:
        """`below`: the directory whose files are watched; it need not be there yet."""
        self.below = below
        self.log = directory / "shim.log"
        library, control = directory / "shim.so", directory / "shim.control"
        succeed("cc", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl")
        control.write_bytes(bytes(_FORMAT.size))
        with control.open("r+b") as file:
            self._control = mmap.mmap(file.fileno(), _FORMAT.size)
        self.environment = {
            "LD_PRELOAD": str(library),
            "PENFOLD_SHIM_ROOT": str(below),
            "PENFOLD_SHIM_CONTROL": str(control),
            **({"PENFOLD_SHIM_LOG": str(self.log)} if records else {}),
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._control.close()

    def fail(self, on: On, pattern: str, error: int = errno.EIO, *, after: int = 0, times: int = 1) -> None:
        """Lets `after` calls on files like this go well, then fails `times` of them."""
        self.heal()
        below = f"{self.below}/{pattern}".encode()
        struct.pack_into("=IIIiII", self._control, 4, on, after, times, error, 0, 0)
        struct.pack_into("256s", self._control, 40, below)
        struct.pack_into("=I", self._control, 0, 1)  # last: the server is running

    def heal(self) -> int:
        """All goes well again; how many calls have failed."""
        struct.pack_into("=I", self._control, 0, 0)
        return self.failed

    @property
    def failed(self) -> int:
        return int(_MET.unpack_from(self._control, 20)[1])

    def skip_syncs(self, pattern: str) -> None:
        """Syncs of files and directories like this are told to be done and are not."""
        struct.pack_into("256s", self._control, 296, f"{self.below}/{pattern}".encode())
        struct.pack_into("=I", self._control, 28, 1)

    def set_clock(self, ahead: int) -> None:
        """Nanoseconds ahead of the machine's clock; negative: behind it."""
        _AHEAD.pack_into(self._control, 32, ahead)


__all__ = ["SECOND", "SHORT", "On", "Shim"]
