"""A crew of clients at work on a server at the same time."""

import threading
from collections.abc import Sequence

from conformance.durability.keeper import Keeper
from conformance.durability.workers import Deliverer, Worker
from conformance.support.servers import Penfold

USERS = 6


def crew(seed: int) -> list[Worker]:
    """Two that deliver, four that keep mail, two of them in one mailbox; users u1 to u6."""
    return [
        Deliverer("lmtp1", seed, ("u1", "u2")),
        Deliverer("lmtp2", seed, ("u3",)),
        Keeper("a", seed, "u4"),
        Keeper("b", seed, "u4"),
        Keeper("c", seed, "u5"),
        Keeper("d", seed, "u6"),
    ]


class Load:
    """A crew at work."""

    def __init__(self, workers: Sequence[Worker], server: Penfold, steps: int) -> None:
        self.faults: list[BaseException] = []
        self._rest = threading.Event()
        self._threads = [
            threading.Thread(target=self._guarded, args=(worker, server, steps), name=worker.name, daemon=True)
            for worker in workers
        ]

    def start(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def rest(self) -> None:
        """Everybody finishes the command at hand."""
        self._rest.set()

    def join(self, *, server_is_dead: bool = False) -> None:
        """Waits until all have done their steps, or have lost their server where that is to be."""
        for thread in self._threads:
            thread.join(120)
            assert not thread.is_alive(), f"{thread.name} hangs"
        for fault in self.faults:
            if not (server_is_dead and isinstance(fault, OSError)):
                raise fault

    def _guarded(self, worker: Worker, server: Penfold, steps: int) -> None:
        try:
            worker.run(server, steps, self._rest)
        except BaseException as fault:  # noqa: BLE001 - told by join()
            self.faults.append(fault)
