"""Several sessions in one folder: what each was told, folded by a naive client, is always what it is in.

RFC 9051 7.4, 7.5: EXISTS, EXPUNGE and FETCH are all that a client learns of its folder, and it counts messages by them.
"""

import re
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from core.commands import Expunge, FlagMode, Flags, StoreFlags
from core.folders import find
from core.integrity.audit import audit
from core.model import DELETED, MAX_UID, FolderId, MailboxId, UIDRanges
from tests.support.imap import Client, TestServer, stored

ONE = MailboxId(1)
EVERYTHING: UIDRanges = ((1, MAX_UID),)
LINE = re.compile(rb"\* (\d+) (EXISTS|EXPUNGE|FETCH)(?: \((?:UID (\d+))? ?(?:FLAGS \(([^)]*)\))?)?")
FLAG = st.sampled_from(["\\Seen", "\\Deleted", "\\Deleted", "$a", "$b"])
MODE = st.sampled_from(["+", "-", ""])
SESSION = st.integers(0, 2)
PICK = st.integers(0, 1_000)


class Known:
    """What a client knows of one message: nothing, until it is told."""

    def __init__(self) -> None:
        self.uid: int | None = None
        self.flags: frozenset[bytes] | None = None


class Naive:
    """A client that believes whatever it is told."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.messages: list[Known] = []
        self.is_idling = False
        client.ok("ENABLE IMAP4rev2")  # no \\Recent, which each session sees otherwise
        self.enter()

    def enter(self) -> None:
        self.messages = []
        self.hear(self.client.ok("SELECT INBOX"))
        self.look()

    def hear(self, answer: bytes) -> list[int]:
        """Folds what was heard; the UIDs of messages that were told with theirs."""
        uids = []
        for number, what, uid, flags in (found.groups() for found in LINE.finditer(answer)):
            place = int(number)
            if what == b"EXISTS":
                assert place >= len(self.messages), "EXISTS takes nothing away"
                self.messages += [Known() for _ in range(place - len(self.messages))]
                continue
            assert 1 <= place <= len(self.messages), "only of messages that exist"
            if what == b"EXPUNGE":
                del self.messages[place - 1]
                continue
            message = self.messages[place - 1]
            if uid:
                assert message.uid in (None, int(uid)), "a number means one message"
                message.uid = int(uid)
                uids.append(int(uid))
            if flags is not None:
                message.flags = frozenset(flags.split())
        return uids

    def says(self, command: str) -> bytes:
        self.wake()
        answer = self.client.says(command)
        self.hear(answer)
        return answer

    def wake(self) -> None:
        if self.is_idling:
            self.is_idling = False
            self.hear(self.client.send(b"DONE\r\n"))

    def look(self) -> None:
        """FETCH of everything tells nothing that was not known, but UIDs."""
        self.wake()
        if not self.messages:
            return
        before = [message.flags for message in self.messages]
        answer = self.client.ok("FETCH 1:* (UID FLAGS)")
        assert b"EXPUNGE" not in answer
        told = [frozenset(flags.split()) for _, _, uid, flags in LINE.findall(answer) if uid]
        assert len(told) == len(before)
        assert all(known in (None, now) for known, now in zip(before, told, strict=True))
        self.hear(answer)
        uids = [message.uid for message in self.messages if message.uid is not None]
        assert uids == sorted(set(uids))


class Folder(RuleBasedStateMachine):
    WORKERS = 1

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.server = TestServer(Path(self.directory.name), users=1, workers=self.WORKERS)

    @initialize(count=st.integers(0, 4))
    def begin(self, count: int) -> None:
        for _ in range(count):
            self.deliver()
        with self.server.database.read() as tx:
            inbox = find(tx, ONE, "INBOX")
        assert inbox is not None
        self.inbox: FolderId = inbox.folder_id
        self.clients = [Naive(self.server.client()) for _ in range(3)]

    @rule()
    def deliver(self) -> None:
        self.server.deliver(b"Subject: x\r\n\r\n")

    @rule(flag=st.sampled_from([0, DELETED]), low=st.integers(1, 12), width=st.integers(0, 3))
    def others_store(self, flag: int, low: int, width: int) -> None:
        uids = ((low, low + width),)
        self.server.database.write(StoreFlags(ONE, self.inbox, uids, FlagMode.ADD, Flags(flag, ("$c",))))

    @rule()
    def others_expunge(self) -> None:
        self.server.database.write(Expunge(ONE, self.inbox, EVERYTHING))

    @rule(session=SESSION, pick=PICK, flag=FLAG, mode=MODE, silent=st.booleans())
    def store_by_number(self, session: int, pick: int, flag: str, mode: str, silent: bool) -> None:
        naive = self.clients[session]
        naive.wake()
        if not naive.messages:
            return
        number = pick % len(naive.messages) + 1
        message = naive.messages[number - 1]
        answer = naive.says(f"STORE {number} {mode}FLAGS{'.SILENT' if silent else ''} ({flag})")
        assert b"EXPUNGE\r" not in answer
        is_done = b" OK STORE" in answer
        if is_done and not silent:
            assert message.flags is not None
            assert (flag.encode() in message.flags) is (mode != "-")
        elif silent:
            message.flags = None  # a client would work it out; here it asks
        if message.uid is not None and not silent and is_done:
            assert stored(self.server, self.inbox).get(message.uid) == message.flags

    @rule(session=SESSION, low=st.integers(1, 12), flag=FLAG, mode=MODE)
    def store_by_uid(self, session: int, low: int, flag: str, mode: str) -> None:
        assert b" OK " in self.clients[session].says(f"UID STORE {low}:{low + 2} {mode}FLAGS ({flag})")

    @rule(session=SESSION)
    def expunge(self, session: int) -> None:
        assert b" OK " in self.clients[session].says("EXPUNGE")

    @rule(session=SESSION, low=st.integers(1, 12))
    def expunge_by_uid(self, session: int, low: int) -> None:
        assert b" OK " in self.clients[session].says(f"UID EXPUNGE {low}:{low + 3}")

    @rule(
        session=SESSION,
        low=st.integers(1, 12),
        to=st.sampled_from(["INBOX", "Sent"]),
        verb=st.sampled_from(["COPY", "MOVE"]),
    )
    def carry_by_uid(self, session: int, low: int, to: str, verb: str) -> None:
        assert b" OK " in self.clients[session].says(f"UID {verb} {low}:{low + 1} {to}")

    @rule(session=SESSION, pick=PICK, verb=st.sampled_from(["COPY", "MOVE"]))
    def carry_by_number(self, session: int, pick: int, verb: str) -> None:
        naive = self.clients[session]
        naive.wake()
        if naive.messages:
            uid = naive.messages[(number := pick % len(naive.messages))].uid
            answer = naive.says(f"{verb} {number + 1} Sent")
            copied = re.search(rb"COPYUID \d+ (\d+) ", answer)
            assert copied is None or uid in (None, int(copied[1]))

    @rule(session=SESSION)
    def append(self, session: int) -> None:
        assert b" OK " in self.clients[session].says("APPEND INBOX ($a) {3+}\r\nabc")

    @rule(session=SESSION)
    def append_several(self, session: int) -> None:
        answer = self.clients[session].says("APPEND INBOX {1+}\r\na ($a $d) {1+}\r\nb {1+}\r\nc")
        assert b" OK " in answer

    @rule(session=SESSION, uid=st.integers(1, 12), to=st.sampled_from(["INBOX", "Sent"]))
    def replace_by_uid(self, session: int, uid: int, to: str) -> None:
        before = stored(self.server, self.inbox)
        answer = self.clients[session].says(f"UID REPLACE {uid} {to} ($e) {{1+}}\r\nx")
        gone = before.keys() - stored(self.server, self.inbox).keys()
        assert gone == ({uid} if b" OK REPLACE" in answer else set())

    @rule(session=SESSION, pick=PICK)
    def replace_by_number(self, session: int, pick: int) -> None:
        naive = self.clients[session]
        naive.wake()
        if naive.messages:
            message = naive.messages[(number := pick % len(naive.messages))]
            before = stored(self.server, self.inbox).keys()
            answer = naive.says(f"REPLACE {number + 1} INBOX {{1+}}\r\nx")
            gone = before - stored(self.server, self.inbox).keys()
            assert len(gone) == (b" OK REPLACE" in answer)
            assert message.uid is None or gone <= {message.uid}

    @rule(session=SESSION)
    def search(self, session: int) -> None:
        naive = self.clients[session]
        naive.wake()
        count = len(naive.messages)
        answer = naive.client.ok("SEARCH RETURN (MIN MAX COUNT) ALL")
        assert (b" MIN 1 MAX %d COUNT %d\r\n" % (count, count) if count else b" COUNT 0\r\n") in answer
        naive.hear(answer)

    @rule(session=SESSION, low=st.integers(1, 12))
    def fetch_by_uid(self, session: int, low: int) -> None:
        assert b" OK " in self.clients[session].says(f"UID FETCH {low}:* FLAGS")

    @rule(session=SESSION)
    def read_bodies(self, session: int) -> None:
        naive = self.clients[session]
        naive.wake()
        if naive.messages:
            assert b"EXPUNGE\r" not in naive.says("FETCH 1:* (BODY[TEXT]<0.1>)")

    @rule(session=SESSION)
    def look(self, session: int) -> None:
        self.clients[session].look()

    @rule(session=SESSION)
    def idle(self, session: int) -> None:
        naive = self.clients[session]
        if not naive.is_idling:
            naive.says("IDLE")
            naive.is_idling = True

    @rule(session=SESSION)
    def enter_again(self, session: int) -> None:
        self.clients[session].wake()
        self.clients[session].enter()

    @precondition(lambda self: hasattr(self, "clients"))
    @rule(session=SESSION)
    def noop(self, session: int) -> None:
        """What was told adds up to what is stored."""
        naive = self.clients[session]
        naive.says("NOOP")
        naive.look()
        assert {message.uid: message.flags for message in naive.messages} == stored(self.server, self.inbox)

    @invariant()
    def who_idles_knows_everything(self) -> None:
        for naive in getattr(self, "clients", []):
            if naive.is_idling:
                naive.hear(naive.client.heard())
                assert len(naive.messages) == len(stored(self.server, self.inbox))
            else:
                assert naive.client.heard() == b"", "nobody speaks unasked"

    def teardown(self) -> None:
        try:
            assert self.server.faults == []
            with self.server.database.read() as tx:
                assert list(audit(tx)) == []
        finally:
            self.server.close()
            self.directory.cleanup()


TestViews = Folder.TestCase
TestViews.settings = settings(max_examples=max(150, settings().max_examples), stateful_step_count=40)


class FolderOfTwoWorkers(Folder):
    """The sessions are with one worker and the other in turn."""

    WORKERS = 2

    @rule(flag=st.sampled_from([0, DELETED]), low=st.integers(1, 12), count=st.integers(0, 2), expunges=st.booleans())
    def changes_are_lost(self, flag: int, low: int, count: int, expunges: bool) -> None:
        with self.server.neighbours[0].deaf():
            self.others_store(flag, low, 1)
            for _ in range(count):
                self.deliver()
            if expunges:
                self.others_expunge()


TestViewsOfTwoWorkers = FolderOfTwoWorkers.TestCase
TestViewsOfTwoWorkers.settings = settings(max_examples=max(150, settings().max_examples), stateful_step_count=40)
