"""Mailbox access keys in the store (RFC 4467 2.2): whose they are, who may have one, and how long they last."""

import pytest

from core.changes import AccessKeyChange
from core.commands import (
    CreateFolder,
    DeleteFolder,
    DeleteMailbox,
    DropAccessKeys,
    FlagMode,
    NewFolder,
    RenameFolder,
    SetAccessKey,
    SetGrant,
)
from core.errors import NoPermission, NoSuchFolder
from core.model import MailboxId
from core.recipients import RecipientId
from core.rights import Actor, mask
from tests.support.store import ONE, TWO, Store

ADA, BOB = RecipientId(11), RecipientId(12)
FIRST, SECOND = b"1" * 32, b"2" * 32


def key(store: Store, path: str, user: RecipientId, mailbox: MailboxId = ONE) -> bytes | None:
    folder = store.folder(path, mailbox)
    with store.read() as tx:
        return tx.access_key(mailbox, folder.folder_id, user)


def test_each_user_has_one_for_each_folder(store: Store) -> None:
    store.do(CreateFolder(ONE, NewFolder("a"), store.clock.now()))
    for path, user, secret in (("INBOX", ADA, FIRST), ("INBOX", BOB, SECOND), ("a", ADA, SECOND)):
        assert store.do(SetAccessKey(ONE, path, user, secret)) == secret
    assert (key(store, "INBOX", ADA), key(store, "INBOX", BOB)) == (FIRST, SECOND)
    assert (key(store, "a", ADA), key(store, "a", BOB)) == (SECOND, None)


def test_a_new_one_takes_the_place_of_the_old_one_and_is_told(store: Store) -> None:
    inbox = store.folder("INBOX").folder_id
    assert store.changes(SetAccessKey(ONE, "INBOX", ADA, FIRST)) == [AccessKeyChange(ONE, inbox, ADA)]
    assert store.changes(SetAccessKey(ONE, "INBOX", ADA, SECOND)) == [AccessKeyChange(ONE, inbox, ADA)]
    assert key(store, "INBOX", ADA) == SECOND


def test_one_that_is_there_is_kept_if_that_is_asked(store: Store) -> None:
    assert store.changes(SetAccessKey(ONE, "INBOX", ADA, FIRST, keep=True)) == []
    assert store.do(SetAccessKey(ONE, "INBOX", ADA, SECOND, keep=True)) == FIRST
    assert key(store, "INBOX", ADA) == FIRST


def test_who_may_not_read_has_none(store: Store) -> None:
    actor = Actor(BOB, frozenset({BOB}))
    asked = SetAccessKey(ONE, "INBOX", BOB, FIRST, by=actor)
    store.refuses(asked, NoSuchFolder)
    for letters, refusal in (("l", NoPermission), ("r", None)):
        store.do(SetGrant(ONE, "INBOX", BOB, False, FlagMode.REPLACE, mask(letters)))
        if refusal is not None:
            store.refuses(asked, refusal)
    assert store.do(asked) == FIRST


@pytest.mark.parametrize("path", ["nowhere", "a"])
def test_a_folder_that_cannot_be_selected_has_none(store: Store, path: str) -> None:
    for name in ("a", "a/b"):
        store.do(CreateFolder(ONE, NewFolder(name), store.clock.now()))
    store.do(DeleteFolder(ONE, "a", store.clock.now()))
    store.refuses(SetAccessKey(ONE, path, ADA, FIRST), NoSuchFolder)


def test_it_goes_with_its_folder_and_comes_with_it(store: Store) -> None:
    """A folder that takes the place of another begins without any."""
    now = store.clock.now()
    for name in ("a", "b"):
        store.do(CreateFolder(ONE, NewFolder(name), now))
        store.do(SetAccessKey(ONE, name, ADA, FIRST))
    store.do(SetAccessKey(ONE, "INBOX", ADA, SECOND))
    store.do(DeleteFolder(ONE, "a", now))
    store.do(CreateFolder(ONE, NewFolder("a"), now))
    store.do(RenameFolder(ONE, "b", "c", now))
    store.do(RenameFolder(ONE, "INBOX", "old", now))
    found = {path: key(store, path, ADA) for path in ("a", "c", "old", "INBOX")}
    assert found == {"a": None, "c": FIRST, "old": SECOND, "INBOX": None}


def test_it_goes_with_its_mailbox(store: Store) -> None:
    store.create_mailbox(TWO)
    store.do(SetAccessKey(TWO, "INBOX", ADA, FIRST))
    while not store.do(DeleteMailbox(TWO)):
        pass
    assert store.rows("SELECT user_id FROM access_key") == []


def test_all_of_a_user_s_are_dropped_wherever_they_are(store: Store) -> None:
    store.create_mailbox(TWO)
    for mailbox in (ONE, TWO):
        for user in (ADA, BOB):
            store.do(SetAccessKey(mailbox, "INBOX", user, FIRST))
    assert store.changes(DropAccessKeys(ADA)) == []
    assert [key(store, "INBOX", user, mailbox) for mailbox in (ONE, TWO) for user in (ADA, BOB)] == [None, FIRST] * 2


def test_it_outlives_the_server(store: Store) -> None:
    store.do(SetAccessKey(ONE, "INBOX", ADA, FIRST))
    store.reopen()
    assert key(store, "INBOX", ADA) == FIRST
