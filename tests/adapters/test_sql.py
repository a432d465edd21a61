"""What the core cannot see of the SQL: the statements themselves, and values at their edges."""

import inspect
import re

import pytest

from adapters.stores import database, integrity, sql
from adapters.stores.statements import load
from core.commands import FlagMode
from core.errors import NoSuchMailbox
from core.model import FolderId, ModSeq
from tests.support.store import ALL, ONE, TWO, Store, incoming


def test_every_statement_is_used_and_every_used_one_is_there() -> None:
    for statements, modules in ((sql.STATEMENTS, (sql, database)), (integrity.STATEMENTS, (integrity,))):
        text = "".join(map(inspect.getsource, modules))
        assert statements.keys() <= set(re.findall(r'"([a-z_]+)"', text))


def test_a_file_of_statements_falls_into_its_names() -> None:
    statements = load("mailbox")
    assert statements["mailboxes"].startswith("SELECT mailbox_id, guid")
    assert all(text and not text.startswith("--") for text in statements.values())


def test_statements_are_whole_and_name_their_columns() -> None:
    for name, text in (sql.STATEMENTS | integrity.STATEMENTS).items():
        assert "*" not in text, name
        assert re.match(r"(SELECT|INSERT|UPDATE|DELETE)\b", text), name
        assert ";" not in text, name


@pytest.mark.parametrize("octets", [0, sql.INLINE_OCTETS, sql.INLINE_OCTETS + 1])
def test_a_body_is_in_its_row_up_to_16_kib_and_in_a_pack_beyond(store: Store, octets: int) -> None:
    body = bytes(hash((octets, n)) & 255 for n in range(octets))
    message = incoming(body)
    store.append("INBOX", body)
    ((location, has_data, pack_id),) = store.rows("SELECT location, data IS NOT NULL, pack_id FROM blob")
    is_packed = message.blob.stored_size > sql.INLINE_OCTETS
    assert (location, has_data, pack_id) == ((1, 0, 1) if is_packed else (0, 1, None))
    assert is_packed == (octets > sql.INLINE_OCTETS)
    assert store.body("INBOX", 1) == body


def test_reading_a_mailbox_that_is_not_there_is_refused(store: Store) -> None:
    with store.read() as tx:
        with pytest.raises(NoSuchMailbox):
            tx.mailbox(TWO)
        assert tx.folders(TWO) == []
        assert tx.folder(ONE, FolderId(99)) is None
        assert tx.blob(bytes(32)) is None


def test_a_range_of_uids_is_inclusive(store: Store) -> None:
    for _ in range(5):
        store.append("INBOX", b"x")
    folder = store.folder("INBOX").folder_id
    with store.read() as tx:
        assert [entry.uid for entry in tx.entries(ONE, folder, 2, 4)] == [2, 3, 4]
        assert [item.uid for item in tx.items(ONE, folder, 2, 4)] == [2, 3, 4]
        assert [row.uid for row in tx.stored_entries(ONE, folder, 2, 9, 2)] == [2, 3]
        assert list(tx.items(ONE, folder, 4, 2)) == []


def test_the_63_keywords_of_the_mask_use_no_sign_bit(store: Store) -> None:
    words = [f"k{n}" for n in range(63)]
    store.append("INBOX", b"x", 31, *words)
    assert store.rows("SELECT flags, keywords FROM entry") == [(31, (1 << 63) - 1)]
    store.do(store.storing("INBOX", FlagMode.REMOVE, 31, *words))
    assert store.rows("SELECT flags, keywords FROM entry") == [(0, 0)]
    store.do(store.storing("INBOX", FlagMode.REPLACE, 31, *words))
    assert store.rows("SELECT flags, keywords FROM entry") == [(31, (1 << 63) - 1)]


def test_both_ways_to_change_flags_agree(store: Store) -> None:
    """The one of one statement, and the one row by row that folders with many keywords need."""
    words = [f"k{n}" for n in range(70)]
    for path in ("narrow", "wide"):
        store.create(path)
        for number in range(6):
            store.append(path, b"x", number, *words[number : 2 * number])
    store.append("wide", b"x", 0, *words)
    for step, mode in enumerate([FlagMode.ADD, FlagMode.REMOVE, FlagMode.REPLACE, FlagMode.ADD]):
        for path in ("narrow", "wide"):
            store.do(store.storing(path, mode, 1 << step, words[2], words[step], uids=((2, 5),)))
        assert {uid: store.flags("wide")[uid] for uid in range(1, 7)} == store.flags("narrow")
        narrow, wide = store.entries("narrow"), store.entries("wide")[:6]
        assert len({a.modseq - b.modseq for a, b in zip(narrow, wide, strict=True)} - {0}) <= 1


def test_octets_keep_every_value(store: Store) -> None:
    body = bytes(range(256))
    store.append("INBOX", body)
    assert store.body("INBOX", 1) == body


def test_a_modseq_of_63_bits_fits(store: Store) -> None:
    huge = ModSeq((1 << 63) - 2)
    connection = store.database._engine._connection
    list(connection.execute("UPDATE folder SET modseq = :modseq, last_modseq = :modseq", {"modseq": huge}))
    store.append("INBOX", b"x")
    assert store.entries("INBOX")[0].modseq == huge + 1
    assert len(store.view(store.folder("INBOX").folder_id).clip(ALL)) == 1
