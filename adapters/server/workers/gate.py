"""How many workers of a server search at a time: one fewer than there are, so that a core is left for everything else.

Each worker passes by one of the gates, one at a time by each.  A gate is a lock of a file, so that the kernel opens it
when a worker dies.
"""

import fcntl
import os
from pathlib import Path
from typing import Final

from adapters.server.workers.place import Place

_NAMES: Final = "searching-*.lock"


class Gate:
    """A worker's way through.  Used from its threads, of which one at a time is inside."""

    def __init__(self, root: Path, place: Place) -> None:
        run = root / "run"
        run.mkdir(exist_ok=True, mode=0o750)
        path = run / _NAMES.replace("*", str(place.worker % (place.workers - 1)))
        self._lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def enter(self) -> None:
        """Waits until nobody else is inside."""
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def leave(self) -> None:
        """Lets the next one in; nothing happens if nobody was inside."""
        fcntl.flock(self._lock, fcntl.LOCK_UN)

    def close(self) -> None:
        """Of no use from then on."""
        os.close(self._lock)


class OpenGate:
    """For a worker that is alone: it has its searches take turns by itself."""

    def enter(self) -> None:
        """At once."""

    def leave(self) -> None:
        """Nobody waits."""

    def close(self) -> None:
        """There is nothing to close."""


def remove(root: Path) -> None:
    """Takes the files away, once all workers have ended."""
    for path in (root / "run").glob(_NAMES):
        path.unlink(missing_ok=True)
