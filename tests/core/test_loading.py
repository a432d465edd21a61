"""What was missed of a folder: a snapshot, told as one change to all who know it as it was."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.changes import Change, FolderChange, FolderRemoved, MailboxRemoved, Missed, SeenChange, TreeChange
from core.commands import Command, DeleteMailbox, Expunge, FlagMode, Flags, JoinSeen, StoreFlags
from core.errors import Refusal
from core.loading import Known, load, missed
from core.model import DELETED, FLAGGED, SEEN, FolderId, UIDRanges
from core.readerview import ReaderView
from core.recipients import RecipientId
from core.rights import Actor, Grant, mask
from core.view import FolderView
from core.watching import Views, Watch
from tests.model import strategies as some
from tests.model.small import small_limits
from tests.support.imap import MESSAGE, Client, Held, TestServer, account, second, untagged
from tests.support.store import ALL, ONE, Store
from tests.support.views import Listener, contents, held

READER, OTHER = RecipientId(7), RecipientId(8)
RIGHTS = mask("lrswite")


def doubted(views: Views) -> list[Known]:
    """What is known of all folders that somebody has open."""
    return [known for key in views.doubt() if (known := views.known(key)) is not None]


def by(user: RecipientId) -> Actor:
    return Actor(user, frozenset((user,)))


class Process:
    """What another process than the store's knows of an INBOX: its owner and two readers have it open there."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.views = Views()
        self.is_cut_off = False
        self.inbox = store.folder("INBOX").folder_id
        store.subscribers.append(self._hear)
        self.listeners = {user: Listener() for user in (None, READER, OTHER)}
        self.watches = {user: self.open(user, listener) for user, listener in self.listeners.items()}

    def _hear(self, changes: Sequence[Change]) -> None:
        if not self.is_cut_off:
            self.views.publish(changes)

    def watch(self, user: RecipientId | None = None, listener: Listener | None = None) -> Watch:
        return self.views.watch(ONE, self.inbox, listener or Listener(), user=user, is_inbox=True)

    def open(self, user: RecipientId | None = None, listener: Listener | None = None) -> Watch:
        watch = self.watch(user, listener)
        while watch.view is None:
            watch.load(self.snapshot(user, watch.shared))
        return watch

    def snapshot(self, user: RecipientId | None = None, shared: FolderView | None = None) -> FolderView:
        with self.store.read() as tx:
            return load(tx, ONE, self.inbox, user, shared)

    @contextmanager
    def cut_off(self) -> Iterator[None]:
        """What is committed meanwhile is missed, and made up for at the end."""
        self.is_cut_off = True
        yield
        self.is_cut_off = False
        self.make_up()

    def make_up(self) -> list[Change]:
        told = [change for known in self.doubted() for change in self.missed(known)]
        self.views.publish(told)
        return told

    def doubted(self) -> list[Known]:
        return doubted(self.views)

    def missed(self, known: Known) -> list[Change]:
        with self.store.read() as tx:
            return list(missed(tx, known))

    def check(self) -> None:
        """All see what somebody sees who comes now."""
        for user, watch in self.watches.items():
            assert watch.view is not None
            fresh = self.snapshot(user)
            assert contents(watch.view) == contents(fresh)
            assert watch.view.modseq == fresh.modseq
            assert watch.view.keywords == fresh.keywords


@contextmanager
def process() -> Iterator[Process]:
    """Of a new store."""
    with tempfile.TemporaryDirectory() as directory:
        store = Store(Path(directory))
        try:
            store.create_mailbox(ONE, "a")
            share(store)
            yield Process(store)
            store.check()
        finally:
            store.close()


def share(store: Store) -> None:
    store.share("INBOX", Grant(READER, RIGHTS), Grant(OTHER, RIGHTS))


@pytest.fixture
def inbox(store: Store) -> Process:
    """With three messages, of which the reader has seen the second."""
    share(store)
    for body in (b"1", b"2", b"3"):
        store.append("INBOX", body)
    process = Process(store)
    store.do(seeing(process, ((2, 2),)))
    return process


def seeing(process: Process, uids: UIDRanges = ALL, user: RecipientId = READER) -> StoreFlags:
    return StoreFlags(ONE, process.inbox, uids, FlagMode.ADD, Flags(SEEN), None, by(user))


# ---------------------------------------------------------------------------------------------- any commands

Step = Callable[[Process], Command]
STEPS: st.SearchStrategy[Step] = st.one_of(
    st.builds(
        lambda body, flags: lambda p: p.store.appending("INBOX", body, flags.system, *flags.keywords),
        some.BODIES,
        some.FLAGS,
    ),
    st.builds(
        lambda uids, mode, flags, user: (
            lambda p: StoreFlags(ONE, p.inbox, uids, mode, flags, None, by(user) if user else None)
        ),
        some.UIDS,
        some.MODES,
        some.FLAGS | st.just(Flags(SEEN)),
        st.sampled_from([None, READER, READER, OTHER]),
    ),
    st.builds(lambda uids: lambda p: Expunge(ONE, p.inbox, uids), some.UIDS),
    st.builds(lambda uids: lambda p: Expunge(ONE, p.inbox, uids, marked_only=False), some.UIDS),
    st.builds(lambda uids, move: lambda p: p.store.copying("INBOX", "a", uids, move=move), some.UIDS, st.booleans()),
    st.builds(lambda uids: lambda p: p.store.copying("a", "INBOX", uids, move=True), some.UIDS),
    st.builds(lambda user: lambda p: JoinSeen(ONE, p.inbox, user), st.sampled_from([READER, OTHER])),
)


def do(process: Process, steps: Sequence[Step]) -> None:
    for step in steps:
        with suppress(Refusal):
            process.store.do(step(process))


@settings(max_examples=60)
@given(*[st.lists(STEPS, max_size=10)] * 3)
def test_whatever_was_missed_all_have_it_then_and_go_on_from_there(
    before: list[Step], meanwhile: list[Step], after: list[Step]
) -> None:
    with small_limits(), process() as told:
        do(told, before)
        told.check()
        with told.cut_off():
            do(told, meanwhile)
        told.check()
        do(told, after)
        told.check()
        assert told.make_up() == [TreeChange(ONE, READER), TreeChange(ONE, OTHER)], "nothing was missed"


@settings(max_examples=40)
@given(*[st.lists(STEPS, max_size=10)] * 2)
def test_whatever_was_missed_is_one_change_more_for_who_follows_as_the_owner(
    before: list[Step], meanwhile: list[Step]
) -> None:
    """Who folds what he hears, as sessions do, comes to the same."""
    with small_limits(), process() as told:
        do(told, before)
        view, heard = told.watches[None].view, told.listeners[None].heard
        heard.clear()
        with told.cut_off():
            do(told, meanwhile)
        for change, newest in heard:
            assert view is not None
            assert isinstance(change, FolderChange)
            assert change.since == view.modseq < change.modseq
            view = view.apply(change)
            assert newest is not None
            assert contents(view) == contents(newest)
        assert view is not None
        assert contents(view) == contents(told.snapshot())
        assert len(heard) <= 1


# ---------------------------------------------------------------------------------------------- what is told


def test_who_has_missed_nothing_is_told_nothing(store: Store) -> None:
    process = Process(store)
    for user in (READER, OTHER):
        process.watches[user].close()
    assert process.make_up() == []


def test_a_folder_that_nobody_has_whole_is_not_compared(inbox: Process) -> None:
    """Whoever reads it reads it as it is."""
    inbox.store.append("INBOX", b"4")
    assert inbox.missed(Known(ONE, inbox.inbox, None)) == []


def test_a_folder_that_was_deleted_is_told_as_that(store: Store) -> None:
    store.create("gone")
    gone, views, listener = store.folder("gone").folder_id, Views(), Listener()
    views.watch(ONE, gone, listener).load(store.view(gone))
    store.delete("gone")
    (known,) = doubted(views)
    with store.read() as tx:
        views.publish(list(missed(tx, known)))
    assert [change for change, _ in listener.heard] == [FolderRemoved(ONE, gone)]


def test_a_mailbox_that_was_removed_is_told_as_that(inbox: Process) -> None:
    with inbox.cut_off():
        while not inbox.store.do(DeleteMailbox(ONE)):
            pass
    for listener in inbox.listeners.values():
        assert listener.heard[-1][0] == MailboxRemoved(ONE)


def test_an_inbox_that_was_renamed_is_told_as_removed(inbox: Process) -> None:
    """As without the cut: what a session has open as INBOX is not where new mail goes any more."""
    with inbox.cut_off():
        inbox.store.rename("INBOX", "old")
    assert FolderRemoved(ONE, inbox.inbox) in [change for change, _ in inbox.listeners[None].heard]


def test_the_next_uid_is_above_those_of_messages_that_came_and_went(inbox: Process) -> None:
    """RFC 9051 2.3.1.1: it must not fall, and does when a client is connected first here, then there."""
    with inbox.cut_off():
        inbox.store.append("INBOX", b"4", DELETED)
        inbox.store.expunge("INBOX", ((4, 4),))
    view = inbox.watches[None].view
    assert view is not None
    assert inbox.snapshot().uidnext == 5
    assert view.uidnext == 5


def test_a_readers_own_marks_are_told_to_no_other(inbox: Process) -> None:
    for listener in inbox.listeners.values():
        listener.heard.clear()
    with inbox.cut_off():
        inbox.store.do(seeing(inbox, ((3, 3),)))
    inbox.check()
    assert inbox.listeners[None].heard == []
    told = [change for change, _ in inbox.listeners[OTHER].heard]
    assert all(isinstance(change, TreeChange) for change in told)
    (change,) = [change for change, _ in inbox.listeners[READER].heard if isinstance(change, FolderChange)]
    assert [(entry.uid, entry.flags) for entry in change.changed] == [(3, SEEN)]


def test_readers_are_told_that_their_rights_may_be_others(inbox: Process) -> None:
    for listener in inbox.listeners.values():
        listener.heard.clear()
    with inbox.cut_off():
        inbox.store.share("INBOX", Grant(READER, 0))
    assert inbox.listeners[None].heard == []
    for user in (READER, OTHER):
        assert TreeChange(ONE, user) in [change for change, _ in inbox.listeners[user].heard]


def test_all_of_a_readers_marks_come_as_they_are_now(inbox: Process) -> None:
    """Not what became of each: ranges that were joined or taken away meanwhile leave nothing behind."""
    with inbox.cut_off():
        inbox.store.do(seeing(inbox))
        inbox.store.do(Expunge(ONE, inbox.inbox, ((2, 2),), marked_only=False))
        inbox.store.do(JoinSeen(ONE, inbox.inbox, READER))
    view = inbox.watches[READER].view
    fresh = inbox.snapshot(READER)
    assert isinstance(view, ReaderView)
    assert isinstance(fresh, ReaderView)
    assert view.marks.ranges == fresh.marks.ranges
    inbox.check()


# ---------------------------------------------------------------------------------------------- doubt


def test_views_that_were_kept_for_who_comes_back_are_forgotten(inbox: Process) -> None:
    for watch in inbox.watches.values():
        watch.close()
    assert inbox.views.doubt() == []
    assert inbox.views.known((ONE, inbox.inbox)) is None
    again = inbox.watch()
    assert again.view is None
    again.load(inbox.snapshot())
    assert held(again) == [1, 2, 3]


def test_only_what_is_meant_is_doubted(inbox: Process) -> None:
    """Of the mailboxes of others nothing was missed: their views are kept, and what is being read of them is of use."""
    for watch in inbox.watches.values():
        watch.close()
    assert inbox.views.doubt(lambda mailbox_id: mailbox_id != ONE) == []
    again = inbox.watch()
    assert held(again) == [1, 2, 3]
    inbox.store.create("a")
    a = inbox.store.folder("a").folder_id
    loading = inbox.views.watch(ONE, a, Listener())
    assert inbox.views.doubt(lambda mailbox_id: mailbox_id != ONE) == []
    assert loading.load(inbox.store.view(a)) is not None


@pytest.mark.parametrize("user", [None, READER])
def test_what_was_being_read_is_read_once_more(store: Store, user: RecipientId | None) -> None:
    """The snapshot may be from before what was missed, and nothing that is heard later tells of a gap."""
    share(store)
    store.append("INBOX", b"1")
    process = Process(store)
    for watch in process.watches.values():
        watch.close()
    process.views.doubt()
    first, second = process.watch(user), process.watch(user)
    early = process.snapshot(user)
    with process.cut_off():
        store.append("INBOX", b"2")
    store.append("INBOX", b"3")
    assert first.load(early) is None
    assert first.load(process.snapshot(user)) is not None
    assert held(first) == held(second) == [1, 2, 3]
    store.append("INBOX", b"4")
    assert held(first) == [1, 2, 3, 4]


def test_what_is_heard_before_it_is_read_once_more_is_not_lost(inbox: Process) -> None:
    for watch in inbox.watches.values():
        watch.close()
    inbox.views.doubt()
    watch = inbox.watch()
    inbox.views.doubt()
    newer = inbox.snapshot()
    inbox.store.append("INBOX", b"4")
    assert watch.load(newer) is None
    assert watch.load(newer) is not None
    assert held(watch) == [1, 2, 3, 4]


def test_what_is_known_is_told_of_each_folder_that_is_open(inbox: Process) -> None:
    inbox.store.create("a")
    a = inbox.store.folder("a").folder_id
    inbox.views.watch(ONE, a, Listener())
    known = {found.folder_id: found for found in inbox.doubted()}
    assert known.keys() == {inbox.inbox, a}
    assert known[a] == Known(ONE, a, None)
    assert known[inbox.inbox].view is inbox.watches[None].view
    assert known[inbox.inbox].marks.keys() == {READER, OTHER}


# ---------------------------------------------------------------------------------------------- sessions


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TestServer]:
    server = TestServer(tmp_path)
    for _ in range(3):
        server.deliver(MESSAGE)
    try:
        yield server
        assert server.faults == []
    finally:
        server.close()


def inbox_of(server: TestServer) -> FolderId:
    with server.database.read() as tx:
        return next(folder.folder_id for folder in tx.folders(ONE) if folder.name == "INBOX")


def make_up(server: TestServer) -> None:
    """As a server does when it is in touch with the one who writes again."""
    for known in doubted(server.views):
        with server.database.read() as tx:
            server.views.publish(list(missed(tx, known)))
    server.views.publish([Missed(mailbox_id) for mailbox_id in server.views.following.mailboxes])


def test_a_session_hears_of_what_was_missed_as_of_anything_else(server: TestServer) -> None:
    client, place = second(server), (ONE, inbox_of(server))
    server.is_silent = True
    server.deliver(MESSAGE)
    server.database.write(StoreFlags(*place, ((3, 3),), FlagMode.ADD, Flags(FLAGGED, ("new",))))
    server.database.write(Expunge(*place, ((1, 1),), marked_only=False))
    server.is_silent = False
    assert untagged(client.ok("NOOP")) == []
    make_up(server)
    told = untagged(client.ok("NOOP"))
    assert told[0] == b"* 1 EXPUNGE"
    assert b"* 2 FETCH (FLAGS (\\Flagged new))" in told
    assert b"* 3 EXISTS" in told
    assert untagged(client.ok("NOOP")) == []
    server.deliver(MESSAGE)
    assert untagged(client.ok("NOOP")) == [b"* 4 EXISTS"]


def test_what_comes_late_is_not_told_twice(server: TestServer) -> None:
    """What the snapshot knew may still be on its way."""
    client, place = second(server), (ONE, inbox_of(server))
    with Held(server) as late:
        late.commit(Expunge(*place, ((1, 1),), marked_only=False))
        late.commit(StoreFlags(*place, ((2, 2),), FlagMode.ADD, Flags(FLAGGED)))
        make_up(server)
        assert untagged(client.ok("NOOP")) == [b"* 1 EXPUNGE", b"* 1 FETCH (FLAGS (\\Flagged))"]
    assert untagged(client.ok("NOOP")) == []
    assert client.fetched("FETCH 1:* (UID FLAGS)") == [
        b"* 1 FETCH (UID 2 FLAGS (\\Flagged))",
        b"* 2 FETCH (UID 3 FLAGS ())",
    ]


def reading(server: TestServer) -> tuple[Client, StoreFlags]:
    r"""A reader's session in somebody's INBOX, and how another of his marks the second message as \Seen."""
    server.share("INBOX", Grant(account(2).user, RIGHTS))
    client = server.client("u2")
    client.ok("ENABLE IMAP4rev2")
    client.ok('SELECT "Other Users/u1/INBOX"')
    return client, StoreFlags(ONE, inbox_of(server), ((2, 2),), FlagMode.ADD, Flags(SEEN), None, by(account(2).user))


@pytest.mark.parametrize("is_marked_first", [True, False])
def test_a_readers_session_hears_of_his_marks_that_were_missed(server: TestServer, is_marked_first: bool) -> None:
    """Also of those that are older than what all see: his view has one MODSEQ for both."""
    client, mark = reading(server)
    server.is_silent = True
    if is_marked_first:
        server.database.write(mark)
    server.deliver(MESSAGE)
    if not is_marked_first:
        server.database.write(mark)
    server.is_silent = False
    make_up(server)
    assert untagged(client.ok("NOOP")) == [b"* 4 EXISTS", b"* 2 FETCH (FLAGS (\\Seen))"]


# ---------------------------------------------------------------------------------------------- NOTIFY


def heard(client: Client) -> list[bytes]:
    return untagged(client.heard() + client.turn())


def test_who_follows_mailboxes_looks_again_when_something_was_missed(server: TestServer) -> None:
    """RFC 5465: at folders that have changed, and at which there are; nobody knows which, so all are told."""
    client = server.client()
    client.ok("NOTIFY SET (personal (MessageNew MessageExpunge MailboxName))")
    server.is_silent = True
    server.deliver(MESSAGE)
    server.client().ok("CREATE new")
    server.is_silent = False
    assert heard(client) == []
    make_up(server)
    told = heard(client)
    assert b'* STATUS "INBOX" (UIDNEXT 5 MESSAGES 4)' in told
    assert b'* LIST (\\HasNoChildren) "/" "new"' in told
    make_up(server)
    assert not any(b"LIST" in line for line in heard(client))


def test_the_selected_folder_is_not_told_of_a_second_time(server: TestServer) -> None:
    client = second(server)
    client.ok("NOTIFY SET (selected (MessageNew MessageExpunge)) (mailboxes Sent (MessageNew MessageExpunge))")
    server.is_silent = True
    server.deliver(MESSAGE)
    server.is_silent = False
    make_up(server)
    assert heard(client) == [b"* 4 EXISTS", b'* STATUS "Sent" (UIDNEXT 1 MESSAGES 0)']


def test_only_events_that_were_asked_for_are_told_of(server: TestServer) -> None:
    client = server.client()
    client.ok("NOTIFY SET (mailboxes INBOX (MailboxName)) (mailboxes Sent (MessageNew MessageExpunge FlagChange))")
    make_up(server)
    told = heard(client)
    assert not any(b"INBOX" in line for line in told)
    assert any(line.startswith(b'* STATUS "Sent" (') for line in told)


def test_what_was_missed_elsewhere_is_nobodys_business(server: TestServer) -> None:
    client = server.client("u2")
    client.ok("NOTIFY SET (personal (MessageNew MessageExpunge))")
    server.views.publish([Missed(ONE)])
    assert heard(client) == []


def test_watchers_of_a_folder_do_not_hear_that_something_was_missed(inbox: Process) -> None:
    """They are told what it was."""
    listener = inbox.listeners[None]
    listener.heard.clear()
    inbox.views.publish([Missed(ONE)])
    assert listener.heard == []
    assert SeenChange not in {type(change) for change, _ in listener.heard}
