r"""Owner and readers in one folder against a naive oracle: flags that all share, and \Seen of each reader by himself.

Each session is a client that believes whatever it is told (RFC 9051 7.4, 7.5); what it has made of that is compared
with what the oracle says this user must see (T-2.2).
"""

import re
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from core.commands import Expunge, FlagMode, Flags, JoinSeen, StoreFlags
from core.folders import find
from core.integrity.audit import audit
from core.model import MAX_UID, FolderId, MailboxId
from core.rights import Actor, Grant, mask
from protocols.imap.commands import SYSTEM_FLAGS
from tests.model.test_imap_views import Naive
from tests.support.imap import Client, Held, TestServer, account

ONE = MailboxId(1)
USERS = ("u1", "u2", "u2", "u3")  # the owner, a reader twice, another reader
EVENTS = "MessageNew (uid flags) MessageExpunge FlagChange"
SESSION = st.integers(0, len(USERS) - 1)
FLAGS = st.sampled_from(["\\Seen", "\\Seen", "\\Seen $a", "\\Deleted", "\\Flagged", "\\Seen \\Flagged", "$a", ""])
MODE = st.sampled_from(["+", "-", ""])
LOW = st.integers(1, 10)
SEEN = b"\\Seen"


class Sharer(Naive):
    """A naive client of one user."""

    def __init__(self, client: Client, name: str, *, resynchronizes: bool, is_notified: bool) -> None:
        self.name = name
        self.is_notified = is_notified  # RFC 5465: told at once, as if it idled for ever
        if resynchronizes:
            client.ok("ENABLE QRESYNC")
        if is_notified:
            client.ok(f"NOTIFY SET (selected ({EVENTS}))")
        super().__init__(client)

    def hear(self, answer: bytes) -> list[int]:
        """Folds VANISHED too (RFC 7162 3.2.10): of those whose UIDs it has not asked for, it knows only how many.

        And that they lie between those whose UIDs it knows, for UIDs ascend.
        """
        uids = []
        for line in answer.split(b"\r\n"):
            gone = re.match(rb"\* VANISHED ([\d:,]+)", line)
            for uid in _uids(gone[1]) if gone else ():
                known = [message.uid for message in self.messages]
                below = [at for at, other in enumerate(known) if other is not None and other < uid]
                del self.messages[
                    known.index(uid) if uid in known else known.index(None, below[-1] + 1 if below else 0)
                ]
            uids += super().hear(line)
        return uids

    def enter(self) -> None:
        self.messages = []
        self.hear(self.client.ok(f'SELECT "{self.path}"'))
        self.look()

    def look(self) -> None:
        """As of any; what comes unasked has its MODSEQ, for who resynchronizes."""
        self.wake()
        if not self.messages:
            return
        before = [message.flags for message in self.messages]
        answer = self.client.ok("FETCH 1:* (UID FLAGS)")
        lines = [line for line in answer.split(b"\r\n") if b" FETCH (UID " in line and b"MODSEQ" not in line]
        told = [frozenset(re.findall(rb"FLAGS \(([^)]*)\)", line)[0].split()) for line in lines]
        assert len(told) == len(before)
        assert all(known in (None, now) for known, now in zip(before, told, strict=True))
        self.hear(answer)

    @property
    def path(self) -> str:
        return "INBOX" if self.name == "u1" else "Other Users/u1/INBOX"

    def shown(self) -> dict[int | None, frozenset[bytes] | None]:
        return {message.uid: message.flags for message in self.messages}


class Oracle:
    r"""Messages with the flags that all see, and for each user the messages that are \Seen."""

    def __init__(self) -> None:
        self.flags: dict[int, set[bytes]] = {}
        self.seen: dict[str, set[int]] = {name: set() for name in USERS}
        self.next = 1

    def add(self, flags: str, user: str) -> None:
        words = set(flags.encode().split())
        if SEEN in words:
            self.seen[user].add(self.next)
        self.flags[self.next] = words - {SEEN}
        self.next += 1

    def store(self, uids: set[int], mode: str, flags: str, user: str) -> None:
        words = set(flags.encode().split())
        for uid in uids & self.flags.keys():
            before = self.of(uid, user)
            after = before | words if mode == "+" else before - words if mode == "-" else words
            self.flags[uid] = set(after - {SEEN})
            (self.seen[user].add if SEEN in after else self.seen[user].discard)(uid)

    def remove(self, uids: set[int]) -> None:
        for uid in uids:
            self.flags.pop(uid, None)

    def of(self, uid: int, user: str) -> frozenset[bytes]:
        return frozenset(self.flags[uid] | ({SEEN} if uid in self.seen[user] else set()))

    def shown(self, user: str) -> dict[int, frozenset[bytes]]:
        return {uid: self.of(uid, user) for uid in self.flags}


class Shared(RuleBasedStateMachine):
    WORKERS = 1

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.server = TestServer(Path(self.directory.name), users=3, workers=self.WORKERS)
        self.server.share("INBOX", *(Grant(account(user).user, mask("lrswipte")) for user in (2, 3)))
        self.oracle = Oracle()
        self.clients: list[Sharer] = []
        self.held = Held(self.server)  # commits that nobody has been told of
        self.modseqs: dict[tuple[str, int], tuple[frozenset[bytes], int]] = {}  # as last seen by each user

    @initialize(count=st.integers(0, 4))
    def begin(self, count: int) -> None:
        for _ in range(count):
            self.deliver()
        with self.server.database.read() as tx:
            inbox = find(tx, ONE, "INBOX")
        assert inbox is not None
        self.inbox: FolderId = inbox.folder_id
        clients = [(self.server.client(name), name) for name in USERS]
        self.clients = [
            Sharer(client, name, resynchronizes=at > 1, is_notified=at % 2 == 1)
            for at, (client, name) in enumerate(clients)
        ]

    @rule()
    def deliver(self) -> None:
        self.held.release()
        self.server.deliver(b"Subject: x\r\n\r\nx")
        self.oracle.add("", "u1")

    @rule(low=LOW, width=st.integers(0, 5), mode=MODE, flags=FLAGS, user=st.sampled_from([1, 2, 3]))
    def stores_and_is_told_late(self, low: int, width: int, mode: str, flags: str, user: int) -> None:
        """As the writer's thread runs ahead of the event loop."""
        words = flags.split()
        system = sum(bit for bit, name in _system_flags() if name in words)
        given = Flags(system, tuple(word for word in words if word.startswith("$")))
        by = None if user == 1 else Actor(account(user).user, frozenset((account(user).user,)))
        uids = {uid for uid in self.oracle.flags if low <= uid <= low + width}
        how = {"+": FlagMode.ADD, "-": FlagMode.REMOVE, "": FlagMode.REPLACE}[mode]
        self.held.commit(StoreFlags(ONE, self.inbox, ((low, low + width),), how, given, by=by))
        self.oracle.store(uids, mode, flags, f"u{user}")

    @rule()
    def expunges_and_is_told_late(self) -> None:
        self.held.commit(Expunge(ONE, self.inbox, ((1, MAX_UID),)))
        self.oracle.remove({uid for uid, flags in self.oracle.flags.items() if b"\\Deleted" in flags})

    def _told(self, session: int) -> Sharer:
        """The session, once all have been told of everything."""
        self.held.release()
        for naive in self.clients:
            naive.hear(naive.client.heard() + naive.client.turn())
        return self.clients[session]

    def _known(self, session: int, low: int, width: int) -> tuple[Sharer, set[int]]:
        """The session, once it knows the UIDs of all that it sees, and those in a range."""
        naive = self._told(session)
        naive.look()
        if any(message.uid is None for message in naive.messages):
            naive.look()  # of what came with the answer to the first
        uids = {message.uid for message in naive.messages if message.uid is not None}
        return naive, {uid for uid in uids if low <= uid <= low + width}

    @rule(session=SESSION, low=LOW, width=st.integers(0, 5), mode=MODE, flags=FLAGS, silent=st.booleans())
    def store(self, session: int, low: int, width: int, mode: str, flags: str, silent: bool) -> None:
        naive, uids = self._known(session, low, width)
        naive.says(f"UID STORE {low}:{low + width} {mode}FLAGS{'.SILENT' if silent else ''} ({flags})")
        self.oracle.store(uids, mode, flags, naive.name)
        if silent:
            for message in naive.messages:
                message.flags = None  # a client would work it out; here it asks

    @rule(session=SESSION, low=LOW)
    def read(self, session: int, low: int) -> None:
        naive, uids = self._known(session, low, 1)
        naive.says(f"UID FETCH {low}:{low + 1} BODY[]")
        self.oracle.store(uids, "+", "\\Seen", naive.name)

    @rule(session=SESSION, flags=FLAGS)
    def append(self, session: int, flags: str) -> None:
        naive = self._told(session)
        assert b" OK " in naive.says(f'APPEND "{naive.path}" ({flags}) {{1+}}\r\nx')
        self.oracle.add(flags, naive.name)
        self._known(session, 1, 0)  # who hears of UIDs must know his own, which he is not told

    @rule(session=SESSION, low=LOW, verb=st.sampled_from(["COPY", "MOVE"]))
    def carry(self, session: int, low: int, verb: str) -> None:
        naive, uids = self._known(session, low, 1)
        assert b" OK " in naive.says(f'UID {verb} {low}:{low + 1} "{naive.path}"')
        there = sorted(uids & self.oracle.flags.keys())
        for uid in there:
            self.oracle.add(b" ".join(self.oracle.of(uid, naive.name)).decode(), naive.name)
        if verb == "MOVE":
            self.oracle.remove(set(there))
        self._known(session, 1, 0)

    @rule(session=SESSION)
    def expunge(self, session: int) -> None:
        naive = self._told(session)
        naive.says("EXPUNGE")
        self.oracle.remove({uid for uid, flags in self.oracle.flags.items() if b"\\Deleted" in flags})

    @rule(user=st.sampled_from([2, 3]))
    def marks_are_joined(self, user: int) -> None:
        """Once nobody sees a message any more that is gone: its marks go, though it may be asked for by number."""
        for at in range(len(self.clients)):
            self._told(at).says("NOOP")
        self.server.database.write(JoinSeen(ONE, self.inbox, account(user).user))

    @rule(session=SESSION, low=LOW)
    def search(self, session: int, low: int) -> None:
        naive = self._told(session)
        naive.says("NOOP")
        found = re.search(rb"ALL ([\d,:]+)", naive.client.ok(f"UID SEARCH RETURN (ALL) UID {low}:* UNSEEN"))
        expected = [uid for uid in sorted(self.oracle.flags) if uid not in self.oracle.seen[naive.name]]
        top = max(self.oracle.flags, default=0)
        expected = [uid for uid in expected if uid >= low or uid == top]
        assert _uids(found[1] if found else b"") == expected

    @rule(session=SESSION)
    def status(self, session: int) -> None:
        """STATUS needs no session in the folder."""
        naive = self._told(session)
        client = self.server.client(naive.name)
        answer = client.ok(f'STATUS "{naive.path}" (MESSAGES UNSEEN UIDNEXT HIGHESTMODSEQ)')
        client.leave()
        unseen = len(self.oracle.flags.keys() - self.oracle.seen[naive.name])
        counts = b"(MESSAGES %d UNSEEN %d UIDNEXT %d " % (len(self.oracle.flags), unseen, self.oracle.next)
        assert counts in answer
        found = re.search(rb"HIGHESTMODSEQ (\d+)", answer)
        assert found is not None
        self._modseqs_grow(naive.name, int(found[1]))

    def _modseqs_grow(self, user: str, highest: int) -> None:
        """RFC 7162 3.1: a message's MODSEQ never sinks, rises when its flags change, and is at most HIGHESTMODSEQ."""
        client = self.server.client(user, select='"INBOX"' if user == "u1" else '"Other Users/u1/INBOX"')
        lines = client.ok("UID FETCH 1:* (MODSEQ)")
        client.leave()
        for uid, modseq in ((int(u), int(m)) for u, m in re.findall(rb"FETCH \(UID (\d+) MODSEQ \((\d+)\)\)", lines)):
            flags = self.oracle.of(uid, user)
            known_flags, known = self.modseqs.get((user, uid), (flags, 0))
            assert known <= modseq <= highest
            assert flags == known_flags or modseq > known
            self.modseqs[user, uid] = (flags, modseq)

    @rule(session=SESSION)
    def idle(self, session: int) -> None:
        naive = self.clients[session]
        if not naive.is_idling:
            naive.says("IDLE")
            naive.is_idling = True

    @rule(session=SESSION)
    def enter_again(self, session: int) -> None:
        """Also in the midst of what is still to be told to all."""
        naive = self.clients[session]
        naive.wake()
        naive.enter()
        assert self.held or naive.shown() == self.oracle.shown(naive.name)

    @rule(session=SESSION)
    def noop(self, session: int) -> None:
        """What was told adds up to what this user must see."""
        naive = self._told(session)
        naive.says("NOOP")
        naive.look()
        assert naive.shown() == self.oracle.shown(naive.name)

    @invariant()
    def who_idles_knows_everything(self) -> None:
        for naive in self.clients:
            heard = naive.client.heard() + naive.client.turn()
            is_told = naive.is_idling or naive.is_notified
            assert is_told or heard == b"", "nobody speaks unasked"
            naive.hear(heard)
            if is_told and not self.held:
                assert len(naive.messages) == len(self.oracle.flags)
                assert all(m.flags in (None, self.oracle.of(m.uid, naive.name)) for m in naive.messages if m.uid)

    def teardown(self) -> None:
        self.held.release()
        try:
            assert self.server.faults == []
            with self.server.database.read() as tx:
                assert list(audit(tx)) == []
        finally:
            self.server.close()
            self.directory.cleanup()


def _system_flags() -> list[tuple[int, str]]:
    """(bit, name) of the system flags."""
    return [(1 << bit, name) for bit, name in enumerate(SYSTEM_FLAGS)]


def _uids(ranges: bytes) -> list[int]:
    found: list[int] = []
    for run in filter(None, ranges.split(b",")):
        low, _, high = run.partition(b":")
        found += range(int(low), int(high or low) + 1)
    return found


TestShared = Shared.TestCase
TestShared.settings = settings(max_examples=max(100, settings().max_examples), stateful_step_count=100)


class SharedOfTwoWorkers(Shared):
    """The sessions are with one worker and the other in turn."""

    WORKERS = 2

    @rule(low=LOW, mode=MODE, flags=FLAGS, user=st.sampled_from([1, 2, 3]), more=st.booleans())
    def changes_are_lost(self, low: int, mode: str, flags: str, user: int, more: bool) -> None:
        self.held.release()
        with self.server.neighbours[0].deaf():
            self.stores_and_is_told_late(low, 3, mode, flags, user)
            if more:
                self.expunges_and_is_told_late()
                self.deliver()
            self.held.release()


TestSharedOfTwoWorkers = SharedOfTwoWorkers.TestCase
TestSharedOfTwoWorkers.settings = settings(max_examples=max(100, settings().max_examples), stateful_step_count=100)
