"""run/penfold.pid: the number of the process to send signals to."""

import os
from pathlib import Path


class PidFile:
    """Of a data directory."""

    def __init__(self, root: Path) -> None:
        self._path = root / "run" / "penfold.pid"

    def write(self) -> None:
        """From now on it is this process."""
        self._path.parent.mkdir(exist_ok=True, mode=0o750)
        self._path.write_text(f"{os.getpid()}\n")

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)
