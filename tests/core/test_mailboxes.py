from itertools import pairwise

import pytest

from core import folders
from core.changes import MailboxRemoved
from core.commands import CreateMailbox, DeleteMailbox, Delivery, NewFolder
from core.errors import FolderExists, InvalidName, MailboxExists, NoSuchFolder, NoSuchMailbox
from core.model import Mailbox
from tests.support.store import ONE, TWO, Store, incoming


def test_a_mailbox_is_born_with_its_folders_subscribed(store: Store) -> None:
    new = (NewFolder("INBOX"), NewFolder("Sent", "\\Sent"), NewFolder("inbox/Cafe\N{COMBINING ACUTE ACCENT}"))
    store.do(CreateMailbox(TWO, b"guid", new, store.clock.now()))
    assert store.paths(TWO) == {"INBOX": True, "INBOX/Café": True, "Sent": True}
    assert store.folder("Sent", TWO).special_use == "\\Sent"
    with store.read() as tx:
        assert tx.subscriptions(TWO) == {"INBOX", "Sent", "INBOX/Café"}
        assert tx.mailbox(TWO) == Mailbox(TWO, b"guid", 0, 0)
        assert [mailbox.mailbox_id for mailbox in tx.mailboxes()] == [ONE, TWO]


@pytest.mark.parametrize(("path", "refusal"), [("INBOX", FolderExists), ("bad/", InvalidName)])
def test_a_birth_that_fails_leaves_nothing(store: Store, path: str, refusal: type) -> None:
    store.refuses(CreateMailbox(TWO, b"guid", (NewFolder("INBOX"), NewFolder(path)), 0), refusal)
    with store.read() as tx, pytest.raises(NoSuchMailbox):
        tx.mailbox(TWO)


def test_a_number_is_given_once(store: Store) -> None:
    store.refuses(CreateMailbox(ONE, b"guid", (), 0), MailboxExists)


def test_a_mailbox_is_deleted_in_slices(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "ROWS_PER_COMMAND", 2)
    store.create_mailbox(TWO, "a", "a/b")
    store.append("INBOX", b"kept")
    for path in ("INBOX", "a/b"):
        for number in range(3):
            store.append(path, b"%d" % number, 0, *(f"k{n}" for n in range(65)), mailbox=TWO)
    store.deliver(incoming(b"x"), Delivery(TWO, b"", folder="a"), token=b"token")
    left = [store.used(TWO)[0]]
    while True:
        before = len(store.published)
        gone = store.do(DeleteMailbox(TWO))
        assert store.published[before:] == [MailboxRemoved(TWO)]
        assert store.broken() == []
        if gone:
            break
        left.append(store.used(TWO)[0])
    assert left[0] == 7
    assert left[-1] == 0
    assert all(before - after <= 2 for before, after in pairwise(left))
    for table in ("mailbox", "folder", "keyword", "message", "entry", "entry_keyword", "subscription", "delivery_seen"):
        assert store.rows(f"SELECT mailbox_id FROM {table} WHERE mailbox_id = 2") == [], table
    assert store.body("INBOX", 1) == b"kept"
    assert store.do(DeleteMailbox(TWO)) is True, "a retry finds nothing left to do"


def test_a_mailbox_that_is_being_deleted_takes_no_mail(store: Store) -> None:
    store.create_mailbox(TWO)
    store.do(DeleteMailbox(TWO))
    (outcome,) = store.deliver(incoming(b"x"), Delivery(TWO, b""))
    assert isinstance(outcome, NoSuchFolder)


def test_folders_waiting_for_their_purge_go_with_the_mailbox(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.create_mailbox(TWO, "a")
    for _ in range(2):
        store.append("a", b"x", mailbox=TWO)
    with monkeypatch.context() as patch:
        patch.setattr(folders, "ROWS_PER_COMMAND", 1)
        store.delete("a", TWO)
    while not store.do(DeleteMailbox(TWO)):
        pass
    with store.read() as tx:
        assert tx.graveyard() == []
