"""A repair makes the audit find nothing, loses nothing that is there, and tells sessions what they must know.

The rows are damaged behind the store's back, as no command would.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.stores.sqlite import SqliteConnection
from core.changes import FolderChange, TreeChange
from core.commands import ForgetBodies, Lost, Repaired, RepairMailbox, RestoreBlob
from core.errors import NoSuchMailbox
from core.integrity.repair import RECOVERED
from core.model import DELETED, MAX_UID, SEEN, FolderId, MailboxId
from core.recipients import RecipientId
from core.rights import LOOKUP, READ, Grant
from tests.support.store import ALL, ONE, TABLES, TWO, Store

LARGE = bytes(range(256)) * 100
WIDE = tuple(f"k{number}" for number in range(66))


@pytest.fixture
def damaged(tmp_path: Path) -> Iterator[Store]:
    """Two mailboxes: messages, tombstones, keywords, and marks of a reader."""
    store = Store(tmp_path)
    for mailbox in (ONE, TWO):
        store.create_mailbox(mailbox, "a", "a/b")
    store.append("INBOX", b"one", SEEN, "word")
    store.append("INBOX", b"two", DELETED)
    store.append("INBOX", LARGE)
    store.append("INBOX", b"gone", DELETED)
    store.append("INBOX", b"wide", 0, *WIDE)
    store.expunge("INBOX", ((4, 4),))
    store.copy("INBOX", "a/b", ((1, 2),))
    store.append("INBOX", b"one", mailbox=TWO)
    store.share("INBOX", Grant(RecipientId(7), LOOKUP | READ))
    assert store.broken() == []
    yield store
    store.close()


def damage(store: Store, *statements: str) -> None:
    connection = SqliteConnection(store.root / "mail.db", writer=True)
    for statement in statements:
        connection.script(statement)
    connection.close()


def repair(store: Store, mailbox: MailboxId = ONE) -> Repaired:
    repaired = store.do(RepairMailbox(mailbox, store.clock.now()))
    assert isinstance(repaired, Repaired)
    return repaired


def messages(store: Store) -> list[tuple[object, ...]]:
    """What is in which folder, under which UID."""
    return store.rows("SELECT mailbox_id, folder_id, uid, message_id, flags, keywords FROM entry")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE folder SET n_exists = 7, n_unseen = 0, n_deleted = 9, n_bytes = -1",
        "UPDATE folder SET uidnext = 3",
        "UPDATE folder SET modseq = 2, last_modseq = 1",
        "UPDATE folder SET last_modseq = 1",
        "UPDATE expunged SET uid_low = 2, uid_high = 9",
        "UPDATE folder SET tombstone_floor = 1000",
        "UPDATE mailbox SET used_bytes = 0, used_count = 77",
        "UPDATE mailbox SET next_folder_id = 1, next_message_id = 1, next_uidvalidity = 0",
        "UPDATE message SET n_entries = 9",
        "UPDATE message SET n_entries = 0",
        "UPDATE message SET size = 4",
        "DELETE FROM keyword",
        "DELETE FROM keyword WHERE bit IN (1, 40, 64)",
        "UPDATE entry SET keywords = 4611686018427387904 WHERE mailbox_id = 2",
        "INSERT INTO access_key VALUES (1, 9, 7, zeroblob(32))",
        "INSERT INTO access_key VALUES (1, 1, 7, x'00')",
        "INSERT INTO reader VALUES (1, 1, 7, 100); INSERT INTO seen VALUES (1, 1, 7, 1, 5, 1, 100)",
        "INSERT INTO reader VALUES (1, 1, 7, 3);"
        "INSERT INTO seen VALUES (1, 1, 7, 1, 3, 1, 9), (1, 1, 7, 2, 4, 0, 2), (1, 1, 7, 5, 99, 1, 3)",
        "UPDATE folder SET parent_id = 99 WHERE parent_id = 2",
        "UPDATE folder SET parent_id = 3 WHERE folder_id = 2",
        "UPDATE folder SET parent_id = 77, name = 'INBOX' WHERE folder_id = 3",
    ],
)
def test_what_only_counts_is_counted_anew_and_no_message_moves(damaged: Store, statement: str) -> None:
    before = messages(damaged)
    damage(damaged, statement)
    rows = messages(damaged)
    assert damaged.broken() != []
    for mailbox in (ONE, TWO):
        assert repair(damaged, mailbox).lost == ()
    assert damaged.broken() == []
    assert messages(damaged) == rows
    assert [row[:4] for row in rows] == [row[:4] for row in before]


def test_packs_are_counted_anew(damaged: Store) -> None:
    damage(damaged, "UPDATE pack SET live_bytes = 1", "INSERT INTO pack VALUES (5, 10, 0)")
    assert damaged.broken() != []
    damaged.do(ForgetBodies())
    assert damaged.broken() == []


def test_an_entry_without_its_message_goes_and_is_named(damaged: Store) -> None:
    folder = damaged.folder("INBOX")
    damage(damaged, "DELETE FROM message WHERE mailbox_id = 1 AND message_id IN (1, 3)")
    assert repair(damaged).lost == (Lost("INBOX", 2, ((1, 1), (3, 3))), Lost("a/b", 1, ((1, 1),)))
    assert damaged.broken() == []
    assert damaged.uids("INBOX") == [2, 5]
    change = next(c for c in damaged.published if isinstance(c, FolderChange) and c.expunged == ((1, 1), (3, 3)))
    assert (change.since, change.modseq) == (folder.modseq, damaged.folder("INBOX").modseq)
    with damaged.read() as tx:
        assert {tuple(row) for row in tx.vanished(ONE, folder.folder_id, folder.modseq)} == {(1, 1), (3, 3)}


def test_an_entry_that_is_not_there_is_named_and_vanishes(damaged: Store) -> None:
    folder = damaged.folder("INBOX")
    damage(damaged, "DELETE FROM entry WHERE mailbox_id = 1 AND folder_id = 1 AND uid IN (2, 5)")
    repaired = repair(damaged)
    assert repaired.lost == (Lost("INBOX", 2, ((2, 2), (5, 5))),)
    assert repaired.refiled == 1, "the other has a copy"
    with damaged.read() as tx:
        assert {tuple(row) for row in tx.vanished(ONE, folder.folder_id, folder.modseq)} == {(2, 2), (5, 5)}


def test_a_message_that_no_folder_has_comes_into_one_of_its_own(damaged: Store) -> None:
    damage(damaged, "DELETE FROM entry WHERE mailbox_id = 1 AND (folder_id = 3 OR uid IN (1, 3))")
    repaired = repair(damaged)
    assert repaired.refiled == 2
    assert repaired.lost == (Lost("INBOX", 2, ((1, 1), (3, 3))), Lost("a/b", 2, ((1, 2),)))
    assert damaged.broken() == []
    assert [damaged.body(RECOVERED, uid) for uid in damaged.uids(RECOVERED)] == [b"one", LARGE]
    damage(damaged, "DELETE FROM entry WHERE mailbox_id = 1 AND folder_id = 1 AND uid = 2")
    assert repair(damaged).refiled == 1
    assert [damaged.body(RECOVERED, uid) for uid in damaged.uids(RECOVERED)] == [b"one", LARGE, b"two"]
    assert damaged.broken() == []


def test_a_folder_whose_row_is_gone_is_made_up_under_another_uidvalidity(damaged: Store) -> None:
    before = damaged.folder("a/b")
    damage(damaged, "DELETE FROM folder WHERE mailbox_id = 1 AND folder_id = 3")
    assert repair(damaged).folders == (f"{RECOVERED} 3",)
    assert damaged.broken() == []
    after = damaged.folder(f"{RECOVERED} 3")
    assert (after.folder_id, after.uidnext, after.n_exists) == (before.folder_id, 3, 2)
    assert after.uidvalidity > before.uidvalidity
    assert TreeChange(ONE) in damaged.published


def test_an_inbox_whose_row_is_gone_is_the_inbox_again(damaged: Store) -> None:
    damage(damaged, "DELETE FROM folder WHERE mailbox_id = 1 AND folder_id = 1")
    assert repair(damaged).folders == ("INBOX",)
    assert damaged.broken() == []
    assert damaged.uids("INBOX") == [1, 2, 3, 5]


def test_an_inbox_without_anything_in_it_is_made_again(damaged: Store) -> None:
    damage(
        damaged,
        "DELETE FROM folder WHERE mailbox_id = 1 AND folder_id = 1",
        "DELETE FROM entry WHERE mailbox_id = 1 AND folder_id = 1",
    )
    repair(damaged)
    assert damaged.broken() == []
    assert damaged.uids("INBOX") == []
    assert len(damaged.uids(RECOVERED)) == 2, "the two that have no copy"


def test_public_folders_have_no_inbox(damaged: Store) -> None:
    damage(
        damaged, "DELETE FROM folder WHERE mailbox_id = 2 AND folder_id = 1", "DELETE FROM entry WHERE mailbox_id = 2"
    )
    damaged.do(RepairMailbox(TWO, damaged.clock.now(), has_inbox=False))
    assert damaged.broken() == []
    assert "INBOX" not in damaged.paths(TWO)


def test_a_folder_that_has_lost_the_one_above_it_comes_to_the_top(damaged: Store) -> None:
    damage(damaged, "DELETE FROM folder WHERE mailbox_id = 1 AND folder_id = 2")
    assert repair(damaged).folders == ("b",)
    assert damaged.broken() == []
    assert damaged.uids("b") == [1, 2]


def test_a_keyword_without_a_name_gets_one_and_the_others_keep_theirs(damaged: Store) -> None:
    damage(damaged, "DELETE FROM keyword WHERE bit = 0", "INSERT INTO keyword VALUES (1, 1, 80, 'recovered0')")
    repair(damaged)
    assert damaged.broken() == []
    flags = damaged.flags("INBOX")
    assert flags[1] == (SEEN, {f"{RECOVERED}0_"})
    assert flags[5] == (0, set(WIDE))
    change = next(
        c for c in damaged.published if isinstance(c, FolderChange) and c.keywords is not None and not c.arrived
    )
    assert change.keywords is not None
    assert len(change.keywords) == 81


def test_a_body_that_a_pack_still_has_is_named_again(damaged: Store) -> None:
    with damaged.read() as tx:
        (blob,) = (blob for blob in tx.blobs() if blob.pack_id is not None)
    damage(damaged, "DELETE FROM blob WHERE pack_id IS NOT NULL")
    assert any("lost its body" in line for line in damaged.broken())
    damaged.do(RestoreBlob(blob, damaged.clock.now()))
    damaged.do(ForgetBodies())
    assert damaged.broken() == []
    assert damaged.body("INBOX", 3) == LARGE


def test_a_sound_mailbox_is_not_changed(damaged: Store) -> None:
    rows = damaged.dump()
    assert damaged.changes(RepairMailbox(ONE, damaged.clock.now())) == []
    assert damaged.dump() == rows


def test_a_mailbox_that_is_not_there_is_refused(damaged: Store) -> None:
    with pytest.raises(NoSuchMailbox):
        damaged.do(RepairMailbox(MailboxId(9), damaged.clock.now()))


@pytest.mark.parametrize("seed", range(60))
def test_whatever_rows_are_lost_what_is_left_can_be_used(damaged: Store, seed: int) -> None:
    """Any rows of any tables, but not the mailbox's own and not the bodies'."""
    chance = random.Random(seed)
    connection = SqliteConnection(damaged.root / "mail.db", writer=True)
    for table in TABLES:
        if table == "mailbox" or chance.random() < 0.5:
            continue
        keys = [
            row[1]
            for row in sorted(connection.execute(f"PRAGMA table_info({table})", {}), key=lambda r: r[5])
            if row[5]
        ]
        for row in list(connection.execute(f"SELECT {', '.join(keys)} FROM {table}", {})):
            if chance.random() < 0.4:
                where = " AND ".join(f"{key} = :{key}" for key in keys)
                list(connection.execute(f"DELETE FROM {table} WHERE {where}", dict(zip(keys, row, strict=True))))
    connection.close()
    there = damaged.rows("SELECT mailbox_id, message_id FROM message")
    repaired = [repair(damaged, mailbox) for mailbox in (ONE, TWO)]
    assert damaged.broken() == []
    assert damaged.rows("SELECT mailbox_id, message_id FROM message") == there
    rows = damaged.dump()
    assert [repair(damaged, mailbox) for mailbox in (ONE, TWO)] == [Repaired(), Repaired()]
    assert damaged.dump() == rows, f"nothing is left to be done after {repaired}"
    damaged.append("INBOX", b"new")
    damaged.expunge("INBOX", ALL)
    assert damaged.broken() == []
    assert all(0 < uid <= MAX_UID for uid in damaged.uids("INBOX"))
    assert damaged.folder("INBOX").folder_id != FolderId(0)
