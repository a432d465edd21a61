"""A client that files, marks, moves and removes mail by IMAP."""

import hashlib
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar

from conformance.durability.clients import CountingImap
from conformance.durability.contents import Folders, Mail
from conformance.durability.workers import Worker
from conformance.support.imap import Answer
from conformance.support.servers import HOST, PASSWORD, Penfold

MOST_MAIL = 30  # in a folder; more is not filed there
MOST_FOLDERS = 5
FLAGS = ("\\Seen", "\\Answered", "\\Flagged", "\\Draft", "$Label1", "blue")


class Keeper(Worker):
    """Works in folders with its own name in front; nobody else touches those."""

    def __init__(self, name: str, seed: int, user: str) -> None:
        super().__init__(name, seed)
        self._user = user
        self._made = 0
        self._selected = ""

    def sees(self, path: str) -> bool:
        return path.startswith(f"{self._user}/{self.name}-")

    def run(self, server: Penfold, steps: int, rest: threading.Event) -> None:
        with CountingImap(HOST, server.imap, timeout=30.0) as self._client:
            self._client.ok(f"LOGIN {self._user} {PASSWORD}")
            self._selected = ""
            until = len(self.steps) + steps
            while len(self.steps) < until and not rest.is_set():
                self._deeds[self.chance.choice(self._choices)](self)

    def _do(
        self,
        what: str,
        command: str,
        after: Callable[[Answer | None], Folders],
        *literals: bytes,
        bodies: tuple[bytes, ...] = (),
    ) -> bool:
        """`after` of None: if it succeeds, with UIDs that nobody knows."""
        self.begin(what, after(None))
        answer = self._client.command(command, *literals)
        assert answer.status in (b"OK", b"NO"), f"{what}: {answer}"
        if answer.status == b"OK":
            self.took(what, after(answer), self._client.port, self._client.heard, bodies)
        else:
            self.was_refused(answer.tagged.decode())
        return answer.status == b"OK"

    def _select(self, path: str) -> bool:
        if self._selected != path:
            self._selected = path if self._client.command(f"SELECT {self._short(path)}").status == b"OK" else ""
        return self._selected == path

    def _leave(self, path: str) -> None:
        if self._selected == path:
            self._client.command("UNSELECT")
            self._selected = ""

    def _short(self, path: str) -> str:
        return path.removeprefix(f"{self._user}/")

    def _pick(self, condition: Callable[[Mapping[bytes, Mail]], bool] = lambda mail: True) -> str:
        """One of its folders; empty: there is none like that."""
        found = sorted(path for path, mail in self.folders.items() if condition(mail))
        return self.chance.choice(found) if found else ""

    def _some(self, path: str, beside: str = "") -> dict[bytes, Mail]:
        """Some messages of a folder that the other one does not have."""
        known = [body for body in self.folders[path] if body not in self.folders.get(beside, ())]
        chosen = self.chance.sample(known, min(len(known), self.chance.randint(1, 4)))
        return {body: self.folders[path][body] for body in sorted(chosen, key=lambda body: self._uid(path, body))}

    def _uid(self, path: str, body: bytes) -> int:
        uid = self.folders[path][body].uid
        assert uid is not None, "the server has told it, or it was looked up"
        return uid

    # ------------------------------------------------------------------------------------------ deeds

    def create(self) -> None:
        if len(self.folders) >= MOST_FOLDERS:
            return
        self._made += 1
        name = f"{self.name}-{self._made}-{self.chance.getrandbits(32):08x}"
        self._do(f"CREATE {name}", f"CREATE {name}", lambda _: {**self.folders, f"{self._user}/{name}": {}})

    def rename(self) -> None:
        if path := self._pick():
            self._leave(path)
            self._made += 1
            name = f"{self.name}-{self._made}-{self.chance.getrandbits(32):08x}"
            after = {(f"{self._user}/{name}" if key == path else key): mail for key, mail in self.folders.items()}
            self._do(f"RENAME {self._short(path)}", f"RENAME {self._short(path)} {name}", lambda _: after)

    def delete(self) -> None:
        if len(self.folders) > 2:
            path = self._pick()
            self._leave(path)
            after = {key: mail for key, mail in self.folders.items() if key != path}
            self._do(f"DELETE {self._short(path)}", f"DELETE {self._short(path)}", lambda _: after)

    def append(self, count: int = 1) -> None:
        if not (path := self._pick(lambda mail: len(mail) + count <= MOST_MAIL)):
            return
        messages = [self.message() if count == 1 else self.message("row", "pack") for _ in range(count)]
        bodies = tuple(hashlib.sha256(message).digest() for message in messages)
        flags = [frozenset(self.chance.sample(FLAGS[:4], self.chance.randint(0, 2))) for _ in messages]

        def after(answer: Answer | None) -> Folders:
            uids = _uids(b"APPENDUID", answer, -1) or [None] * count
            new = {body: Mail(uid, flag) for body, uid, flag in zip(bodies, uids, flags, strict=True)}
            return {**self.folders, path: {**self.folders[path], **new}}

        options = " ".join(f"({' '.join(sorted(flag))}) {{}}" for flag in flags)
        self._do(f"APPEND {count}", f"APPEND {self._short(path)} {options}", after, *messages, bodies=bodies)

    def append_many(self) -> None:
        self.append(self.chance.randint(2, 4))

    def store(self) -> None:
        path = self._pick(bool)
        if not path or not self._select(path):
            return
        flag = self.chance.choice(FLAGS)
        chosen = self._some(path)
        sign = self.chance.choice("+-")
        if all((flag in mail.flags) == (sign == "+") for mail in chosen.values()):
            sign = "-" if sign == "+" else "+"  # else nothing would be written
        self._store(path, chosen, sign, flag)

    def _store(self, path: str, chosen: Mapping[bytes, Mail], sign: str, flag: str) -> bool:
        def changed(mail: Mail) -> Mail:
            return mail._replace(flags=mail.flags | {flag} if sign == "+" else mail.flags - {flag})

        after = {**self.folders, path: {**self.folders[path], **{body: changed(mail) for body, mail in chosen.items()}}}
        return self._do(f"STORE {sign}{flag}", f"UID STORE {_set(chosen)} {sign}FLAGS ({flag})", lambda _: after)

    def expunge(self) -> None:
        path = self._pick(bool)
        if not path or not self._select(path):
            return
        chosen = self._some(path)
        if not self._store(path, chosen, "+", "\\Deleted"):
            return
        left = {body: mail for body, mail in self.folders[path].items() if body not in chosen}
        self._do("EXPUNGE", f"UID EXPUNGE {_set(chosen)}", lambda _: {**self.folders, path: left})

    def move(self) -> None:
        self._transfer("MOVE")

    def copy(self) -> None:
        self._transfer("COPY")

    def _transfer(self, verb: str) -> None:
        path = self._pick(bool)
        target = self._pick(lambda mail: len(mail) + 4 <= MOST_MAIL)
        if not path or target in ("", path) or not (chosen := self._some(path, target)) or not self._select(path):
            return
        left = {body: mail for body, mail in self.folders[path].items() if verb == "COPY" or body not in chosen}

        def after(answer: Answer | None) -> Folders:
            told = _uids(b"COPYUID", answer, -1) or [None] * len(chosen)
            before = _uids(b"COPYUID", answer, -2) or [mail.uid for mail in chosen.values()]
            given = dict(zip(before, told, strict=True))
            new = {body: mail._replace(uid=given[mail.uid]) for body, mail in chosen.items()}
            return {**self.folders, path: left, target: {**self.folders[target], **new}}

        self._do(verb, f"UID {verb} {_set(chosen)} {self._short(target)}", after)

    _deeds: ClassVar[Mapping[str, Callable[["Keeper"], object]]] = {
        "create": create,
        "rename": rename,
        "delete": delete,
        "append": append,
        "append_many": append_many,
        "store": store,
        "expunge": expunge,
        "move": move,
        "copy": copy,
    }
    _choices: ClassVar = (*sorted(_deeds), *["append"] * 4, "store", "move", "create")


def _set(chosen: Mapping[bytes, Mail]) -> str:
    return ",".join(str(mail.uid) for mail in chosen.values())


def _uids(code: bytes, answer: Answer | None, which: int) -> list[int | None]:
    """The UIDs of a set in a response code, counted from its end, wherever in the answer it is."""
    for line in [] if answer is None else [*answer.untagged, answer.tagged]:
        if found := re.search(rb"\[%s ([^\]]+)\]" % code, line):
            return list(_numbers(found[1].split()[which]))
    return []


def _numbers(uids: bytes) -> Iterator[int]:
    for part in uids.split(b","):
        low, _, high = part.partition(b":")
        yield from range(int(low), int(high or low) + 1)
