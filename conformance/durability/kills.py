"""Ending the processes of a server in the way that nobody can prepare for."""

import os
import random
import signal
from pathlib import Path

from conformance.support.servers import Penfold


def processes(server: Penfold) -> list[int]:
    """The server's first process, and all that it has made."""
    found = [server.pid]
    for process in found:  # grows meanwhile
        for task in Path(f"/proc/{process}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


def kill_one(server: Penfold, chance: random.Random) -> int:
    """SIGKILL for any of them; the others may go on."""
    victim = chance.choice(processes(server))
    os.kill(victim, signal.SIGKILL)
    return victim
