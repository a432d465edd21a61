"""The audit finds what it is there to find: each promise is broken on purpose."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.stores.sqlite import SqliteConnection
from core.integrity.audit import audit
from core.model import DELETED, SEEN
from tests.support.store import Store


@pytest.fixture
def damaged(tmp_path: Path) -> Iterator[Store]:
    """A store that is not audited at the end."""
    store = Store(tmp_path)
    store.create_mailbox()
    store.append("INBOX", b"one", SEEN, "word")
    store.append("INBOX", b"two", DELETED)
    store.append("INBOX", bytes(range(256)) * 100)
    store.append("INBOX", b"gone", DELETED)
    store.expunge("INBOX", ((4, 4),))
    assert store.broken() == []
    yield store
    store.close()


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        ("UPDATE folder SET n_exists = 7", "n_exists is 7, counted 3"),
        ("UPDATE folder SET n_unseen = 0", "n_unseen"),
        ("UPDATE folder SET n_deleted = 0", "n_deleted"),
        ("UPDATE folder SET n_bytes = n_bytes + 1", "n_bytes"),
        ("UPDATE folder SET uidnext = 3", "UIDNEXT is 3, but UID 4 was given out"),
        ("UPDATE folder SET modseq = 2", "HIGHESTMODSEQ"),
        ("UPDATE expunged SET uid_low = 2", "both present and expunged"),
        ("UPDATE entry SET keywords = 2 WHERE uid = 1", "a keyword that the folder does not name"),
        ("UPDATE mailbox SET used_bytes = 0", "usage"),
        ("UPDATE mailbox SET used_count = 0", "usage"),
        ("UPDATE message SET n_entries = 2 WHERE message_id = 1", "message 1 has a wrong count of entries (2)"),
        ("DELETE FROM entry WHERE uid = 1", "message 1 has a wrong count of entries (1)"),
        ("DELETE FROM message WHERE message_id = 1", "1 entries have lost their message"),
        ("DELETE FROM blob WHERE size = 3", "message 1 has lost its body"),
        ("UPDATE message SET size = 4 WHERE message_id = 1", "message 1 has size 4, its parts 0 and 3"),
        ("UPDATE blob SET data = x'00' WHERE size = 3 AND data = x'6F6E65'", "other bytes"),
        ("UPDATE blob SET encoding = 1 WHERE size = 3", "cannot be read"),
        ("UPDATE blob SET data = NULL, pack_id = 9, pack_offset = 0 WHERE size > 3", "cannot be read"),
        ("UPDATE blob SET pack_id = 9 WHERE size = 3", "pack 9 has None live octets, counted 6"),
        (
            "INSERT INTO access_key VALUES (1, 9, 7, zeroblob(32))",
            "user 7 has an access key for folder 9, which is gone",
        ),
        ("INSERT INTO access_key VALUES (1, 1, 7, x'00')", "an access key of 1 octets for folder 1"),
        ("INSERT INTO pack(pack_id, live_bytes, dead_bytes) VALUES (5, 10, 0)", "pack 5 has 10 live octets, counted 0"),
    ],
)
def test_a_broken_promise_is_reported(damaged: Store, damage: str, complaint: str) -> None:
    connection = SqliteConnection(damaged.root / "mail.db", writer=True)
    connection.script(damage)
    connection.close()
    assert any(complaint in line for line in damaged.broken()), damaged.broken()


def test_a_shallow_audit_reads_no_bodies_and_tells_how_far_it_is(damaged: Store) -> None:
    connection = SqliteConnection(damaged.root / "mail.db", writer=True)
    connection.script("UPDATE blob SET data = x'00' WHERE size = 3")
    connection.close()
    steps: list[None] = []
    with damaged.read() as tx:
        assert list(audit(tx, progress=lambda: steps.append(None))) == []
        assert len(steps) == 1
        assert list(audit(tx, deep=True, progress=lambda: steps.append(None))) != []
        assert len(steps) == 1 + 1 + 3 + 1, "one mailbox again, and four bodies"
