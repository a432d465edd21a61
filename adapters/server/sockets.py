"""Where the sockets of a data directory are, and how they are reached."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

CONTROL: Final = "control.sock"  # in DATA_DIR/run
_PATH_OCTETS: Final = 100  # sun_path has 108


def socket_path(root: Path) -> Path:
    """Where the server of a data directory listens for administrators."""
    return root / "run" / CONTROL


@contextmanager
def reachable(path: Path) -> Iterator[str]:
    """A name for a socket that is short enough for the kernel, however deep the directory is."""
    if len(os.fsencode(path)) <= _PATH_OCTETS:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
