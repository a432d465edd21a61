"""A client that keeps a cache, is cut off at any line, and comes back with QRESYNC, has what one that never left has.

RFC 7162 section 6 says what such a client does with what it hears; this one does just that.
"""

import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from core import items
from core.commands import Expunge, FlagMode, Flags, ForgetTombstones, JoinSeen, StoreFlags
from core.folders import find
from core.model import DELETED, MAX_UID, FolderId, MailboxId, UIDRanges
from core.rights import Actor, Grant, mask
from core.seen import marks
from tests.support.imap import Client, TestServer, account, stored

ONE = MailboxId(1)
MODES = st.sampled_from(FlagMode)
EVERYTHING: UIDRanges = ((1, MAX_UID),)
FETCH = re.compile(rb"\* \d+ FETCH \((?:UID (\d+) ?)?(?:FLAGS \(([^)]*)\) ?)?(?:MODSEQ \((\d+)\))?\)")
VANISHED = re.compile(rb"\* VANISHED (?:\(EARLIER\) )?([\d:,]+)")
HIGHEST = re.compile(rb"\[HIGHESTMODSEQ (\d+)\]")
COMMANDS = st.one_of(
    st.just("NOOP"),
    st.just("EXPUNGE"),
    st.just("FETCH 1 (FLAGS MODSEQ)"),
    st.just("SEARCH RETURN (COUNT) ALL"),
    st.just("STORE 1 +FLAGS.SILENT (\\Flagged)"),
    st.builds("UID FETCH {}:* (FLAGS MODSEQ)".format, st.integers(1, 9)),
    st.builds("UID FETCH 1:* (FLAGS) (CHANGEDSINCE {} VANISHED)".format, st.integers(1, 30)),
    st.builds("UID STORE {0}:{0} +FLAGS (\\Deleted)".format, st.integers(1, 9)),
    st.builds(
        "UID STORE {}:9 (UNCHANGEDSINCE {}) -FLAGS.SILENT (\\Seen $a)".format, st.integers(1, 9), st.integers(1, 30)
    ),
    st.builds("UID MOVE {} INBOX".format, st.integers(1, 9)),
    st.builds("UID EXPUNGE {}:9".format, st.integers(1, 9)),
    st.builds("UID REPLACE {} {} ($a) {{1+}}\r\nx".format, st.integers(1, 9), st.sampled_from(["INBOX", "Sent"])),
    st.just("APPEND INBOX {1+}\r\nx (\\Seen) {1+}\r\ny"),
)

TOLD = st.one_of(st.just("FETCH 1 (FLAGS MODSEQ)"), COMMANDS.filter(lambda command: "SILENT" not in command))


class Cache:
    """What the client has on its own disk, and its connection of the moment."""

    def __init__(self, server: TestServer, user: str, path: str) -> None:
        self.server = server
        self.user, self.path = user, path
        self.client: Client
        self.messages: dict[int, frozenset[bytes]] = {}
        self.validity = self.modseq = 0
        self.complete = 0  # up to this UID every message has been asked for
        self.told: list[int] = []  # MODSEQs of FETCH, since the last tagged response
        self.highest: int | None = None  # the last HIGHESTMODSEQ since then

    def connect(self) -> None:
        self.client = self.server.client(self.user)
        self.client.ok("ENABLE IMAP4rev2 QRESYNC")
        self.told, self.highest = [], None

    def enter(self, lines: int | None = None) -> None:
        """Comes back; with `lines`, is cut off again after so many."""
        self.connect()
        known = f" (QRESYNC ({self.validity} {self.modseq}))" if self.modseq else ""
        answer = self.client.ok(f"SELECT {self.path}{known}")
        validity = re.search(rb"\[UIDVALIDITY (\d+)\]", answer)
        assert validity is not None
        self.validity = int(validity[1])
        self.hear(answer, lines)
        if lines is None:
            self.look()

    def look(self) -> None:
        """Asks for what has come; first it hears of what has changed, lest it take that for all."""
        self.hear(self.client.ok("NOOP"))
        answer = self.client.ok(f"UID FETCH {self.complete + 1}:* (FLAGS MODSEQ)")
        self.hear(answer)
        self.complete = max([self.complete, *self.messages])

    def hear(self, answer: bytes, lines: int | None = None) -> None:
        for line in answer.split(b"\r\n")[:lines]:
            if found := VANISHED.match(line):
                for run in found[1].split(b","):
                    low, _, high = run.partition(b":")
                    for uid in range(int(low), int(high or low) + 1):
                        self.messages.pop(uid, None)
            elif (found := FETCH.match(line)) and found[1]:
                if found[2] is not None:
                    self.messages[int(found[1])] = frozenset(found[2].split())
                self.told += [int(found[3])] if found[3] else []
            if found := HIGHEST.search(line):
                self.highest = int(found[1])
            if re.match(rb"a\d+ ", line):
                self._settle()

    def _settle(self) -> None:
        """RFC 7162 6: at a tagged response the client works out its new HIGHESTMODSEQ."""
        if self.highest is not None:
            self.modseq = self.highest
        else:
            self.modseq = max([self.modseq, *self.told])
        self.told, self.highest = [], None


class Coming(RuleBasedStateMachine):
    WORKERS = 1
    USERS = 1
    USER, PATH = "u1", "INBOX"

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(items, "TOMBSTONES_PER_FOLDER", 2)
        self.server = TestServer(Path(self.directory.name), users=self.USERS, workers=self.WORKERS)
        self.share()
        self.cache = Cache(self.server, self.USER, self.PATH)

    def share(self) -> None:
        """Lets the user in, who is the owner here."""

    def there(self) -> dict[int, frozenset[bytes]]:
        """What the store has for this user."""
        return stored(self.server, self.inbox)

    @initialize(count=st.integers(0, 5))
    def begin(self, count: int) -> None:
        with self.server.database.read() as tx:
            inbox = find(tx, ONE, "INBOX")
        assert inbox is not None
        self.inbox: FolderId = inbox.folder_id
        for _ in range(count):
            self.deliver()
        self.cache.enter()

    @rule()
    def deliver(self) -> None:
        self.server.deliver(b"Subject: x\r\n\r\n")

    @rule(
        flag=st.sampled_from([0, DELETED]),
        low=st.integers(1, 9),
        width=st.integers(0, 2),
        mode=st.sampled_from(FlagMode),
    )
    def others_store(self, flag: int, low: int, width: int, mode: FlagMode) -> None:
        uids = ((low, low + width),)
        self.server.database.write(StoreFlags(ONE, self.inbox, uids, mode, Flags(flag, ("$a",))))

    @rule(low=st.integers(1, 9))
    def others_expunge(self, low: int) -> None:
        self.server.database.write(Expunge(ONE, self.inbox, ((low, MAX_UID),)))

    @rule(low=st.integers(1, 9), keyword=st.booleans())
    def others_delete(self, low: int, keyword: bool) -> None:
        """And then, perhaps, change what is left: its MODSEQ is higher than that of what went."""
        self.others_store(DELETED, low, 0, FlagMode.ADD)
        self.server.database.write(Expunge(ONE, self.inbox, ((low, low),)))
        if keyword:
            self.others_store(0, 1, 8, FlagMode.ADD)

    @rule()
    def tombstones_are_forgotten(self) -> None:
        self.server.database.write(ForgetTombstones(ONE, self.inbox))

    @rule(command=COMMANDS)
    def work(self, command: str) -> None:
        command = command.replace("INBOX", self.PATH)
        if "SILENT" in command:
            # The client cannot know what a silent STORE made of the flags of others: it looks.
            self.cache.hear(self.cache.client.says(command))
            self.cache.hear(self.cache.client.ok("UID FETCH 1:* (FLAGS MODSEQ)"))
        else:
            self.cache.hear(self.cache.client.says(command))

    @rule()
    def look(self) -> None:
        self.cache.look()

    @rule(command=TOLD, lines=st.sampled_from([0, 1, 2, 3, None, None]))
    def is_cut_off(self, command: str, lines: int | None) -> None:
        command = command.replace("INBOX", self.PATH)
        self.cache.hear(self.cache.client.says(command), lines)
        self.cache.client.leave()
        self.cache.enter()
        self.has_what_is_there()

    @rule(count=st.integers(0, 6), forgotten=st.booleans())
    def was_away(self, count: int, forgotten: bool) -> None:
        self.cache.client.leave()
        for uid in sorted(self.there())[:count]:
            self.others_delete(uid, False)
        if forgotten:
            self.tombstones_are_forgotten()
        self.cache.enter()
        self.has_what_is_there()

    @rule(lines=st.integers(0, 12))
    def is_cut_off_while_coming_back(self, lines: int) -> None:
        self.cache.client.leave()
        self.cache.enter(lines)
        self.cache.client.leave()
        self.cache.enter()
        self.has_what_is_there()

    @rule()
    def catches_up(self) -> None:
        self.cache.hear(self.cache.client.ok("NOOP"))
        self.cache.look()
        self.has_what_is_there()

    def has_what_is_there(self) -> None:
        assert self.cache.messages == self.there()

    @invariant()
    def knows_no_more_than_there_was(self) -> None:
        if hasattr(self, "inbox"):
            with self.server.database.read() as tx:
                folder = tx.folder(ONE, self.inbox)
                own = tx.reader_modseq(ONE, self.inbox, account(2).user)
            assert folder is not None
            assert self.cache.modseq <= max(folder.modseq, own)

    def teardown(self) -> None:
        try:
            assert self.server.faults == []
        finally:
            self.server.close()
            self.patch.undo()
            self.directory.cleanup()


class ComingAsReader(Coming):
    r"""The same of who is not the owner: \Seen is his own, and others read too (T-2.2)."""

    USERS = 3
    USER, PATH = "u2", '"Other Users/u1/INBOX"'

    def share(self) -> None:
        self.server.share("INBOX", *(Grant(account(user).user, mask("lrswipte")) for user in (2, 3)))

    def there(self) -> dict[int, frozenset[bytes]]:
        with self.server.database.read() as tx:
            folder = tx.folder(ONE, self.inbox)
            assert folder is not None
            known = marks(tx, folder, account(2).user)
        flags = stored(self.server, self.inbox)
        return {uid: (own - {SEEN}) | ({SEEN} if known.is_seen(uid) else set()) for uid, own in flags.items()}

    @rule(
        user=st.sampled_from([2, 2, 3]), low=st.integers(1, 9), width=st.integers(0, 4), mode=st.sampled_from(FlagMode)
    )
    def reads_elsewhere(self, user: int, low: int, width: int, mode: FlagMode) -> None:
        by = Actor(account(user).user, frozenset((account(user).user,)))
        uids = ((low, low + width),)
        self.server.database.write(StoreFlags(ONE, self.inbox, uids, mode, Flags(1), by=by))

    @rule()
    def marks_are_joined(self) -> None:
        self.server.database.write(JoinSeen(ONE, self.inbox, account(2).user))


SEEN = b"\\Seen"
TestComingAsReader = ComingAsReader.TestCase
TestComingAsReader.settings = settings(max_examples=max(150, settings().max_examples), stateful_step_count=40)
TestComing = Coming.TestCase
TestComing.settings = settings(max_examples=max(150, settings().max_examples), stateful_step_count=40)


class ComingOfTwoWorkers(Coming):
    """The sessions are with one worker and the other in turn."""

    WORKERS = 2


TestComingOfTwoWorkers = ComingOfTwoWorkers.TestCase
TestComingOfTwoWorkers.settings = settings(max_examples=max(150, settings().max_examples), stateful_step_count=40)
