"""What SORT, THREAD and SEARCH say out of memory is what they say when nothing is remembered (RFC 5256).

Mail comes, goes, moves and gets flags, by the hand of several sessions in two folders; whoever asks then is answered
twice, the second time by a server without memory.  Each compares in its own way (RFC 5255).
"""

import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from core import view
from core.integrity.audit import audit
from protocols.imap import limits
from protocols.imap.finding import columns, comparing, conversations, sorting
from protocols.imap.finding.kept import Kept
from tests.support.imap import Client, TestServer, stored

FOLDERS = ("INBOX", "Sent")
SESSION, FOLDER = st.integers(0, 2), st.sampled_from(FOLDERS)
KEY = st.sampled_from(["DATE", "SUBJECT", "FROM", "SIZE", "ARRIVAL", "REVERSE DATE", "REVERSE SUBJECT", "REVERSE SIZE"])
KEYS = st.one_of(st.sampled_from(["SUBJECT", "DATE"]), st.lists(KEY, min_size=1, max_size=3).map(" ".join))
CRITERIA = st.sampled_from(
    ["ALL", "ALL", "ALL", "UNDELETED", "FLAGGED", "UNFLAGGED UNDELETED", "SUBJECT a", "1:*", "UID 2:6", "OR FLAGGED 1"]
)
ALGORITHM = st.sampled_from(["REFERENCES", "REFERENCES", "ORDEREDSUBJECT", "REFS"])
ASKED = st.one_of(
    st.builds("SORT ({}) UTF-8 {}".format, KEYS, CRITERIA),
    st.builds("SORT RETURN (ALL COUNT) ({}) UTF-8 {}".format, KEYS, CRITERIA),
    st.builds("THREAD {} UTF-8 ALL".format, ALGORITHM),
    st.builds("THREAD {} UTF-8 {}".format, ALGORITHM, CRITERIA),
    st.builds("SEARCH {}".format, CRITERIA),
)
IDS = st.integers(1, 6)


@st.composite
def mails(draw: st.DrawFn) -> bytes:
    """Few subjects, senders and dates, so that there are ties, and few ids, so that there are threads."""
    head = [f"Subject: {draw(st.sampled_from(['a', 'Re: a', 'B', 're: b', 'ä', '']))}"]
    head.append(f"From: {draw(st.sampled_from(['x', 'Y', 'z']))}@x")
    if draw(st.booleans()):
        head.append(f"Date: {draw(st.integers(1, 3))} Jan 2001 00:00:00 +0000")
    if draw(st.booleans()):
        head.append(f"Message-ID: <{draw(IDS)}@x>")
    if above := draw(st.lists(IDS, max_size=3)):
        head.append("References: " + " ".join(f"<{number}@x>" for number in above))
    return "\r\n".join([*head, "", "x" * draw(st.integers(0, 2))]).encode()


class Memory(RuleBasedStateMachine):
    WORKERS = 1

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        for module, name, few in (
            (view, "CHUNK_MESSAGES", 3),
            (view, "NEWS", 2),
            (view, "FEW", 2),
            (columns, "PIECE_MESSAGES", 2),
            (columns, "FEW", 2),
            (columns, "SPARE_MESSAGES", 1),
            (columns, "NEAR", 1),
            (comparing, "FEW_FOUND", 2),
            (comparing, "FEW_READ", 1),
            (conversations, "PIECE_WORDS", 5),
            (sorting, "FEW_LATE", 2),
            (sorting, "SORTED_AT_ONCE", 6),
            (sorting, "SAMPLES", 2),
        ):
            self.patch.setattr(module, name, few)
        self.directory = tempfile.TemporaryDirectory()
        self.server = TestServer(Path(self.directory.name), users=1, workers=self.WORKERS)

    @initialize(first=st.lists(mails(), max_size=8), most=st.sampled_from([limits.KEPT_OCTETS, 1_500, 0]))
    def begin(self, first: list[bytes], most: int) -> None:
        self.server.kept = Kept(most)
        for neighbour in self.server.neighbours:
            neighbour.kept = Kept(most)
        for mail in first:
            self.server.deliver(mail)
        self.clients = [self.server.client(select="INBOX") for _ in range(3)]
        for client in self.clients:
            client.ok("ENABLE IMAP4rev2")

    @rule(mail=mails(), folder=FOLDER)
    def deliver(self, mail: bytes, folder: str) -> None:
        self.server.deliver(mail, folder=folder)

    @rule(session=SESSION, uid=st.integers(1, 12), flag=st.sampled_from(["\\Deleted", "\\Flagged"]), sign=st.booleans())
    def flag(self, session: int, uid: int, flag: str, sign: bool) -> None:
        self.clients[session].ok(f"UID STORE {uid} {'+' if sign else '-'}FLAGS ({flag})")

    @rule(session=SESSION)
    def expunge(self, session: int) -> None:
        self.clients[session].ok("EXPUNGE")

    @rule(session=SESSION, uid=st.integers(1, 12), folder=FOLDER, verb=st.sampled_from(["COPY", "MOVE"]))
    def carry(self, session: int, uid: int, folder: str, verb: str) -> None:
        self.clients[session].says(f"UID {verb} {uid}:{uid + 1} {folder}")

    @rule(session=SESSION, folder=FOLDER)
    def enter(self, session: int, folder: str) -> None:
        self.clients[session].ok(f"SELECT {folder}")

    @rule(session=SESSION, comparator=st.sampled_from(["i;octet", "-i;octet", "i;ascii-casemap", "default"]))
    def compare_by(self, session: int, comparator: str) -> None:
        self.clients[session].ok(f"COMPARATOR {comparator}")

    @rule(session=SESSION, asked=ASKED, more=ASKED)
    def ask(self, session: int, asked: str, more: str) -> None:
        """By who knows of all that has come and gone."""
        client = self.clients[session]
        client.ok("NOOP")
        for command in (asked, f"UID {asked}", more, asked):
            assert said(client, command) == self.forgetful(client, command)

    @rule(session=SESSION, keys=KEYS, criteria=CRITERIA)
    def ask_behind(self, session: int, keys: str, criteria: str) -> None:
        """By who has not been told what has gone: memory may still have that, the store has not."""
        client, asked = self.clients[session], f"SORT ({keys}) UTF-8 {criteria}"
        said(client, asked)  # tells everything but EXPUNGE
        selected = client.session.selected
        assert selected is not None
        known = stored(self.server, selected.folder_id)
        remembered, read = (
            [selected.view.uid(int(number)) for number in answer.split()[2:]]
            for answer in (said(client, asked), self.forgetful(client, asked))
        )
        assert [uid for uid in remembered if uid in known] == read

    def forgetful(self, client: Client, asked: str) -> bytes:
        """By the worker that the client is with."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(client.session.services, "kept", Kept(0))
            return said(client, asked)

    def teardown(self) -> None:
        try:
            assert self.server.faults == []
            with self.server.database.read() as tx:
                assert list(audit(tx)) == []
        finally:
            self.server.close()
            self.directory.cleanup()
            self.patch.undo()


def said(client: Client, asked: str) -> bytes:
    """The answer, without the tag that RETURN repeats."""
    answer = client.ok(asked)
    (line,) = re.findall(rb"(?m)^\* (?:E?SEARCH|SORT|THREAD).*$", answer)
    return re.sub(rb'\(TAG "\w+"\)', b"", line)


TestMemory = Memory.TestCase
TestMemory.settings = settings(max_examples=max(150, settings().max_examples), stateful_step_count=40)


class MemoryOfTwoWorkers(Memory):
    """The sessions are with one worker and the other in turn."""

    WORKERS = 2


TestMemoryOfTwoWorkers = MemoryOfTwoWorkers.TestCase
TestMemoryOfTwoWorkers.settings = settings(max_examples=max(150, settings().max_examples), stateful_step_count=40)
