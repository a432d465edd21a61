"""What core.ports promises of a transaction, asked of every adapter that gives one."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from adapters.blobs.packs import Packs
from adapters.stores.migrations import migrate
from adapters.stores.sql import SqlWriteTx
from adapters.stores.sqlite import SqliteConnection
from core.errors import NoSuchMailbox
from core.folders import GRAVEYARD
from core.integrity.audit import AuditTx
from core.model import (
    DELETED,
    MAX_UID,
    ROOT,
    SEEN,
    UID,
    Blob,
    Entry,
    Folder,
    FolderId,
    Mailbox,
    MailboxId,
    MessageId,
    ModSeq,
)
from core.ports import Counters, NewEntry, NewMessage, StoredEntry, WriteTx

ONE, TWO = MailboxId(1), MailboxId(2)
INBOX = FolderId(1)


@contextmanager
def sqlite(directory: Path) -> Iterator[WriteTx]:
    connection = SqliteConnection(directory / "mail.db", writer=True)
    packs = Packs(directory / "packs")
    migrate(connection, "mailbox", 0)
    connection.begin()
    yield SqlWriteTx(connection, packs)
    connection.rollback()
    connection.close()
    packs.close()


ADAPTERS: dict[str, Callable[[Path], AbstractContextManager[WriteTx]]] = {"sqlite": sqlite}


@pytest.fixture(params=ADAPTERS)
def tx(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WriteTx]:
    """A transaction on a database with one mailbox, which has an INBOX with three messages."""
    with ADAPTERS[request.param](tmp_path) as tx:
        tx.insert_mailbox(Mailbox(ONE, b"\0\xff" * 8, 0, 0), 5)
        folder_id, uidvalidity = tx.next_folder(ONE, 100)
        tx.insert_folder(folder(folder_id, "INBOX", uidvalidity), 5)
        for uid in (1, 2, 3):
            put(tx, uid, b"body %d" % uid)
        yield tx


def folder(folder_id: FolderId, name: str, uidvalidity: int = 1) -> Folder:
    return Folder(ONE, folder_id, ROOT, name, None, True, uidvalidity, UID(1), ModSeq(1), UID(1), 0, 0, 0, 0)


def blob(body: bytes) -> Blob:
    return Blob(hashlib.sha256(body).digest(), len(body), len(body), 0, data=body)


def put(tx: WriteTx, uid: int, body: bytes, keywords: int = 0) -> MessageId:
    tx.put_blob(blob(body), 10)
    message_id = tx.take_messages(ONE, 1, len(body))
    hashed = blob(body).hash
    tx.insert_messages(
        [NewMessage(ONE, message_id, hashed, 1, len(body), 7, 60, None, b"", b"E", b"S", b"P", b"Y", None, message_id)]
    )
    after = tx.count(ONE, INBOX, Counters(uids=1, exists=1, unseen=1, octets=len(body)))
    tx.insert_entries([NewEntry(ONE, INBOX, uid, message_id, after.modseq, 0, keywords, 9)])
    return message_id


def test_a_transaction_can_be_audited(tx: WriteTx) -> None:
    for method in AuditTx.__dict__:
        assert method.startswith("_") or hasattr(tx, method)


def test_a_mailbox_that_is_not_there_is_refused(tx: WriteTx) -> None:
    calls: list[Callable[[], object]] = [
        lambda: tx.mailbox(TWO),
        lambda: tx.next_folder(TWO, 1),
        lambda: tx.take_messages(TWO, 1, 1),
        lambda: tx.count(TWO, INBOX, Counters()),
    ]
    for call in calls:
        with pytest.raises(NoSuchMailbox):
            call()
    assert tx.mailbox(ONE) == Mailbox(ONE, b"\0\xff" * 8, 18, 3)


def test_folder_numbers_and_uidvalidities_are_given_once(tx: WriteTx) -> None:
    given = [tx.next_folder(ONE, wish) for wish in (100, 50, 500, 500, 0)]
    assert [number for number, _ in given] == [2, 3, 4, 5, 6]
    assert [validity for _, validity in given] == [101, 102, 500, 501, 502]


def test_message_numbers_come_in_blocks(tx: WriteTx) -> None:
    assert [tx.take_messages(ONE, count, 0) for count in (1, 5, 1)] == [4, 5, 10]


def test_each_count_takes_a_modseq_and_returns_the_row_as_it_is(tx: WriteTx) -> None:
    before = tx.folder(ONE, INBOX)
    assert before is not None
    after = tx.count(ONE, INBOX, Counters(uids=2, exists=-1, unseen=-1, deleted=3, octets=-6))
    assert after == tx.folder(ONE, INBOX)
    assert (after.uidnext, after.modseq) == (before.uidnext + 2, before.modseq + 1)
    assert (after.n_exists, after.n_unseen, after.n_deleted, after.n_bytes) == (2, 2, 3, 12)


def test_a_folder_is_found_by_its_place(tx: WriteTx) -> None:
    found = tx.child(ONE, ROOT, "INBOX")
    assert found == tx.folder(ONE, INBOX)
    assert [found] == tx.folders(ONE)
    assert tx.child(ONE, ROOT, "inbox") is None
    assert tx.child(ONE, INBOX, "INBOX") is None


def test_updating_a_folder_leaves_its_counters(tx: WriteTx) -> None:
    found = tx.folder(ONE, INBOX)
    assert found is not None
    tx.update_folder(
        Folder(ONE, INBOX, FolderId(7), "new", "\\Sent", False, 9, UID(77), ModSeq(77), UID(3), 7, 7, 7, 7)
    )
    after = tx.folder(ONE, INBOX)
    assert after == Folder(
        *(ONE, INBOX, FolderId(7), "new", "\\Sent", False, 9, found.uidnext, found.modseq, UID(3), 3, 3, 0, 18),
        last_modseq=found.last_modseq,
        prior_modseq=found.prior_modseq,
    )


def test_flags_change_only_where_they_would_differ(tx: WriteTx) -> None:
    assert [entry.uid for entry, _ in change(tx, 1, 2, (0, 0), (5, 1))] == [1, 2]
    changed = change(tx, 1, 3, (-1, -1), (4, 1))
    assert changed == [(Entry(UID(3), 4, 1, ModSeq(50)), 0)]
    assert [(e.flags, e.keywords) for e in tx.entries(ONE, INBOX, 1, MAX_UID)] == [(5, 1), (5, 1), (4, 1)]


def change(tx: WriteTx, low: int, high: int, keep: tuple[int, int], add: tuple[int, int]) -> list[tuple[Entry, int]]:
    return tx.change_flags(ONE, INBOX, low, high, modseq=50, keep=keep, add=add)


@pytest.mark.parametrize("bit", [0, 62, 63, 64, 499])
def test_any_keyword_of_500_can_be_set_and_taken_away(tx: WriteTx, bit: int) -> None:
    put(tx, 4, b"four", 1 << bit)
    assert change(tx, 2, 4, (-1, -1), (0, 1 << bit)) == [
        (Entry(UID(uid), 0, 1 << bit, ModSeq(50)), 0) for uid in (2, 3)
    ]
    assert [entry.keywords for entry in tx.entries(ONE, INBOX, 1, 9)] == [0, *[1 << bit] * 3]
    assert [row.keywords for row in tx.stored_entries(ONE, INBOX, 1, 9, 3)] == [0, *[1 << bit] * 2]
    assert len(change(tx, 1, 3, (-1, ~(1 << bit)), (0, 0))) == 2
    assert [entry.keywords for entry in tx.entries(ONE, INBOX, 1, 9)] == [0, 0, 0, 1 << bit]


def test_a_message_lives_as_long_as_it_is_referred_to(tx: WriteTx) -> None:
    first = tx.stored_entries(ONE, INBOX, 1, 1, 1)
    assert first == [StoredEntry(UID(1), MessageId(1), 0, 0, 6)]
    tx.add_references(ONE, [1, 1])
    tx.drop_references(ONE, [1, 1])
    assert [item.message_id for item in tx.items(ONE, INBOX, 1, 1)] == [1]
    tx.drop_references(ONE, [1])
    assert list(tx.items(ONE, INBOX, 1, 1)) == []


def test_entries_go_by_ranges(tx: WriteTx) -> None:
    tx.delete_entries(ONE, INBOX, ((1, 1), (3, 9)))
    assert [entry.uid for entry in tx.entries(ONE, INBOX, 1, 9)] == [2]


def test_a_body_comes_back_by_its_digest(tx: WriteTx) -> None:
    found = tx.blob(blob(b"body 2").hash)
    assert found is not None
    assert tx.read_blob(found, 2, 99) == b"dy 2"
    assert tx.blob(bytes(32)) is None


def test_a_body_that_is_named_or_young_is_not_swept(tx: WriteTx) -> None:
    tx.put_blob(blob(b"unnamed"), 20)
    assert tx.sweep_blobs(20, 9) == 0
    tx.put_blob(blob(b"unnamed"), 30)
    assert tx.sweep_blobs(30, 9) == 0
    assert tx.sweep_blobs(31, 9) == 1
    assert tx.blob(blob(b"unnamed").hash) is None


def test_subscriptions_are_a_set(tx: WriteTx) -> None:
    for path in ("a", "a", "é"):
        tx.subscribe(ONE, path)
    tx.unsubscribe(ONE, "absent")
    assert tx.subscriptions(ONE) == {"a", "é"}
    assert tx.subscriptions(TWO) == set()


def test_octets_of_what_is_deleted_are_added_up(tx: WriteTx) -> None:
    assert tx.deleted_octets(ONE, INBOX) == 0
    put(tx, 4, b"longer")
    put(tx, 5, b"the longest")
    change(tx, 3, 4, (-1, -1), (DELETED | SEEN, 0))
    change(tx, 5, 5, (-1, -1), (SEEN, 0))
    assert tx.deleted_octets(ONE, INBOX) == len(b"body 3" + b"longer")
    assert (tx.deleted_octets(ONE, FolderId(9)), tx.deleted_octets(TWO, INBOX)) == (0, 0)


def test_folders_and_messages_are_totalled(tx: WriteTx) -> None:
    """Without places in the hierarchy, and without folders that are deleted but not yet purged."""
    assert tx.totals(ONE) == (1, 3)
    assert tx.totals(TWO) == (0, 0)
    tx.insert_folder(folder(FolderId(7), "empty"), 5)
    tx.insert_folder(replace(folder(FolderId(8), "place"), selectable=False), 5)
    assert tx.totals(ONE) == (2, 3)
    inbox = tx.folder(ONE, INBOX)
    assert inbox is not None
    tx.update_folder(replace(inbox, parent_id=GRAVEYARD))
    assert tx.totals(ONE) == (1, 0)


def test_annotations_are_by_folder_user_and_name(tx: WriteTx) -> None:
    tx.put_annotation(ONE, INBOX, 0, "/shared/a", b"old")
    tx.put_annotation(ONE, INBOX, 0, "/shared/a", b"\0\xff")
    tx.put_annotation(ONE, INBOX, 0, "/shared/a/b", b"")
    tx.put_annotation(ONE, INBOX, 7, "/shared/a", b"another's")
    tx.put_annotation(ONE, ROOT, 0, "/shared/a", b"server")
    assert list(tx.annotations(ONE, INBOX, 0, "/shared/", "/shared0")) == [
        ("/shared/a", b"\0\xff"),
        ("/shared/a/b", b""),
    ]
    assert dict(tx.annotations(ONE, INBOX, 0, "/shared/a", "/shared/a/")) == {"/shared/a": b"\0\xff"}
    assert tx.annotation_sizes(ONE, INBOX, 0) == {"/shared/a": 2, "/shared/a/b": 0}
    assert tx.annotation_usage(ONE, 0) == (3, 9 + 2 + 11 + 0 + 9 + 6)
    assert tx.annotation_usage(TWO, 0) == (0, 0)
    tx.delete_annotation(ONE, INBOX, 0, "/shared/a")
    tx.delete_annotation(ONE, INBOX, 0, "/shared/absent")
    assert tx.annotation_sizes(ONE, INBOX, 0) == {"/shared/a/b": 0}


def test_annotations_are_ordered_as_octets(tx: WriteTx) -> None:
    """A collation would put the slash elsewhere, and what is below a name could not be found by it."""
    names = ["/shared/a", "/shared/a b", "/shared/a-b", "/shared/a/b", "/shared/a0", "/shared/a_b", "/shared/ab"]
    for name in names:
        tx.put_annotation(ONE, INBOX, 0, name, b"")
    assert [name for name, _ in tx.annotations(ONE, INBOX, 0, "/", "0")] == names


def test_annotations_of_all_users_are_copied_and_go_with_their_folder(tx: WriteTx) -> None:
    other, _ = tx.next_folder(ONE, 100)
    tx.insert_folder(folder(other, "other"), 5)
    for user in (0, 7):
        tx.put_annotation(ONE, INBOX, user, "/x", b"%d" % user)
    tx.copy_annotations(ONE, INBOX, other)
    tx.delete_folder(ONE, INBOX)
    for user in (0, 7):
        assert dict(tx.annotations(ONE, other, user, "/", "0")) == {"/x": b"%d" % user}
        assert tx.annotation_sizes(ONE, INBOX, user) == {}
    tx.delete_mailbox(ONE)
    assert tx.annotation_usage(ONE, 7) == (0, 0)


def test_access_keys_are_by_folder_and_user_and_go_with_their_folder(tx: WriteTx) -> None:
    other, _ = tx.next_folder(ONE, 100)
    tx.insert_folder(folder(other, "other"), 5)
    tx.put_access_key(ONE, INBOX, 7, b"old")
    tx.put_access_key(ONE, INBOX, 7, b"\0\xff")
    tx.put_access_key(ONE, INBOX, 8, b"another's")
    tx.put_access_key(ONE, other, 7, b"here")
    assert [tx.access_key(ONE, INBOX, user) for user in (7, 8, 9)] == [b"\0\xff", b"another's", None]
    tx.delete_folder(ONE, INBOX)
    assert [tx.access_key(ONE, INBOX, user) for user in (7, 8)] == [None, None]
    assert tx.access_key(ONE, other, 7) == b"here"


def test_all_access_keys_of_a_user_are_dropped(tx: WriteTx) -> None:
    tx.insert_mailbox(Mailbox(TWO, b"g" * 16, 0, 0), 5)
    for mailbox in (ONE, TWO):
        for user in (7, 8):
            tx.put_access_key(mailbox, INBOX, user, b"%d" % user)
    tx.drop_access_keys(7)
    assert [tx.access_key(mailbox, INBOX, user) for mailbox in (ONE, TWO) for user in (7, 8)] == [None, b"8"] * 2


def test_deliveries_are_remembered_for_their_mailbox_until_they_expire(tx: WriteTx) -> None:
    assert tx.remember_delivery(ONE, b"\0token", 10, 50)
    assert not tx.remember_delivery(ONE, b"\0token", 50, 90)
    assert (tx.delivery_known(ONE, b"\0token", 50), tx.delivery_known(TWO, b"\0token", 50)) == (True, False)
    assert not tx.delivery_known(ONE, b"\0token", 51)
    assert tx.sweep_deliveries(50, 9) == 0
    assert tx.sweep_deliveries(51, 9) == 1
    assert not tx.delivery_known(ONE, b"\0token", 50)


def test_a_delivery_that_has_expired_is_new_again(tx: WriteTx) -> None:
    assert tx.remember_delivery(ONE, b"token", 10, 50)
    assert tx.remember_delivery(ONE, b"token", 51, 90)
    assert tx.delivery_known(ONE, b"token", 90)


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 100])
def test_entries_come_by_columns_too(tx: WriteTx, rows: int) -> None:
    for bit in range(70):
        tx.insert_keyword(ONE, INBOX, bit, f"k{bit}")
    put(tx, 4, b"with keywords", 1 << 69 | 1 << 63 | 5)
    pieces = list(tx.entry_columns(ONE, INBOX, rows))
    assert all(len(column) == rows for piece in pieces[:-1] for column in piece)
    uids, flags, keywords, modseqs = ([value for piece in pieces for value in piece[at]] for at in range(4))
    wide = tx.wide_keywords(ONE, INBOX)
    assert wide == {4: 1 << 69 | 1 << 63}
    entries = tx.entries(ONE, INBOX, 1, MAX_UID)
    assert [(e.uid, e.flags, e.keywords, e.modseq) for e in entries] == [
        (uid, flag, mask | wide.get(uid, 0), modseq)
        for uid, flag, mask, modseq in zip(uids, flags, keywords, modseqs, strict=True)
    ]
    assert list(tx.entry_columns(TWO, INBOX, rows)) == []
