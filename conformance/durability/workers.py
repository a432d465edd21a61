"""Clients that change mailboxes one command after the other, and know after each what must be there.

Each has folders of its own, so what is in them is what its commands have made of them, whatever others do meanwhile.
"""

import hashlib
import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

from conformance.durability.clients import CountingLmtp
from conformance.durability.contents import Folders, Mail
from conformance.support.servers import Penfold

KINDS = {"row": (300, 12_000), "pack": (20_000, 90_000), "frames": (280_000, 700_000)}  # where bodies of that size go


@dataclass(frozen=True)
class Step:
    """A command that was acknowledged."""

    what: str
    after: Folders  # what is in the worker's folders then
    port: int
    octets: int  # heard on that port when the acknowledgement was there
    bodies: tuple[bytes, ...]  # hashes of those that it filed


@dataclass(frozen=True)
class Begun:
    """A command that was sent; when it was not acknowledged, it may have been carried out all the same."""

    what: str
    after: Folders  # if it is carried out
    steps: int  # how many were acknowledged before
    answer: str = ""  # if it was refused


class Worker:
    """`run` works until it has taken so many steps, or the server is gone."""

    def __init__(self, name: str, seed: int) -> None:
        self.name = name
        self.chance = random.Random(f"{name} {seed}")
        self.folders: Folders = {}  # as of the last acknowledgement
        self.begun: Begun | None = None
        self.steps: list[Step] = []
        self.refused: list[Begun] = []
        self.gives_up = False  # when it is refused: it cannot know what became of the command
        self._messages = 0

    def sees(self, path: str) -> bool:
        """Whether a folder is this worker's."""
        raise NotImplementedError

    def run(self, server: Penfold, steps: int, rest: threading.Event) -> None:
        raise NotImplementedError

    def mine(self, folders: Folders) -> Folders:
        return {path: mail for path, mail in folders.items() if self.sees(path)}

    def adopt(self, seen: Folders) -> None:
        """After a kill, what is there counts."""
        self.folders, self.begun = self.mine(seen), None

    def message(self, *kinds: str) -> bytes:
        """One that nobody has ever seen."""
        self._messages += 1
        token = f"{self.name}-{self._messages}-{self.chance.getrandbits(48):012x}"
        size = self.chance.randint(*KINDS[self.chance.choice(kinds or ("row", "row", "row", "pack", "pack", "frames"))])
        # Half of it is of noise, so that what is compressed still has its size.
        noise = self.chance.randbytes(size // 4).hex().encode()
        lines = b"\r\n".join(b"%s %s" % (noise[at : at + 60], token.encode()) for at in range(0, len(noise), 60))
        head = f"From: joe@example.net\r\nSubject: {token}\r\nMessage-ID: <{token}@durability.example>\r\n\r\n"
        return head.encode() + lines + b"\r\n"

    def begin(self, what: str, after: Folders) -> None:
        self.begun = Begun(what, after, len(self.steps))

    def was_refused(self, answer: str) -> None:
        assert self.begun is not None, "there is no answer without a command"
        self.refused.append(replace(self.begun, answer=answer))
        if self.gives_up:
            raise ConnectionAbortedError(answer)
        self.begun = None

    def took(self, what: str, after: Folders, port: int, octets: int, bodies: tuple[bytes, ...] = ()) -> None:
        self.steps.append(Step(what, after, port, octets, bodies))
        self.folders, self.begun = after, None


class Deliverer(Worker):
    """Delivers by LMTP to users who get no other mail in their INBOX."""

    def __init__(self, name: str, seed: int, users: Sequence[str]) -> None:
        super().__init__(name, seed)
        self._users = users
        self.folders = {f"{user}/INBOX": {} for user in users}

    def sees(self, path: str) -> bool:
        return path in {f"{user}/INBOX" for user in self._users}

    def run(self, server: Penfold, steps: int, rest: threading.Event) -> None:
        with CountingLmtp(server.lmtp) as client:
            for _ in range(steps):
                if rest.is_set():
                    return
                self._deliver(client)

    def _deliver(self, client: CountingLmtp) -> None:
        users = self.chance.sample(self._users, self.chance.randint(1, len(self._users)))
        self.hand_over(client, users, self.message())

    def hand_over(self, client: CountingLmtp, users: Sequence[str], message: bytes) -> None:
        body = hashlib.sha256(message).digest()
        what = f"deliver to {users}"
        self.begin(what, self._with(users, body))
        answers = list(client.deliver("joe@example.net", [f"{user}@example.com" for user in users], message))
        assert all(code == 250 or 400 <= code < 500 for _, code, _ in answers), f"refused for good: {answers}"
        if all(code != 250 for _, code, _ in answers):
            self.was_refused(f"{answers[0][1]}")
            return
        taken = [address.partition("@")[0] for address, code, _ in answers if code == 250]
        first = next(octets for _, code, octets in answers if code == 250)
        self.took(what, self._with(taken, body), client.port, first, (body,))

    def _with(self, users: Sequence[str], body: bytes) -> Folders:
        new = {f"{user}/INBOX": {**self.folders[f"{user}/INBOX"], body: Mail(None, frozenset())} for user in users}
        return {**self.folders, **new}
