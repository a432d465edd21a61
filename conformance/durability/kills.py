"""Ending the processes of a server in the way that nobody can prepare for."""

import os
import random
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from conformance.support.processes import eventually
from conformance.support.servers import Penfold


def processes(session: int) -> Iterator[int]:
    """Those of one session: a server's first process begins one, and all that it makes belong to it."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                # proc(5): behind the name in brackets state, parent, group, session
                state, _, _, of = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
                if int(of) == session and state != "Z":
                    yield int(entry.name)


def kill_one(server: Penfold, chance: random.Random) -> int:
    """SIGKILL for any process of a server; the others may go on."""
    victim = chance.choice(sorted(processes(server.pid)))
    os.kill(victim, signal.SIGKILL)
    return victim


def kill_all(session: int) -> None:
    """SIGKILL for the first, which makes no more then, and the rest."""
    with suppress(ProcessLookupError):
        os.kill(session, signal.SIGKILL)
    for process in processes(session):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    eventually(lambda: not list(processes(session)), what="all of them are gone")
