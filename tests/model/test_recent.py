r"""\Recent (RFC 3501 2.3.2): messages are recent to the first session that opens their folder, and to none after it.

What comes while several have the folder open is recent to any of them (the RFC leaves open to which), and to nobody
any more once one that was told of it has left.  Who only looks (EXAMINE) sees what the next session will, and takes
nothing.
"""

import re
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.support.imap import Client, TestServer

LOOKER = 2
SESSION = st.integers(0, LOOKER)


class Recent(RuleBasedStateMachine):
    WORKERS = 1

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.server = TestServer(Path(self.directory.name), users=1, workers=self.WORKERS)
        self.count = 0
        self.claimed = 0  # the last UID that is recent to nobody who comes now
        self.here: dict[int, Client] = {}
        self.recent_from: dict[int, int] = {}
        self.told: dict[int, int] = {}  # the last UID that each session knows of

    @initialize(count=st.integers(0, 3))
    def begin(self, count: int) -> None:
        for _ in range(count):
            self.deliver()

    @rule()
    def deliver(self) -> None:
        self.server.deliver(b"Subject: x\r\n\r\nx")
        self.count += 1

    @rule(session=SESSION)
    def enter(self, session: int) -> None:
        if session in self.here:
            self.here.pop(session).leave()  # as if cut off: what it was told of stays recent
        client = self.here[session] = self.server.client()
        answer = client.ok(f"{'EXAMINE' if session == LOOKER else 'SELECT'} INBOX")
        assert b"* %d RECENT\r\n" % (self.count - self.claimed) in answer
        self.recent_from[session], self.told[session] = self.claimed + 1, self.count
        if session != LOOKER:
            self.claimed = self.count

    @rule(session=SESSION, command=st.sampled_from(["UNSELECT", "CLOSE"]))
    def leave(self, session: int, command: str) -> None:
        if session not in self.here:
            return
        client = self.here.pop(session)
        client.ok(command)
        client.leave()
        if session != LOOKER and self.told[session] >= self.recent_from[session]:
            self.claimed = max(self.claimed, self.told[session])

    @rule(session=SESSION)
    def look(self, session: int) -> None:
        """All from one message on are recent, in FETCH, in SEARCH, and in what is told of new ones."""
        if session not in self.here:
            return
        client = self.here[session]
        client.ok("NOOP")
        self.told[session] = self.count
        expected = list(range(self.recent_from[session], self.count + 1))
        lines = client.ok("FETCH 1:* (UID FLAGS)") if self.count else b""
        shown = re.findall(rb"FETCH \(UID (\d+) FLAGS \(([^)]*)\)", lines)
        assert [int(uid) for uid, flags in shown if b"\\Recent" in flags] == expected
        found = re.search(rb"SEARCH((?: \d+)*)", client.ok("UID SEARCH RECENT"))
        assert found is not None
        assert [*map(int, found[1].split())] == expected

    @rule()
    def status(self) -> None:
        client = self.server.client()
        assert b"RECENT %d)" % (self.count - self.claimed) in client.ok("STATUS INBOX (RECENT)")
        client.leave()

    def teardown(self) -> None:
        try:
            assert self.server.faults == []
        finally:
            self.server.close()
            self.directory.cleanup()


TestRecent = Recent.TestCase
TestRecent.settings = settings(max_examples=max(100, settings().max_examples), stateful_step_count=30)


class RecentOfTwoWorkers(Recent):
    """The sessions are with one worker and the other in turn."""

    WORKERS = 2


TestRecentOfTwoWorkers = RecentOfTwoWorkers.TestCase
TestRecentOfTwoWorkers.settings = settings(max_examples=max(100, settings().max_examples), stateful_step_count=30)
