r"""\Seen of each reader of a shared folder: T-2.2, and RFC 7162 for each by himself."""

import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

import pytest

from core.commands import Command, Expunge, FlagMode, Flags, StoreFlags
from core.errors import Unavailable
from core.model import DELETED, FLAGGED, SEEN, FolderId
from core.rights import Actor, Grant, mask
from tests.support.imap import MESSAGE, PUBLIC, Client, TestServer, account, untagged

BOARD = '"Public Folders/board"'
EVERYTHING_BUT_ADMIN = mask("lrswipkxte")


@pytest.fixture
def board(server: TestServer) -> TestServer:
    """A public folder with three posts, which u1, u2 and u3 may read and change."""
    server.add_user(3)
    server.make_public("board", *(Grant(account(user).user, EVERYTHING_BUT_ADMIN) for user in (1, 2, 3)))
    for _ in range(3):
        server.client().append(BOARD, MESSAGE)
    return server


def reader(board: TestServer, user: int, enable: str = "IMAP4rev2 CONDSTORE") -> Client:
    client = board.client(f"u{user}")
    client.ok(f"ENABLE {enable}")
    client.ok(f"SELECT {BOARD}")
    return client


def highest(client: Client) -> int:
    found = re.search(rb"HIGHESTMODSEQ (\d+)", client.ok(f"STATUS {BOARD} (HIGHESTMODSEQ)"))
    assert found is not None
    return int(found[1])


def seen(client: Client) -> list[bool]:
    client.ok("NOOP")
    return [b"\\Seen" in line for line in client.fetched("FETCH 1:* (FLAGS)") if b"FETCH" in line]


def test_what_one_reads_the_other_has_not(board: TestServer) -> None:
    r"""T-2.2: B's \Seen, UNSEEN and HIGHESTMODSEQ are not touched; \Flagged is the folder's, and seen by all."""
    one, other = reader(board, 1), reader(board, 2)
    before = highest(other)
    one.ok("FETCH 2 (BODY[])")
    one.ok("STORE 3 +FLAGS (\\Seen)")
    assert seen(one) == [False, True, True]
    assert seen(other) == [False, False, False]
    assert b"(UNSEEN 1)" in one.ok(f"STATUS {BOARD} (UNSEEN)")
    assert b"(UNSEEN 3)" in other.ok(f"STATUS {BOARD} (UNSEEN)")
    assert highest(other) == before < highest(one)
    one.ok("STORE 1 +FLAGS (\\Flagged)")
    assert b"* 1 FETCH (UID 1 FLAGS (\\Flagged) MODSEQ" in other.ok("NOOP")


def test_nobody_is_woken_by_what_another_reads(board: TestServer) -> None:
    one, other = reader(board, 1), reader(board, 2)
    other.says("IDLE")
    one.ok("STORE 1:3 +FLAGS (\\Seen)")
    assert other.heard() == b""
    second = reader(board, 1)
    second.says("IDLE")
    one.ok("STORE 1:3 -FLAGS (\\Seen)")
    assert second.heard().count(b"FETCH") == 3  # the same reader's other session is
    assert not one.session.selected.has_news  # type: ignore[union-attr]


def test_searches_go_by_ones_own_marks(board: TestServer) -> None:
    one, other = reader(board, 1), reader(board, 2)
    before = highest(one)
    one.ok("STORE 2 +FLAGS (\\Seen)")
    assert b"ALL 1,3" in one.ok("SEARCH RETURN (ALL) UNSEEN")
    assert b"ALL 1:3" in other.ok("SEARCH RETURN (ALL) UNSEEN")
    assert b"ALL 2" in one.ok(f"SEARCH RETURN (ALL) MODSEQ {before + 1}")
    assert b"ALL" not in other.ok(f"SEARCH RETURN (ALL) MODSEQ {before + 1}")
    elsewhere = board.client("u1")
    assert b"ALL 2" in elsewhere.ok(f"ESEARCH IN (mailboxes {BOARD}) RETURN (ALL) SEEN")


def test_first_unseen_is_told_to_each_by_himself(board: TestServer) -> None:
    """RFC 3501 6.3.1."""
    reader(board, 2).ok("STORE 1:2 +FLAGS (\\Seen)")
    assert b"[UNSEEN 3]" in board.client("u2").ok(f"SELECT {BOARD}")
    assert b"[UNSEEN 1]" in board.client("u1").ok(f"SELECT {BOARD}")


def test_a_mark_is_kept_while_nobody_is_there(board: TestServer) -> None:
    reader(board, 2).ok("STORE 2 +FLAGS (\\Seen)")
    for client in board.client("u2"), board.client("u2"):
        client.ok(f"SELECT {BOARD}")
        assert seen(client) == [False, True, False]
        client.ok("UNSELECT")


def test_unchangedsince_goes_by_what_the_reader_sees(board: TestServer) -> None:
    """RFC 7162 3.1.3."""
    one, other = reader(board, 1), reader(board, 2)
    before = highest(other)
    one.ok("STORE 1:2 +FLAGS (\\Seen)")
    assert b"MODIFIED" not in other.ok(f"STORE 1:3 (UNCHANGEDSINCE {before}) +FLAGS (\\Seen)")
    assert b"[MODIFIED 1:3]" in other.ok(f"STORE 1:3 (UNCHANGEDSINCE {before}) -FLAGS (\\Seen)")
    assert b"MODIFIED" not in other.ok(f"STORE 1:3 (UNCHANGEDSINCE {highest(other)}) -FLAGS (\\Seen)")
    assert seen(one) == [True, True, False]


def test_store_of_both_kinds_of_flags_has_one_answer_and_one_modseq(board: TestServer) -> None:
    one, other = reader(board, 1), reader(board, 2)
    answer = untagged(one.ok("STORE 2 FLAGS (\\Seen \\Flagged $a)"))
    (line,) = (line for line in answer if b" FETCH " in line)
    assert b"FLAGS (\\Seen \\Flagged $a)" in line
    modseq = int(re.findall(rb"MODSEQ \((\d+)\)", line)[0])
    assert any(b"FLAGS (\\Flagged $a) MODSEQ (%d)" % modseq in line for line in untagged(other.ok("NOOP")))
    assert highest(one) == highest(other) == modseq
    one.ok("STORE 2 FLAGS ()")
    assert seen(one) == [False, False, False]


def test_append_and_copy_carry_the_mark_of_who_made_them(board: TestServer) -> None:
    one, other = reader(board, 1), reader(board, 2)
    other.append(BOARD, MESSAGE, "(\\Seen \\Flagged)")
    assert seen(other) == [False, False, False, True]
    one.ok("NOOP")
    assert seen(one) == [False, False, False, False]
    other.ok("COPY 4 INBOX")
    assert b"(UNSEEN 0)" in board.client("u2").ok("STATUS INBOX (UNSEEN)")
    one.ok("COPY 4 INBOX")
    assert b"(UNSEEN 1)" in board.client("u1").ok("STATUS INBOX (UNSEEN)")
    other.ok(f"MOVE 4 {BOARD}")
    assert seen(other) == [False, False, False, True]
    own = board.client("u2", select="INBOX")
    own.ok(f"COPY 1 {BOARD}")
    other.ok("NOOP")
    assert seen(other) == [False, False, False, True, True]


def test_the_owner_and_those_who_act_for_him_share_theirs(board: TestServer) -> None:
    """T-12.7: full access is the owner's own; a list lets one in as a reader."""
    board.deliver(MESSAGE)
    board.owned_by = {"u2": ("u1",)}
    board.share("INBOX", Grant(account(3).user, EVERYTHING_BUT_ADMIN))
    name = '"Other Users/u1/INBOX"'
    owner, deputy, guest = (
        board.client(select="INBOX"),
        board.client("u2", select=name),
        board.client("u3", select=name),
    )
    deputy.ok("STORE 1 +FLAGS (\\Seen)")
    owner.ok("NOOP")
    assert (seen(owner), seen(deputy), seen(guest)) == ([True], [True], [False])
    guest.ok("STORE 1 +FLAGS (\\Seen)")
    guest.ok("STORE 1 -FLAGS (\\Seen)")
    assert (seen(owner), seen(guest)) == ([True], [False])


@pytest.mark.parametrize("away", [True, False])
def test_who_comes_back_hears_of_his_own_marks(board: TestServer, away: bool) -> None:
    """RFC 7162 3.2.5: what the reader marked elsewhere meanwhile, and nothing that others marked."""
    one = reader(board, 2, "IMAP4rev2 QRESYNC")
    validity = re.search(rb"UIDVALIDITY (\d+)", one.ok(f"STATUS {BOARD} (UIDVALIDITY)"))
    assert validity is not None
    before = highest(one)
    if away:
        one.leave()
    reader(board, 2).ok("STORE 2 +FLAGS (\\Seen)")
    reader(board, 1).ok("STORE 3 +FLAGS (\\Seen)")
    again = board.client("u2")
    again.ok("ENABLE QRESYNC")
    answer = again.ok(f"SELECT {BOARD} (QRESYNC ({int(validity[1])} {before}))")
    assert re.findall(rb"FETCH \(UID (\d+) FLAGS \(([^)]*)\)", answer) == [(b"2", b"\\Seen")]


def test_a_reader_who_was_silent_for_long_is_told_what_is_different(
    board: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too much to keep: the views are compared, also when an EXPUNGE must wait."""
    monkeypatch.setattr("protocols.imap.selected.NEWS_ENTRIES", 2)
    other = reader(board, 2)
    mine, owner = reader(board, 2), reader(board, 1)
    mine.ok("STORE 1:3 +FLAGS (\\Seen)")
    owner.ok("STORE 3 +FLAGS (\\Flagged)")
    owner.ok("STORE 1 +FLAGS (\\Deleted)")
    owner.ok("EXPUNGE")
    mine.append(BOARD, MESSAGE, "(\\Seen)")
    answer = other.ok("FETCH 2 (UID)")  # by number: nothing may go now
    assert b"EXPUNGE" not in answer
    assert b"* 4 EXISTS" in answer
    assert b"FETCH (UID 2 FLAGS (\\Seen)" in answer
    assert b"FETCH (UID 3 FLAGS (\\Flagged \\Seen)" in answer.replace(b"\\Seen \\Flagged", b"\\Flagged \\Seen")
    assert b"* 1 EXPUNGE" in other.ok("NOOP")
    assert seen(other) == [True, True, True]


def test_marks_are_read_again_after_a_gap(board: TestServer) -> None:
    """What a commit that failed has left behind is seen by reading only."""
    one, other = reader(board, 2), reader(board, 2)
    board.is_silent = True
    one.ok("STORE 1 +FLAGS (\\Seen)")
    board.is_silent = False
    one.ok("STORE 2 +FLAGS (\\Seen)")
    assert b"BYE" in other.says("NOOP")  # better than to tell it half
    assert seen(reader(board, 2)) == [True, True, False]


def test_uids_that_are_gone_do_not_part_marks(board: TestServer) -> None:
    """A reader who marks all as seen leaves one range, whatever was expunged in between."""
    one = reader(board, 1)
    one.ok("STORE 2 +FLAGS (\\Deleted)")
    one.ok("EXPUNGE")
    one.ok("STORE 1:* +FLAGS (\\Seen)")
    with board.database.read() as tx:
        marks = tx.seen(PUBLIC, FolderId(1), 1)
        assert [(some.low, some.high) for some in marks] == [(1, 3)]


# ---------------------------------------------------------------------------------------------- other databases


@pytest.fixture
def far(tmp_path: Path) -> TestServer:
    """u2 is in another database, and has given u1 everything in INBOX."""
    server = TestServer(tmp_path / "far", far=(2,))
    server.share("INBOX", Grant(account(1).user, mask("lrswipkxte")), user=2)
    return server


def test_copy_to_another_database_brings_the_message_as_it_is(far: TestServer) -> None:
    """T-12.7: octets, flags, keywords and INTERNALDATE, as far as they may be set there."""
    far.deliver(MESSAGE, prefix=b"Received: x\r\n")
    client = far.client(select="INBOX")
    client.ok("STORE 1 +FLAGS (\\Flagged $a \\Seen)")
    items = "FETCH 1 (BODY.PEEK[] INTERNALDATE RFC822.SIZE ENVELOPE)"
    before = client.fetched(items)
    assert b"[COPYUID 1700000000 1 1]" in client.ok('COPY 1 "Other Users/u2/INBOX"')
    other = far.client("u2")
    other.ok("ENABLE IMAP4rev2")
    other.ok("SELECT INBOX")
    assert other.fetched(items) == before
    assert b"FLAGS (\\Flagged $a" in other.ok("FETCH 1 (FLAGS)")  # \Seen is u1's, not u2's
    assert seen(far.client("u1", select='"Other Users/u2/INBOX"')) == [True]
    assert b"MESSAGES 1" in client.ok("STATUS INBOX (MESSAGES)")


def test_move_to_another_database_leaves_nothing_behind(far: TestServer) -> None:
    for _ in range(3):
        far.deliver(MESSAGE)
    client = far.client(select="INBOX")
    answer = untagged(client.ok('MOVE 1,3 "Other Users/u2/INBOX"'))
    assert answer[0] == b"* OK [COPYUID 1700000000 1,3 1:2] Moved"
    assert [line for line in answer if b"EXPUNGE" in line] == [b"* 1 EXPUNGE", b"* 2 EXPUNGE"]
    assert b"MESSAGES 1" in client.ok("STATUS INBOX (MESSAGES)")
    assert b"MESSAGES 2" in far.client("u2").ok("STATUS INBOX (MESSAGES)")
    back = far.client(select='"Other Users/u2/INBOX"')
    back.ok("UID MOVE 1:* INBOX")
    assert b"MESSAGES 3" in back.ok("STATUS INBOX (MESSAGES)")


def test_what_cannot_be_copied_to_another_database_is_refused_before_anything_is(
    far: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    far.deliver(MESSAGE)
    far.deliver(MESSAGE)
    client = far.client(select="INBOX")
    client.no('COPY 1 "Other Users/u2/nothing"', "TRYCREATE")
    client.no('COPY 1 "Other Users/u2/Sent"', "TRYCREATE")
    far.quotas["u2"] = len(MESSAGE)
    client.no('MOVE 1:2 "Other Users/u2/INBOX"', "OVERQUOTA")
    assert b"MESSAGES 2" in client.ok("STATUS INBOX (MESSAGES)")
    assert b"MESSAGES 0" in far.client("u2").ok("STATUS INBOX (MESSAGES)")
    monkeypatch.setattr("protocols.imap.limits.APPEND_MESSAGES", 1)
    client.no('COPY 1:2 "Other Users/u2/INBOX"', "LIMIT")


def test_copying_between_mailboxes_of_one_database_shares_the_body(server: TestServer) -> None:
    """And the conversation is joined there by its own keys."""
    first = b"Message-ID: <a@x>\r\nSubject: s\r\n\r\nbody\r\n"
    answer = b"Message-ID: <b@x>\r\nReferences: <a@x>\r\nSubject: Re: s\r\n\r\nbody\r\n"
    server.deliver(first, user=2)
    server.deliver(answer)
    server.share("INBOX", Grant(account(1).user, mask("lrswite")), user=2)
    client = server.client(select="INBOX")
    assert b"[COPYUID 1700000000 1 2]" in client.ok('COPY 1 "Other Users/u2/INBOX"')
    threads = re.findall(rb"THREADID \((\S+)\)", server.client("u2", select="INBOX").ok("FETCH 1:2 (THREADID)"))
    assert len(threads) == 2
    assert len(set(threads)) == 1
    with server.database.read() as tx:
        assert len(list(tx.blobs())) == 2
    server.quotas["u2"] = 1
    client.no('MOVE 1 "Other Users/u2/INBOX"', "OVERQUOTA")
    server.quotas.clear()
    client.ok('MOVE 1 "Other Users/u2/INBOX"')
    assert b"MESSAGES 0" in client.ok("STATUS INBOX (MESSAGES)")


def test_a_message_keeps_its_name_wherever_it_is_copied(server: TestServer, far: TestServer) -> None:
    """RFC 8474 5.1: to another mailbox, and to another database."""
    for world in (server, far):
        world.share("INBOX", Grant(account(1).user, mask("lri")), user=2)
        world.deliver(MESSAGE)
        client = world.client(select="INBOX")
        name = re.findall(rb"EMAILID \(([^)]+)\)", client.ok("FETCH 1 (EMAILID)"))
        client.ok('COPY 1 "Other Users/u2/INBOX"')
        client.ok('SELECT "Other Users/u2/INBOX"')
        assert re.findall(rb"EMAILID \(([^)]+)\)", client.ok("FETCH 1 (EMAILID)")) == name
        assert b"ALL 1" in client.ok(f"SEARCH RETURN (ALL) EMAILID {name[0].decode()}")


def test_structure_that_waits_is_bounded(far: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("protocols.imap.limits.APPEND_DESCRIBED", 100)
    far.deliver(MESSAGE)
    far.client(select="INBOX").no('COPY 1 "Other Users/u2/INBOX"', "LIMIT")


def test_a_database_that_fails_takes_away_its_own_folders_only(
    far: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = far.client()
    assert b"Other Users" in client.ok('LIST "" *')

    def read() -> None:
        raise Unavailable("It cannot be read")

    monkeypatch.setattr(far.stores[2], "read", read)
    answer = client.ok('LIST "" *')
    assert b"INBOX" in answer
    assert b"Other Users" not in answer


# ---------------------------------------------------------------------------------------------- told late


class Held:
    """While it lasts, what the writer has to tell waits, as it waits for the event loop."""

    def __init__(self, server: TestServer) -> None:
        self._server = server
        self._waiting: list[Callable[[], None]] = []
        self._arrived = threading.Semaphore(0)

    def __enter__(self) -> Self:
        self._server.post = self._hold
        return self

    def _hold(self, run: Callable[[], None]) -> None:
        self._waiting.append(run)
        self._arrived.release()

    def commit(self, command: Command) -> None:
        """Carries a command out, of which nobody hears yet."""
        self._server.database.submit(command, lambda result, error: None)
        assert self._arrived.acquire(timeout=30)

    def __exit__(self, *raised: object) -> None:
        self._server.post = lambda run: run()
        for run in self._waiting:
            run()


def delete_first(board: TestServer) -> tuple[Command, ...]:
    folder = FolderId(1)
    return (
        StoreFlags(PUBLIC, folder, ((1, 1),), FlagMode.ADD, Flags(DELETED)),
        Expunge(PUBLIC, folder, ((1, 1),)),
        StoreFlags(PUBLIC, folder, ((3, 3),), FlagMode.ADD, Flags(FLAGGED)),
    )


@pytest.mark.parametrize("entering", [1, 2, 3])
@pytest.mark.parametrize("who", ["u2", "u3"])
def test_who_enters_before_changes_are_told_takes_nothing_from_others(
    board: TestServer, entering: int, who: str
) -> None:
    """The snapshot of who enters is newer than what has been told: all are told each change once, in order."""
    one, other = reader(board, 2), board.client(who)
    other.ok("ENABLE IMAP4rev2 CONDSTORE")
    with Held(board) as held:
        for number, command in enumerate(delete_first(board), 1):
            held.commit(command)
            if number == entering:
                other.ok(f"SELECT {BOARD}")
    told = untagged(one.ok("NOOP"))
    assert b"* 1 EXPUNGE" in told
    for client in (one, other):
        client.ok("NOOP")
        assert [re.findall(rb"UID (\d+)", line)[0] for line in client.fetched("FETCH 1:* (UID)")] == [b"2", b"3"]
        assert b"\\Flagged" in client.ok("UID FETCH 3 (FLAGS)")
        assert client.session.selected.modseq == highest(client)  # type: ignore[union-attr]


def test_a_mark_told_behind_a_shared_change_is_told(board: TestServer) -> None:
    one = reader(board, 2)
    by = Actor(account(2).user, frozenset((account(2).user,)))
    with Held(board) as held:
        held.commit(StoreFlags(PUBLIC, FolderId(1), ((2, 2),), FlagMode.ADD, Flags(SEEN), by=by))
        held.commit(StoreFlags(PUBLIC, FolderId(1), ((3, 3),), FlagMode.ADD, Flags(FLAGGED)))
        reader(board, 3)
    told = untagged(one.ok("NOOP"))
    assert any(b"UID 2 FLAGS (\\Seen)" in line for line in told)
    assert any(b"UID 3 FLAGS (\\Flagged)" in line for line in told)
