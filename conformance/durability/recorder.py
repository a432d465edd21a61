"""A server that is recorded from its first start on, under load, and what the recording proves."""

import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from conformance.durability.contents import Folders
from conformance.durability.installations import copied, mailboxes
from conformance.durability.load import USERS, Load, crew
from conformance.durability.proof import Proof, prove
from conformance.durability.shim import Shim
from conformance.durability.workers import Worker
from conformance.support.servers import Penfold

SOAK = bool(os.environ.get("PENFOLD_SOAK"))
STEPS = 300 if SOAK else 100  # of each client in each session
_GIVEN = os.environ.get("PENFOLD_SEED")
SEEDS = [int(_GIVEN)] if _GIVEN else [random.randrange(1 << 32) for _ in range(12)] if SOAK else [1]
SESSIONS = (1, 3)  # of so many processes


@dataclass
class Recording:
    shim: Shim
    server: Penfold
    workers: list[Worker]
    seed: int
    proof: Proof
    before: Folders  # what was there when the clients came


def record(
    directory: Path, *, skipped: str = "", steps: int = STEPS, sessions: Sequence[int] = SESSIONS, seed: int = 1
) -> Recording:
    """Everything that a server writes from its first start on; syncs of files like `skipped` are left out."""
    root = directory / "penfold"
    shim = Shim(directory, root)
    server = Penfold(root, users=USERS, environment=shim.environment)
    if skipped:
        shim.skip_syncs(skipped)
    workers = crew(seed)
    before = {path: mail for worker in workers for path, mail in worker.folders.items()}
    for server.workers in sessions:
        server.start()
        Load(workers, server, steps).start().join()
        server.stop()
    copy = copied(root, directory / "copy")
    return Recording(shim, server, workers, seed, prove(shim.log, root, workers, mailboxes(copy)), before)
