"""An IMAP session in conversation with a test: no sockets, no threads but the writer's, everything at once."""

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any, Self

from msgspec.structs import replace

from adapters.blobs.packs import Packs
from adapters.bus import messages
from adapters.server.spooling import MessageSpool
from adapters.stores.database import MailboxDatabase
from core.changes import Change, Missed
from core.commands import Command, CreateFolder, CreateMailbox, Deliver, Delivery, FlagMode, NewFolder, SetGrant
from core.errors import Refusal, Unavailable
from core.loading import missed
from core.model import MAX_UID, FolderId, MailboxId
from core.recipients import Digest, RecipientId
from core.rights import ANYONE, Actor, Grant
from core.watching import Views
from protocols.imap.finding.kept import Kept
from protocols.imap.naming.homes import Home
from protocols.imap.offering.clients import FAULTS
from protocols.imap.offering.policy import ClientPolicy
from protocols.imap.reading.urlauth import UrlAccess
from protocols.imap.services import Account, Keys
from protocols.imap.session import Session
from protocols.imap.work import Breathe, Compute, Pause, Read, Scan, StartTls, Work, Write, unhurried
from tests.support.store import LARGEST, TestClock

FOLDERS = (
    NewFolder("INBOX"),
    NewFolder("Drafts", "\\Drafts"),
    NewFolder("Sent", "\\Sent"),
    NewFolder("Trash", "\\Trash"),
)
PASSWORD = b"pass"
MESSAGE = b"Subject: x\r\n\r\nbody\r\n"
PATIENCE = 1000  # pieces of work in one command, before a test is thought to hang


PUBLIC = MailboxId(1_000)  # the mailbox of the public folders


def account(user: int) -> Account:
    """The account of u1, u2, ..."""
    return Account(f"u{user}", MailboxId(user), 1, RecipientId(user))


class TestEntropy:
    """Counts, so that a test sees the same each time."""

    __test__ = False

    def __init__(self) -> None:
        self._count = 0

    def token(self, octets: int) -> bytes:
        self._count += 1
        return self._count.to_bytes(octets, "big")


class TestServer:
    """Services (see protocols.imap.services) for users u1, u2, ... with a real database."""

    __test__ = False

    def __init__(self, directory: Path, *, users: int = 2, far: Sequence[int] = (), workers: int = 1) -> None:
        """`far` are users whose mailboxes are in a second database; clients are with each worker in turn."""
        self.clock = TestClock()
        self.entropy = TestEntropy()
        self.views = Views()
        self.kept = Kept()
        self.append_limit = 10_000_000
        self.plaintext_logins = True
        self.may_unauthenticate = True
        self.client_policy = ClientPolicy(faults=FAULTS, puts_off=True)
        self.url_access: UrlAccess | None = None
        self.is_busy = False
        self.annotations: dict[str, bytes] = {}
        self.has_tls = False
        self.takes_tokens = False
        self.channel_bindings: dict[str, bytes] = {}
        self.digests: list[Digest] = []  # that keys were asked for
        self.quotas: dict[str, int] = {}
        self.quota_admins: set[str] = set()
        self.keys_of: dict[str, Keys] = {}
        self.failures: list[str] = []
        self.successes: list[str] = []
        self.connections = 0
        self.most_connections = 10
        self.mounted = True
        self.published: list[Change] = []
        self.neighbours = [Neighbour(self) for _ in range(workers - 1)]
        self._fronts: Iterator[TestServer | Neighbour] = cycle((self, *self.neighbours))
        self.post: Callable[[Callable[[], None]], Any] = lambda run: run()  # how the writer tells what it did
        directory.mkdir(exist_ok=True)
        self.packs: dict[int, Packs] = {}
        self.stores: dict[int, MailboxDatabase] = {}
        self.dismounted: dict[int, MailboxDatabase] = {}
        self.faults: list[BaseException] = []
        self.far = far
        self.is_silent = False  # as if what was committed were never told
        for number in (1, 2) if far else (1,):
            self._open(directory, number)
        self.database = self.stores[1]
        self.groups: dict[str, tuple[RecipientId, ...]] = {}  # that a user is in
        self.owned_by: dict[str, tuple[str, ...]] = {}  # whose mailboxes a user has full access to
        self.has_public_folders = False
        self.impersonators: set[str] = set()  # who may sign in as others
        self.users = 0
        for number in range(1, users + 1):
            self.add_user(number)

    def add_user(self, number: int) -> None:
        """The next user, with a mailbox."""
        self.users = number
        home = self.home(number)
        self.stores[home.database_id].write(CreateMailbox(home.mailbox_id, b"g" * 16, FOLDERS, self.clock.now()))

    def _open(self, directory: Path, number: int) -> None:
        packs = self.packs[number] = Packs(directory / f"packs{number}")
        self.stores[number] = MailboxDatabase(
            directory / f"store{number}.db",
            packs,
            at=self.clock.now(),
            publish=self._publish,
            post=lambda run: self.post(run),
            fault=self._fault,
        )

    def mounted_store(self, number: int) -> MailboxDatabase:
        if number in self.dismounted:
            raise Unavailable("The mailbox database is not mounted")
        return self.stores[number]

    def home(self, user: int) -> Home:
        """A user's own mailbox."""
        return Home(MailboxId(user), 2 if user in self.far else 1)

    def _publish(self, changes: Any) -> None:
        if self.is_silent:
            return
        self.published += changes
        self.views.publish(changes)
        for neighbour in self.neighbours:
            neighbour.hear(changes)

    def _fault(self, fault: BaseException) -> None:
        self.faults.append(fault)

    def _account(self, login: str) -> Account | None:
        found = re.fullmatch(r"u(\d+)", login)
        return replace(account(user := int(found[1])), database_id=self.home(user).database_id) if found else None

    def sign_in_again(self, login: str, password: bytes) -> Account | None:
        return None

    def sign_in(self, login: str, password: bytes) -> Account | None:
        return self._account(login) if password == PASSWORD else None

    def sign_in_with_token(self, token: str) -> Account | None:
        return self._account(token)

    def sign_in_with_certificate(self, names: Sequence[str], authzid: str) -> Account | None:
        wanted = [authzid] if authzid in names else names
        return next(filter(None, map(self._account, wanted)), None)

    def account_named(self, name: str) -> Account | None:
        found = self._account(name.removesuffix("@example.com"))
        return found if found is not None and found.user <= self.users else None

    def act_for(self, account: Account, authzid: str) -> Account | None:
        found = self._account(authzid.removesuffix("@example.com"))
        return found if found == account or account.name in self.impersonators else None

    def keys(self, login: str, digest: Digest) -> Keys:
        self.digests.append(digest)
        return self.keys_of[login]

    def login_delay(self, peer: str, login: str) -> float:
        return float(self.failures.count(login))

    def login_failed(self, peer: str, login: str) -> None:
        self.failures.append(login)

    def login_succeeded(self, peer: str, login: str, acting_for: Account | None = None) -> None:
        self.failures = [failed for failed in self.failures if failed != login]
        self.successes.append(login if acting_for is None else f"{login} as {acting_for.name}")

    def admit(self, account: Account) -> bool:
        if self.connections >= self.most_connections:
            return False
        self.connections += 1
        return True

    def release(self, account: Account) -> None:
        self.connections -= 1

    def is_mounted(self, account: Account) -> bool:
        return self.mounted

    def spool(self, home: Home) -> MessageSpool:
        return MessageSpool(home.database_id, self.packs[home.database_id], LARGEST)

    def quota(self, home: Home) -> int | None:
        return self.quotas.get(f"u{home.mailbox_id}")

    def may_set_quota(self, account: Account) -> bool:
        return account.name in self.quota_admins

    def set_quota(self, account: Account, home: Home, octets: int | None) -> None:
        self.quotas.pop(f"u{home.mailbox_id}", None)
        if octets is not None:
            self.quotas[f"u{home.mailbox_id}"] = octets

    def databases(self) -> Sequence[int]:
        return tuple(self.stores)

    def all_databases(self) -> Sequence[int]:
        return (*self.stores, *self.dismounted)

    def trustees(self, account: Account) -> frozenset[RecipientId]:
        return frozenset((account.user, ANYONE, *self.groups.get(account.name, ())))

    def full_access(self, account: Account) -> Sequence[tuple[str, Home]]:
        return [(name, self.home(int(name[1:]))) for name in self.owned_by.get(account.name, ())]

    def alias_of(self, mailbox_id: MailboxId) -> str | None:
        return f"u{mailbox_id}" if mailbox_id != PUBLIC else None

    def mailbox_of(self, account: Account, alias: str) -> Home | None:
        other = self._account(alias)
        if other is None or other.mailbox_id > self.users or other == account:
            return None
        is_owner = alias in self.owned_by.get(account.name, ())
        by = None if is_owner else Actor(account.user, self.trustees(account))
        return Home(other.mailbox_id, other.database_id, by)

    def public_folders(self, account: Account) -> Home | None:
        return Home(PUBLIC, 1, Actor(account.user, self.trustees(account))) if self.has_public_folders else None

    def trustee(self, identifier: str) -> RecipientId | None:
        if identifier == "anyone":
            return ANYONE
        kind, _, number = identifier.rpartition(":")
        if kind == "group" and number.isdigit():
            return RecipientId(int(number)) if self._is_group(int(number)) else None
        found = self._account(identifier.removesuffix("@example.com"))
        return found.user if found is not None and found.user <= self.users else None

    def identifier(self, trustee: RecipientId) -> str | None:
        if trustee == ANYONE:
            return "anyone"
        if self._is_group(trustee):
            return f"group:{trustee}"
        return f"u{trustee}" if trustee <= self.users else None

    def _is_group(self, number: int) -> bool:
        return any(number in groups for groups in self.groups.values())

    def share(self, path: str, *grants: Grant, user: int = 1) -> None:
        """Lets others into a folder of a user's, whatever its list says already."""
        for grant in grants:
            give = (grant.trustee, grant.is_denied, FlagMode.REPLACE, grant.rights, None, grant.own_only)
            self.stores[self.home(user).database_id].write(SetGrant(MailboxId(user), path, *give))

    def make_public(self, path: str, *grants: Grant) -> None:
        """A public folder."""
        if not self.has_public_folders:
            self.has_public_folders = True
            self.database.write(CreateMailbox(PUBLIC, b"p" * 16, (), self.clock.now()))
        self.database.write(CreateFolder(PUBLIC, NewFolder(path), self.clock.now()))
        self.share(path, *grants, user=PUBLIC)

    def deliver(self, message: bytes, *, user: int = 1, prefix: bytes = b"", folder: str = "INBOX") -> None:
        """A message from outside, as LMTP brings it."""
        spool = self.spool(self.home(user))
        spool.write(message)
        delivery = Delivery(MailboxId(user), prefix, None, folder)
        self.stores[self.home(user).database_id].write(Deliver(spool.finish(), (delivery,), self.clock.now(), None))
        spool.keep()

    def client(self, user: str | None = "u1", *, select: str | None = None, secure: bool = False) -> "Client":
        """A new connection, signed in and with a folder selected if asked."""
        client = Client(next(self._fronts), secure=secure)
        if user is not None:
            client.ok(f"LOGIN {user} pass")
        if select is not None:
            client.ok(f"SELECT {select}")
        return client

    def close(self) -> None:
        for database in self.stores.values():
            database.close()


class Neighbour:
    """The server as a second worker has it: views of its own; commands, results and changes come and go as octets."""

    def __init__(self, server: TestServer) -> None:
        self._server = server
        self.views = Views()
        self.kept = Kept()
        self._is_deaf = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)

    def mounted_store(self, number: int) -> "FarStore":
        return FarStore(number, self._server.mounted_store(number))

    def hear(self, changes: Sequence[Change]) -> None:
        """What was committed, unless it is lost."""
        told = messages.decoded(messages.encoded(messages.Changed(tuple(changes))))
        assert isinstance(told, messages.Changed)
        if not self._is_deaf:
            self.views.publish(told.changes)

    @contextmanager
    def deaf(self) -> Iterator[None]:
        """What is committed meanwhile is not heard, and made up for at the end."""
        self._is_deaf = True
        yield
        self._is_deaf = False
        for key in self.views.doubt():
            known = self.views.known(key)
            assert known is not None, "nobody leaves meanwhile"
            with self._server.stores[self._server.home(known.mailbox_id).database_id].read() as tx:
                self.views.publish(list(missed(tx, known)))
        self.views.publish(list(map(Missed, self.views.following.mailboxes)))


class FarStore:
    """A mailbox database that another worker owns."""

    def __init__(self, number: int, owned: MailboxDatabase) -> None:
        self._number = number
        self._owned = owned
        self.read = owned.read

    def write(self, command: Command) -> Any:
        submitted = messages.decoded(messages.encoded(messages.Submitted(1, self._number, False, command)))
        assert isinstance(submitted, messages.Submitted)
        try:
            answer = messages.answer(1, self._owned.write(submitted.command), None)
        except Refusal as refusal:
            answer = messages.answer(1, None, refusal)
        answered = messages.decoded(messages.encoded(answer))
        assert isinstance(answered, messages.Answered)
        if answered.refused is not None:
            raise messages.refusal(answered.refused)
        return messages.result(type(command), answered.result)


class Client:
    """Says commands, and returns what it hears."""

    def __init__(self, server: "TestServer | Neighbour", *, secure: bool = False) -> None:
        self.server = server
        self.session = Session(server, peer="127.0.0.1", is_secure=secure)
        self.session.wake = self.session.tell_idle
        self.breathe: Breathe = unhurried  # between the messages of a scan
        self.paused: list[float] = []
        self.largest = 0  # octets that were outgoing at once
        self._tags = 0
        self._sent: list[bytes] = []  # taken from the session, as an adapter does between two pieces of work
        self.session.greet()
        self.greeting = self.heard()

    def heard(self) -> bytes:
        """What has been sent since the last time."""
        lines, self._sent, self.session.outgoing = [*self._sent, *self.session.outgoing], [], []
        return b"".join(lines)

    def send(self, data: bytes, *, cut: int | None = None) -> bytes:
        """Octets as they are, in pieces if asked; what is heard until the server waits again."""
        step = cut or len(data) or 1
        for at in range(0, len(data), step):
            self.session.receive(data[at : at + step])
            self._work()
        return self.heard()

    def says(self, command: str | bytes) -> bytes:
        """A command under a new tag; all that is heard."""
        self._tags += 1
        line = command.encode() if isinstance(command, str) else command
        return self.send(b"a%d %s\r\n" % (self._tags, line))

    def ok(self, command: str | bytes) -> bytes:
        """A command that must succeed; the untagged responses."""
        answer = self.says(command)
        assert b"\r\na%d OK" % self._tags in b"\r\n" + answer, (command, answer)
        return answer

    def no(self, command: str | bytes, code: str | None = None) -> bytes:
        """A command that must be refused, with this response code."""
        answer = self.says(command)
        wanted = b"\r\na%d NO%s" % (self._tags, f" [{code}".encode() if code else b"")
        assert wanted in b"\r\n" + answer, (command, answer)
        return answer

    def bad(self, command: str | bytes) -> bytes:
        """A command that must be called BAD."""
        answer = self.says(command)
        assert b"\r\na%d BAD" % self._tags in b"\r\n" + answer, (command, answer)
        return answer

    def append(self, folder: str, message: bytes, flags: str = "") -> bytes:
        """APPEND with a non-synchronising literal."""
        options = f"{flags} " if flags else ""
        return self.ok(f"APPEND {folder} {options}{{{len(message)}+}}\r\n".encode() + message)

    def fetched(self, command: str) -> list[bytes]:
        """The untagged lines of a command that must succeed."""
        return [line for line in self.ok(command).split(b"\r\n") if line.startswith(b"* ")]

    def begin(self, command: str | bytes) -> Work:
        """A command, up to the first work that it asks for; go on with `finish`."""
        self._tags += 1
        self.session.receive(b"a%d %b\r\n" % (self._tags, command.encode() if isinstance(command, str) else command))
        work = self.session.next_work()
        assert work is not None, command
        return work

    def finish(self, work: Work) -> bytes:
        """Does that work and all that follows; what is heard."""
        self.session.finish(self._do(work))
        self._work()
        return self.heard()

    def turn(self) -> bytes:
        """What is heard though nothing was said."""
        self._work()
        return self.heard()

    def leave(self) -> None:
        self.session.end()

    def _work(self) -> None:
        for _ in range(PATIENCE):
            work = self.session.next_work()
            self.largest = max(self.largest, sum(map(len, self.session.outgoing)))
            self._sent += self.session.outgoing
            self.session.outgoing = []
            if work is None:
                return
            try:
                result = self._do(work)
            except Refusal as refusal:
                self.session.fail(refusal)
            except Exception as error:  # noqa: BLE001 - what a handler raises comes back as an adapter would bring it
                self.session.fail(error)
            else:
                self.session.finish(result)
        raise AssertionError("the session asks for work without end")

    def _do(self, work: Work) -> Any:
        """A piece of work; its result."""
        match work:
            case Read(database_id=number, run=run):
                with self.server.mounted_store(number).read() as tx:
                    return run(tx)
            case Scan(database_id=number, run=scan):
                with self.server.mounted_store(number).read() as tx:
                    return scan(tx, self.breathe)
            case Write(database_id=number, command=command):
                return self.server.mounted_store(number).write(command)
            case Compute(run=compute):
                return compute()
            case Pause(seconds=seconds):
                self.paused.append(seconds)
                return None
            case StartTls():
                return None


class Held:
    """While it lasts, what the writer has to tell waits, as it waits for the event loop."""

    def __init__(self, server: TestServer) -> None:
        self._server = server
        self._waiting: list[Callable[[], None]] = []
        self._arrived = threading.Semaphore(0)

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def __enter__(self) -> Self:
        return self

    def commit(self, command: Command) -> None:
        """Carries a command out, of which nobody hears yet."""
        before, self._server.post = self._server.post, self._hold
        self._server.database.submit(command, lambda result, error: None)
        assert self._arrived.acquire(timeout=30)
        self._server.post = before

    def _hold(self, run: Callable[[], None]) -> None:
        self._waiting.append(run)
        self._arrived.release()

    def release(self) -> None:
        """Tells all of it, in order."""
        while self._waiting:
            self._waiting.pop(0)()

    def __exit__(self, *raised: object) -> None:
        self.release()


def room(server: TestServer, count: int, flags: str = "") -> Client:
    """A client in an INBOX with so many messages."""
    client = server.client()
    for _ in range(count):
        client.append("INBOX", MESSAGE, flags)
    client.ok("ENABLE IMAP4rev2")  # no \Recent to look past
    client.ok("SELECT INBOX")
    return client


def second(server: TestServer) -> Client:
    client = server.client()
    client.ok("ENABLE IMAP4rev2")
    client.ok("SELECT INBOX")
    return client


def untagged(answer: bytes) -> list[bytes]:
    return [line for line in answer.split(b"\r\n") if line.startswith(b"* ")]


def stored(server: TestServer, folder_id: FolderId) -> dict[int, frozenset[bytes]]:
    """What the store says of a folder of the first mailbox: the flags of each UID, as a client would write them."""
    names = (b"\\Seen", b"\\Answered", b"\\Flagged", b"\\Deleted", b"\\Draft")
    place = (MailboxId(1), folder_id)
    with server.database.read() as tx:
        keywords = tx.keywords(*place)
        return {
            entry.uid: frozenset(
                [name for bit, name in enumerate(names) if entry.flags >> bit & 1]
                + [name.encode() for bit, name in enumerate(keywords) if entry.keywords >> bit & 1]
            )
            for entry in tx.entries(*place, 1, MAX_UID)
        }
