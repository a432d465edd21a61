r"""\Recent (RFC 3501 2.3.2): each message is recent to one session at most, the first that could be told of it."""

import re
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.support.imap import Client, TestServer

SESSION = st.integers(0, 2)


class Recent(RuleBasedStateMachine):
    """Three sessions that come and go; the third only ever looks (EXAMINE)."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.server = TestServer(Path(self.directory.name), users=1)
        self.count = 0
        self.claimed: dict[int, int] = {}  # UID -> the visit to which it was recent
        self.visits = 0
        self.here: dict[int, tuple[Client, int]] = {}

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
            self.here.pop(session)[0].leave()
        client = self.server.client()
        self.visits += 1
        self.here[session] = (client, self.visits)
        answer = client.ok(f"{'EXAMINE' if session == 2 else 'SELECT'} INBOX")
        told = re.search(rb"\* (\d+) RECENT", answer)
        assert told is not None
        assert int(told[1]) == len(self.recent(session))

    @rule(session=SESSION, command=st.sampled_from(["UNSELECT", "CLOSE", "NOOP"]))
    def go_on(self, session: int, command: str) -> None:
        if session not in self.here:
            return
        self.recent(session)
        client, _ = self.here[session]
        client.ok(command)
        if command == "NOOP":
            self.recent(session)
        else:
            del self.here[session]
            client.leave()

    @rule()
    def status(self) -> None:
        """What no session that may claim it has been shown is recent to who comes next, and to nobody else."""
        client = self.server.client()
        told = re.search(rb"RECENT (\d+)", client.ok("STATUS INBOX (RECENT)"))
        client.leave()
        assert told is not None
        assert int(told[1]) <= self.count - len(self.claimed)
        if not any(session != 2 for session in self.here):
            assert int(told[1]) == self.count - max(self.claimed, default=0)

    def recent(self, session: int) -> set[int]:
        """The messages that this session is shown as recent; nobody else was, unless it only looks."""
        client, visit = self.here[session]
        lines = client.ok("FETCH 1:* (UID FLAGS)") if self.count else b""
        uids = {
            int(u) for u, flags in re.findall(rb"FETCH \(UID (\d+) FLAGS \(([^)]*)\)", lines) if b"\\Recent" in flags
        }
        if session != 2:
            for uid in uids:
                assert self.claimed.setdefault(uid, visit) == visit
        found = re.search(rb"SEARCH((?: \d+)*)", client.ok("UID SEARCH RECENT"))
        assert found is not None
        assert uids <= set(map(int, found[1].split()))
        return uids

    def teardown(self) -> None:
        try:
            assert self.server.faults == []
        finally:
            self.server.close()
            self.directory.cleanup()


TestRecent = Recent.TestCase
TestRecent.settings = settings(max_examples=max(60, settings().max_examples), stateful_step_count=30)
