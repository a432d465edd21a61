"""The whole database: groups over real SQL, sweeping against spooling, crashes, failing disks, readers."""

import hashlib
import os
import shutil
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import apsw
import pytest

from adapters.blobs import packs as packs_module
from adapters.blobs.packs import Packs
from adapters.stores import sql
from adapters.stores.database import MailboxDatabase, OtherOrganization, unavailable
from adapters.stores.migrations import SchemaTooNew
from adapters.stores.sqlite import DatabaseLocked, SqliteConnection
from core import items
from core.changes import FolderChange
from core.commands import CreateFolder, CreateMailbox, Delivery, Expunge, FlagMode, NewFolder
from core.errors import (
    FolderExists,
    LimitExceeded,
    MessageExpunged,
    NoSuchFolder,
    NoSuchMailbox,
    OverQuota,
    Unavailable,
)
from core.model import DELETED, FLAGGED, MAX_UID, SEEN, Blob
from core.view import FolderView
from tests.support.store import ALL, DAY, MORNING, ONE, TWO, Store, incoming_blob


def noise(octets: int, seed: int = 1) -> bytes:
    """Bytes that do not shrink."""
    return b"".join(hashlib.sha256(b"%d %d" % (seed, n)).digest() for n in range(octets // 32 + 1))[:octets]


BIG = noise(20_000)  # more than a row takes


def commits(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one with each commit from now on."""
    made: list[int] = []
    commit = store.database._engine.commit

    def count() -> None:
        made.append(1)
        commit()

    monkeypatch.setattr(store.database._engine, "commit", count)
    return made


class TestGroups:
    def test_commands_of_a_group_see_each_other_and_are_committed_once(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = commits(store, monkeypatch)
        folder, first, second, again = store.group(
            CreateFolder(ONE, NewFolder("a"), MORNING),
            store.appending("a", b"one"),
            store.appending("a", b"two"),
            CreateFolder(ONE, NewFolder("a"), MORNING),
        )
        assert (folder.name, first.uid, second.uid, again) == ("a", 1, 2, FolderExists)
        assert len(made) == 2, "the one at the gate, and the group's"

    def test_each_has_a_modseq_of_its_own_and_publishes_without_gaps(self, store: Store) -> None:
        """RFC 7162 3.1: each command a different value, also within one group."""
        store.append("INBOX", b"x")
        inbox = store.folder("INBOX")
        view = store.view(inbox.folder_id)
        store.published.clear()
        store.group(
            store.storing("INBOX", FlagMode.ADD, SEEN),
            store.appending("INBOX", b"y", 0, "word"),
            store.storing("INBOX", FlagMode.ADD, SEEN),
            store.storing("INBOX", FlagMode.ADD, SEEN),
            store.storing("INBOX", FlagMode.REPLACE, FLAGGED, "word"),
        )
        changes = [change for change in store.published if isinstance(change, FolderChange)]
        assert [change.modseq for change in changes] == list(range(inbox.modseq + 1, inbox.modseq + 5))
        for change in changes:
            assert change.since == view.modseq
            view = view.apply(change)
        assert same(view, store.view(inbox.folder_id))

    def test_a_command_refused_after_writing_takes_nothing_of_its_neighbours(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What it wrote is undone, and the others are carried out again with the same UIDs and MODSEQs."""
        insert = items._insert

        def fail_late(*args: Any, **options: Any) -> Any:
            if args[2].blob.size == 4:
                insert(*args, **options)
                raise LimitExceeded("late")
            return insert(*args, **options)

        monkeypatch.setattr(items, "_insert", fail_late)
        store.append("INBOX", b"x")
        before = store.folder("INBOX")
        outcomes = store.group(
            store.appending("INBOX", b"1", 0, "first"),
            store.appending("INBOX", b"late", 0, "lost"),
            store.appending("INBOX", b"2", 0, "second"),
        )
        assert [getattr(outcome, "uid", outcome) for outcome in outcomes] == [2, LimitExceeded, 3]
        after = store.folder("INBOX")
        assert (after.uidnext, after.modseq) == (before.uidnext + 2, before.modseq + 2)
        assert store.keywords("INBOX") == ("first", "second")
        assert [change.modseq for change in store.published[-2:] if isinstance(change, FolderChange)] == [
            before.modseq + 1,
            before.modseq + 2,
        ]

    def test_a_refused_group_member_that_wrote_nothing_costs_nothing(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = commits(store, monkeypatch)
        outcomes = store.group(
            store.appending("INBOX", b"12345", quota=5),
            store.appending("INBOX", b"6", quota=5),
            store.appending("absent", b"7"),
        )
        assert [getattr(outcome, "uid", outcome) for outcome in outcomes] == [1, OverQuota, NoSuchFolder]
        assert len(made) == 2

    def test_a_statement_that_breaks_a_constraint_is_a_fault_of_its_command_only(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def nowhere(*_: object) -> None:
            raise NoSuchMailbox

        create = CreateMailbox(TWO, b"2" * 16, (), MORNING)
        with monkeypatch.context() as blind:
            blind.setattr(sql.SqlWriteTx, "mailbox", nowhere)
            outcomes = store.group(create, create, store.appending("INBOX", b"y"))
        assert outcomes[1] is apsw.ConstraintError
        assert store.uids("INBOX") == [1]
        assert [type(fault) for fault in store.faults] == [apsw.ConstraintError]
        store.faults.clear()

    def test_large_bodies_of_a_spoiled_group_are_written_again(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(packs_module, "PACK_OCTETS", 1)

        def fail(*_: object, **__: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(sql.SqlWriteTx, "insert_tombstone", fail)
        store.append("INBOX", b"x", DELETED)
        outcomes = store.group(
            store.appending("INBOX", BIG),
            Expunge(ONE, store.folder("INBOX").folder_id, ALL),
            store.appending("INBOX", BIG[::-1]),
        )
        assert [getattr(outcome, "uid", outcome) for outcome in outcomes] == [2, ZeroDivisionError, 3]
        assert store.body("INBOX", 2) == BIG
        assert store.body("INBOX", 3) == BIG[::-1]
        store.faults.clear()
        store.append("INBOX", b"the next transaction")
        store.database.forget_packs()
        assert store.pack_files() == [2, 3], "those of the first attempt are named by nobody"


def same(one: FolderView, other: FolderView) -> bool:
    everything = ((1, MAX_UID),)
    return (one.modseq, one.keywords, list(one.numbered(everything))) == (
        other.modseq,
        other.keywords,
        list(other.numbered(everything)),
    )


class TestFailures:
    def test_a_commit_that_fails_undoes_the_group_and_the_next_one_works(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """T-1.5: everybody may try again, and nothing of it was done."""
        before = store.dump()

        def fail(_: SqliteConnection) -> None:
            raise apsw.IOError("disk I/O error")

        with monkeypatch.context() as patch:
            patch.setattr(SqliteConnection, "commit", fail)
            with pytest.raises(Unavailable) as raised:
                store.do(store.appending("INBOX", BIG))
        assert isinstance(raised.value.__cause__, apsw.IOError)
        assert store.dump() == before
        assert store.published == []
        assert store.append("INBOX", BIG) == 1
        assert store.body("INBOX", 1) == BIG
        assert [type(fault) for fault in store.faults] == [apsw.IOError]
        store.faults.clear()

    def test_a_pack_that_cannot_be_synced_is_never_named(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        """After a failed fsync the kernel may have dropped the pages: the bytes must be written anew."""

        def fail(_: int) -> None:
            raise OSError(5, "Input/output error")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fdatasync", fail)
            with pytest.raises(Unavailable):
                store.do(store.appending("INBOX", BIG))
        store.append("INBOX", BIG)
        assert store.rows("SELECT pack_id FROM blob") == [(2,)]
        store.faults.clear()

    def test_a_disk_that_is_full_in_the_middle_commits_nothing_of_the_group(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """SQLite rolls back by itself then: whatever ran next would be committed row by row."""
        pages = store.rows("PRAGMA page_count")[0][0]
        real = store.database._engine._connection._db
        before = store.dump()
        list(real.execute(f"PRAGMA max_page_count = {pages + 3}"))
        outcomes = store.group(
            store.appending("INBOX", b"small"),
            store.appending("INBOX", noise(16_000, 2)),
            store.appending("INBOX", noise(16_000, 3)),
            store.appending("INBOX", noise(16_000, 4)),
            store.appending("INBOX", b"after"),
        )
        assert outcomes == [Unavailable] * 5
        assert store.dump() == before
        assert store.append("INBOX", b"later") == 1, "the connection was opened anew, without the limit"
        assert [type(fault) for fault in store.faults] == [apsw.FullError]
        store.faults.clear()

    def test_a_reading_that_fails_is_unavailable(self, store: Store) -> None:
        with pytest.raises(Unavailable), store.read():
            raise apsw.IOError("disk I/O error")
        assert store.uids("INBOX") == []

    def test_an_engines_failure_can_be_told_from_a_bug(self) -> None:
        assert isinstance(unavailable(apsw.CorruptError()), Unavailable)
        assert isinstance(unavailable(OSError(5, "Input/output error")), Unavailable)
        bug = ZeroDivisionError()
        assert unavailable(bug) is bug

    def test_a_body_whose_pack_is_gone_is_expunged(self, store: Store) -> None:
        """RFC 5530 EXPUNGEISSUED: a session may still see what a sweep has taken since."""
        with store.read() as tx, pytest.raises(MessageExpunged):
            tx.read_blob(Blob(b"", 5, 5, 0, None, 999, 0), 0, 5)

    def test_a_closed_database_takes_nothing(self, tmp_path: Path) -> None:
        store = Store(tmp_path)
        store.create_mailbox()
        store.close()
        with pytest.raises(Unavailable):
            store.append("INBOX", b"x")
        with pytest.raises(Unavailable), store.read() as tx:
            tx.mailboxes()


class TestOpening:
    def test_only_one_owner(self, store: Store) -> None:
        with pytest.raises(DatabaseLocked):
            Store(store.root)
        store.append("INBOX", b"still works")

    def test_a_newer_schema_is_refused_and_lets_go_of_everything(self, tmp_path: Path) -> None:
        store = Store(tmp_path)
        store.close()
        connection = SqliteConnection(tmp_path / "mail.db", writer=True)
        connection.script("UPDATE schema_version SET version = 99")
        connection.close()
        descriptors = len(os.listdir("/proc/self/fd"))
        with pytest.raises(SchemaTooNew):
            Store(tmp_path)
        assert len(os.listdir("/proc/self/fd")) == descriptors

    def test_another_organizations_file_is_refused(self, tmp_path: Path) -> None:
        """Numbers of mailboxes begin at 1 everywhere: people would be shown the mail of strangers."""
        hooks: dict[str, Any] = {"publish": print, "post": print, "fault": print}

        def opened(organization: bytes) -> MailboxDatabase:
            packs = Packs(tmp_path / "packs")
            return MailboxDatabase(tmp_path / "mail.db", packs, at=1, **hooks, organization=organization)

        for _ in range(2):
            opened(b"ours").close()
        with pytest.raises(OtherOrganization, match=r"mail\.db"):
            opened(b"theirs")
        opened(b"ours").close()

    def test_a_start_that_fails_lets_go_of_the_lock(self, tmp_path: Path) -> None:
        class BadPacks(Packs):
            def remove_unnamed(self, named: object) -> None:
                raise OSError(5, "Input/output error")

        hooks: dict[str, Any] = {"publish": print, "post": print, "fault": print}
        with pytest.raises(OSError, match="Input/output"):
            MailboxDatabase(tmp_path / "mail.db", BadPacks(tmp_path / "packs"), at=1, **hooks)
        Store(tmp_path).close()

    def test_everything_is_there_after_a_restart(self, store: Store) -> None:
        for body in (b"small", BIG):
            store.append("INBOX", body, SEEN, "word")
        spool = store.spool(noise(300_000))
        store.deliver(incoming_blob(spool.finish()), Delivery(ONE, b"prefix"))
        spool.keep()
        before = store.dump()
        store.reopen()
        assert store.dump() == before
        assert store.body("INBOX", 2) == BIG
        assert store.body("INBOX", 3) == b"prefix" + noise(300_000)

    def test_what_was_acknowledged_is_there_after_a_crash(self, store: Store, tmp_path: Path) -> None:
        """The files as they are while the server runs, without any closing, are the whole truth."""
        store.append("INBOX", b"small", SEEN, "word")
        store.append("INBOX", BIG)
        copy = tmp_path / "copy"
        copy.mkdir()
        for name in ("mail.db", "mail.db-wal"):
            shutil.copy(store.root / name, copy / name)
        shutil.copytree(store.root / "packs", copy / "packs")
        again = Store(copy)
        assert again.dump() == store.dump()
        assert again.body("INBOX", 2) == BIG
        again.check()
        again.close()


class TestSweeping:
    def leave(self, store: Store, *bodies: bytes) -> None:
        """Messages that came and went."""
        for body in bodies:
            store.append("INBOX", body, DELETED)
        store.expunge("INBOX")

    def hashes(self, store: Store) -> set[bytes]:
        return {row[0] for row in store.rows("SELECT hash FROM blob")}

    def test_a_body_that_no_message_names_goes_once_it_is_old(self, store: Store) -> None:
        self.leave(store, b"gone")
        store.append("INBOX", b"kept")
        now = store.clock.now()
        assert store.database.sweep(now, 10) == 0, "not older than itself"
        assert store.database.sweep(now + 1, 10) == 1
        assert self.hashes(store) == {hashlib.sha256(b"kept").digest()}

    def test_only_so_many_go_at_once(self, store: Store) -> None:
        self.leave(store, b"1", b"2", b"3")
        swept = [store.database.sweep(MORNING + DAY, 2) for _ in range(3)]
        assert swept == [2, 1, 0]

    def test_a_body_that_came_again_starts_its_age_anew(self, store: Store) -> None:
        """Or it could be taken from under a message that is just being filed."""
        self.leave(store, b"again")
        store.clock.advance(DAY)
        self.leave(store, b"again")
        assert store.database.sweep(MORNING + DAY, 10) == 0
        assert store.database.sweep(MORNING + DAY + 1, 10) == 1

    def test_a_pack_goes_when_nothing_in_it_is_live(self, store: Store) -> None:
        """T-1.9: the octets are given back when the last copy goes."""
        self.leave(store, BIG)
        store.append("INBOX", BIG[::-1], DELETED)
        store.reopen()
        store.database.sweep(MORNING + DAY, 10)
        assert store.pack_files() == [1]
        with store.read() as tx:
            ((pack_id, live, dead),) = tx.packs()
        assert pack_id == 1
        assert live == dead == 20_000
        assert store.body("INBOX", 2) == BIG[::-1]
        store.expunge("INBOX")
        store.database.sweep(MORNING + DAY, 10)
        assert store.pack_files() == []
        with store.read() as tx:
            assert tx.packs() == []

    def test_the_pack_being_appended_to_stays(self, store: Store) -> None:
        self.leave(store, BIG)
        assert store.database.sweep(MORNING + DAY, 10) == 1
        assert store.pack_files() == [1]
        store.append("INBOX", BIG)
        assert store.rows("SELECT pack_id FROM blob") == [(1,)]
        assert store.body("INBOX", 2) == BIG

    def test_a_spool_in_progress_is_never_removed(self, store: Store) -> None:
        body = noise(600_000)
        spool = store.spool(body)
        self.leave(store, BIG)
        store.database.sweep(MORNING + DAY, 10)
        blob = spool.finish()
        store.database.sweep(MORNING + DAY, 10)
        store.deliver(incoming_blob(blob), Delivery(ONE, b""))
        store.database.sweep(MORNING + DAY, 10)
        spool.keep()
        store.database.sweep(MORNING + DAY, 10)
        assert store.body("INBOX", 2) == body

    def test_a_spool_that_was_not_needed_leaves_nothing(self, store: Store) -> None:
        """The same body is here already: the pack it was spooled to is named by nobody."""
        body = noise(600_000)
        for _ in range(2):
            spool = store.spool(body)
            store.deliver(incoming_blob(spool.finish()), Delivery(ONE, b""))
            spool.keep()
        assert store.pack_files() == [1, 2]
        store.database.sweep(MORNING, 10)
        assert store.pack_files() == [1]
        assert store.body("INBOX", 2) == body

    @pytest.mark.parametrize("moment", ["first", "between", "last"])
    def test_a_spool_ended_during_a_sweep_is_seen_by_it(
        self, store: Store, monkeypatch: pytest.MonkeyPatch, moment: str
    ) -> None:
        """A body is committed and its spool ended before any step of the sweep."""
        body = noise(600_000)
        spool = store.spool(body)
        blob = spool.finish()
        named, hold = store.database._named_packs, packs_module._hold

        def commit_at(now: str) -> None:
            if now == moment:
                store.deliver(incoming_blob(blob), Delivery(ONE, b""))
                spool.keep()

        def watched_named() -> set[int]:
            commit_at("first")
            return named()

        def watched_hold(path: Path, held: ExitStack) -> bool:
            commit_at("between")
            is_held = hold(path, held)
            commit_at("last")
            return is_held

        with monkeypatch.context() as patch:
            patch.setattr(store.database, "_named_packs", watched_named)
            patch.setattr(packs_module, "_hold", watched_hold)
            store.database.forget_packs()
        assert store.body("INBOX", 1) == body

    def test_a_pack_filled_within_a_group_survives_a_sweep_before_the_commit(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(packs_module, "PACK_OCTETS", 1)
        commit = SqliteConnection.commit

        def sweep_first(connection: SqliteConnection) -> None:
            sweeper = threading.Thread(target=store.database.forget_packs)
            sweeper.start()
            sweeper.join()
            commit(connection)

        with monkeypatch.context() as patch:
            patch.setattr(SqliteConnection, "commit", sweep_first)
            store.group(*(store.appending("INBOX", noise(20_000, seed)) for seed in range(3)))
        assert [store.body("INBOX", uid) for uid in (1, 2, 3)] == [noise(20_000, seed) for seed in range(3)]
        assert store.pack_files() == [1, 2, 3]

    def test_what_a_crash_left_behind_goes_at_the_next_start(self, store: Store) -> None:
        store.append("INBOX", BIG)
        store.close()
        for name in ("7.pack", "8.pack"):
            (store.root / "packs" / name).write_bytes(b"PFB1 half a spool")
        store.open()
        assert store.pack_files() == [1]
        store.append("INBOX", BIG[::-1])
        assert store.pack_files() == [1, 9]

    def test_a_swept_body_is_stored_again_when_it_comes_again(self, store: Store) -> None:
        self.leave(store, BIG)
        store.reopen()
        store.database.sweep(MORNING + DAY, 10)
        assert store.pack_files() == []
        store.append("INBOX", BIG)
        assert store.body("INBOX", 2) == BIG


class TestReaders:
    def test_a_snapshot_does_not_move(self, store: Store) -> None:
        folder = store.folder("INBOX")
        with store.read() as tx:
            assert tx.entries(ONE, folder.folder_id, 1, 9) == []
            store.append("INBOX", b"x")
            assert tx.entries(ONE, folder.folder_id, 1, 9) == []
        assert store.uids("INBOX") == [1]

    def test_every_thread_reads_a_snapshot_of_its_own(self, store: Store) -> None:
        seen: list[list[int]] = []
        folder = store.folder("INBOX")
        with store.read() as tx:
            tx.folders(ONE)
            store.append("INBOX", b"x")
            other = threading.Thread(target=lambda: seen.append(store.uids("INBOX")))
            other.start()
            other.join()
            assert tx.entries(ONE, folder.folder_id, 1, 9) == []
        assert seen == [[1]]

    @pytest.mark.parametrize("iterate", ["items", "sizes", "summaries"])
    def test_an_iterator_that_is_dropped_half_read_does_not_hold_the_past(self, store: Store, iterate: str) -> None:
        for _ in range(3):
            store.append("INBOX", b"x")
        folder = store.folder("INBOX")
        with store.read() as tx:
            half_read = getattr(tx, iterate)(ONE, folder.folder_id, 1, 9)
            next(half_read)
        store.append("INBOX", b"y")
        assert store.uids("INBOX") == [1, 2, 3, 4]
        with pytest.raises(apsw.CursorClosedError):
            next(half_read)

    def test_a_reader_that_fails_gives_its_snapshot_back(self, store: Store) -> None:
        with pytest.raises(ZeroDivisionError), store.read() as tx:
            raise ZeroDivisionError(len(tx.folders(ONE)))
        store.append("INBOX", b"x")
        assert store.uids("INBOX") == [1]

    def test_a_reader_cannot_write(self, store: Store) -> None:
        with pytest.raises(Unavailable), store.read() as tx:
            list(tx._run("DELETE FROM folder", {}))
        assert store.paths() == {"INBOX": True}

    def test_the_file_is_sound(self, store: Store) -> None:
        store.append("INBOX", BIG)
        with store.read() as tx:
            assert list(tx._run("PRAGMA integrity_check", {})) == [("ok",)]


def test_a_write_from_another_thread_raises_what_the_command_raises(store: Store) -> None:
    with pytest.raises(NoSuchFolder):
        store.do(store.appending("absent", b"x"))
    assert store.database.waiting() == 0
