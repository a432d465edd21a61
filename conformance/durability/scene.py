"""A server behind the shim with a crew of clients, and ways to see afterwards whether all is there."""

import random
import re
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Self

from conformance.durability.contents import differences
from conformance.durability.images import Oracle, cuts, wrong_images
from conformance.durability.installations import copied, look
from conformance.durability.kills import kill_all
from conformance.durability.load import USERS, Load, crew
from conformance.durability.recording import Sent, events
from conformance.durability.shim import Shim
from conformance.support.servers import Penfold, remove, scratch

TEMPORARY = re.compile(r"NO \[UNAVAILABLE\] |4[0-9]{2}$")  # what a client hears who may try again


class Server(Penfold):
    def start(self) -> Self:
        super().start()
        return self

    def end(self) -> None:
        """However it is, and all that it has started."""
        if self._process is not None:
            kill_all(self._process.pid)
            self._process.wait()
            self._forget()


class Failing(Server):
    """Its log tells of the faults that it is given."""

    def check_log(self) -> None:
        """See above."""


class Scene:
    """A server behind the shim, and its clients; what went wrong is shown when a test fails."""

    def __init__(
        self,
        *,
        environment: Mapping[str, str] = MappingProxyType({}),
        may_fail: bool = False,
        records: bool = True,
        workers: int = 2,
    ) -> None:
        self.directory = scratch("faults")
        self.root = self.directory / "penfold"
        self.shim = Shim(self.directory, self.root, records=records)
        self.workers = crew(2)
        self.before = {path: mail for worker in self.workers for path, mail in worker.folders.items()}
        kind = Failing if may_fail else Server
        self.server = kind(
            self.root, users=USERS, environment={**self.shim.environment, **environment}, workers=workers
        )
        self.began = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.server.end()
        if kind is not None:
            print(self.server.log.read_text(errors="replace")[-8000:])
        remove(self.directory)

    def work(self, steps: int) -> None:
        Load(self.workers, self.server, steps).start().join()

    def refusals(self) -> list[str]:
        return [begun.answer for worker in self.workers for begun in worker.refused]

    def wrong(self) -> list[str]:
        """Of the stopped server's files."""
        broken, seen = look(copied(self.root, self.directory / "copy"))
        return broken + [line for worker in self.workers for line in differences(worker.folders, worker.mine(seen))]

    def wrong_images(self, images: int, chance: random.Random) -> list[str]:
        sent = Sent()
        for event in events(self.shim.log):
            sent.note(event)
        told = [sent.when(step.port, step.octets) for worker in self.workers for step in worker.steps]
        chosen = cuts(self.shim.log, told, images, chance)
        oracle = Oracle(sent, self.workers, self.before)
        return list(wrong_images(self.shim.log, self.root, chosen, oracle, chance))

    def acknowledged(self) -> int:
        return sum(len(worker.steps) for worker in self.workers)

    def told(self) -> str:
        seconds = time.monotonic() - self.began
        return f"{self.acknowledged()} commands acknowledged, {len(self.refusals())} refused, {seconds:.1f} s"
