"""Rows out of damaged files: what is there is kept, nothing is made up, and nothing that was deleted comes back."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from adapters.stores import sqlite
from adapters.stores.migrations import migrate, steps
from adapters.stores.organization import OrganizationDatabase
from adapters.stores.salvage.pages import PageFile
from adapters.stores.salvage.rebuild import Rebuilt, rebuild
from adapters.stores.salvage.records import BrokenCell, Cell, parse, payload, values
from adapters.stores.salvage.tables import known
from adapters.stores.sqlite import PAGE_OCTETS, SqliteConnection
from core.model import DELETED
from core.recipients import RecipientId
from core.rights import LOOKUP, READ, Grant
from tests.support.store import ONE, TWO, Store

Rows = dict[str, set[str]]
TODAY = steps("mailbox")[-1][0]


def rows_of(path: Path) -> Rows:
    """Every row of every table but the versions, which are dated."""
    database = apsw.Connection(str(path))
    try:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {
            table: {repr(row) for row in database.execute(f"SELECT * FROM {table}")}
            for table in tables
            if table != "schema_version"
        }
    finally:
        database.close()


def fill(store: Store) -> None:
    """Two mailboxes: messages in rows and in packs, chains of pages, tombstones, keywords, free pages."""
    chance = random.Random(7)
    store.create_mailbox(ONE, "a", "a/b")
    store.create_mailbox(TWO)
    for number in range(120):
        octets = chance.choice([20, 200, 900, 3_000, 9_000, 16_000, 20_000])
        store.append(chance.choice(["INBOX", "a/b"]), chance.randbytes(octets), 0, f"k{number % 70}")
    for number in range(60):
        store.append("INBOX", b"%d" % number, mailbox=TWO)
    store.append("a", b"gone")
    store.share("INBOX", Grant(RecipientId(7), LOOKUP | READ))
    store.mark("INBOX", DELETED, uids=((3, 30),))
    store.expunge("INBOX")
    store.database.sweep(store.clock.now() + 1, 1000)
    store.delete("a/b")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with `mail.db`, all of it in the file, and `log.db`, of which much is still in the log."""
    directory = tmp_path_factory.mktemp("made")
    store = Store(directory)
    fill(store)
    store.close()
    shutil.copy(directory / "mail.db", directory / "log.db")
    # Something that holds the log open, so that it is copied as a crash leaves it.
    holder = Store(directory)
    for number in range(40):
        holder.append("INBOX", b"later %d" % number * 50)
    for suffix in ("", "-wal"):
        shutil.copy(directory / f"mail.db{suffix}", directory / f"log.db{suffix}")
    holder.close()
    return directory


@pytest.fixture(scope="module")
def original(made: Path) -> Rows:
    return rows_of(made / "mail.db")


@pytest.fixture
def damaged(made: Path, tmp_path: Path) -> Path:
    shutil.copy(made / "mail.db", tmp_path / "mail.db")
    return tmp_path / "mail.db"


def rebuilt(damaged: Path, component: str = "mailbox") -> tuple[Rebuilt, Rows]:
    """What was made of it, which is sound; the damaged file is as it was."""
    before = damaged.read_bytes()
    into = damaged.with_name("new.db")
    into.unlink(missing_ok=True)
    told = rebuild(component, damaged, into, at=1)
    assert damaged.read_bytes() == before
    assert sqlite.damage(into) == []
    assert told.damage_count >= len(told.damage)
    return told, rows_of(into)


def lost(original: Rows, found: Rows) -> int:
    """How many rows are missing."""
    return sum(len(original[table] - rows) for table, rows in found.items())


def made_up(original: Rows, found: Rows) -> int:
    """How many rows were never there."""
    return sum(len(rows - original[table]) for table, rows in found.items())


def pages(path: Path) -> int:
    return path.stat().st_size // PAGE_OCTETS


def on_page(path: Path, number: int) -> int:
    """How many rows have octets there, as far as no chain is looked at."""
    with PageFile(path) as file:
        try:
            page = parse(file.page(number), number, file.usable)
        except BrokenCell:
            return 0
        return sum(isinstance(cell, Cell) and cell.payload_octets > 0 for cell in page.cells)


def overwrite(path: Path, at: int, octets: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(octets)


def test_what_is_sound_is_rebuilt_row_for_row(made: Path, damaged: Path, original: Rows) -> None:
    told, found = rebuilt(damaged)
    assert found == original
    assert (told.version, told.found, told.left_out, told.damage) == (TODAY, 0, 0, ())
    assert told.rows == {table: len(rows) for table, rows in original.items() if rows}
    assert pages(damaged) > 60, "there are trees of more than one page"


def test_what_is_in_the_log_is_rebuilt_too(made: Path, tmp_path: Path) -> None:
    for suffix in ("", "-wal"):
        shutil.copy(made / f"log.db{suffix}", tmp_path / f"log.db{suffix}")
    _, found = rebuilt(tmp_path / "log.db")
    assert found == rows_of(made / "mail.db")
    assert sum(map(len, found.values())) > 0


@pytest.mark.parametrize("seed", range(10))
def test_a_damaged_log_is_believed_up_to_the_damage(made: Path, tmp_path: Path, seed: int) -> None:
    for suffix in ("", "-wal"):
        shutil.copy(made / f"log.db{suffix}", tmp_path / f"log.db{suffix}")
    log = tmp_path / "log.db-wal"
    chance = random.Random(seed)
    at = chance.randrange(log.stat().st_size)
    overwrite(log, at, bytes([log.read_bytes()[at] ^ 1 << chance.randrange(8)]))
    _, found = rebuilt(tmp_path / "log.db")
    # SQLite itself opens such a file, and sees the same commits.
    assert found == rows_of(tmp_path / "log.db")


def test_an_older_schema_is_brought_to_todays(tmp_path: Path) -> None:
    for version in range(1, TODAY):
        path = tmp_path / f"{version}.db"
        connection = SqliteConnection(path, writer=True)
        migrate(connection, "mailbox", 1, up_to=version)
        columns = "mailbox_id, folder_id, uid, message_id, modseq, flags, keywords, saved_at"
        connection.script(f"INSERT INTO entry({columns}) VALUES (1, 2, 3, 4, 5, 6, 7, 8)")
        connection.close()
        told, found = rebuilt(path)
        assert told.version == version
        assert found["entry"] == {"(1, 2, 3, 4, 5, 6, 7, 8, 0)"}
        assert not told.damage


def test_an_organization_is_rebuilt_too(tmp_path: Path) -> None:
    organization = OrganizationDatabase(tmp_path / "organization.db", at=1)
    organization.add_database("first", at=1)
    organization.add_domain("example.com")
    organization.new_mailbox_id()
    organization.close()
    _, found = rebuilt(tmp_path / "organization.db", "organization")
    assert found == rows_of(tmp_path / "organization.db")
    for number in range(1, pages(tmp_path / "organization.db") + 1):
        copy = tmp_path / "copy.db"
        shutil.copy(tmp_path / "organization.db", copy)
        overwrite(copy, (number - 1) * PAGE_OCTETS, bytes(PAGE_OCTETS))
        _, found = rebuilt(copy, "organization")
        assert {row.split(",")[0] for row in found["sequence"]} == {"('database'", "('mailbox'", "('recipient'"}


def test_a_page_of_zeros_takes_its_own_rows_along_and_no_others(made: Path, damaged: Path, original: Rows) -> None:
    """Each page in turn, the first and the maps too."""
    n_lost = 0
    for number in range(1, pages(damaged) + 1):
        shutil.copy(made / "mail.db", damaged)
        overwrite(damaged, (number - 1) * PAGE_OCTETS, bytes(PAGE_OCTETS))
        told, found = rebuilt(damaged)
        missing, is_in_chain = lost(original, found), not on_page(made / "mail.db", number)
        # Where the last page of a chain is zeros, that is what the row has there: its hash will tell.
        assert missing <= (on_page(made / "mail.db", number) or 1), (number, told)
        assert made_up(original, found) <= is_in_chain, number
        assert not missing or told.damage_count or is_in_chain, number
        n_lost += missing
    assert n_lost > 0


def test_pages_without_a_map_and_without_a_way_are_known_by_their_rows(
    made: Path, damaged: Path, original: Rows
) -> None:
    with PageFile(damaged) as file:
        roots = {table.name: table.root for table in known("mailbox", TODAY)}
        inner = parse(file.page(roots["message"]), roots["message"], file.usable)
        assert inner.right, "the table of messages has more than one page"
    overwrite(damaged, PAGE_OCTETS, bytes(PAGE_OCTETS))
    overwrite(damaged, (roots["message"] - 1) * PAGE_OCTETS, bytes(PAGE_OCTETS))
    told, found = rebuilt(damaged)
    assert lost(original, found) <= len(inner.cells)
    assert made_up(original, found) == 0
    assert told.found > 0


def test_what_was_deleted_stays_so_where_nothing_tells_which_pages_are_free(damaged: Path, original: Rows) -> None:
    overwrite(damaged, 0, bytes(2 * PAGE_OCTETS))
    told, found = rebuilt(damaged)
    assert found == original
    assert told.found == 0


@pytest.mark.parametrize("tenths", range(11))
def test_of_a_file_that_was_cut_off_the_beginning_is_kept(damaged: Path, original: Rows, tenths: int) -> None:
    whole = damaged.stat().st_size
    with damaged.open("r+b") as file:
        file.truncate(whole * tenths // 10 - (tenths > 0 and tenths % 3 != 0) * 77)
    told, found = rebuilt(damaged)
    missing = lost(original, found)
    assert made_up(original, found) <= 1, "a row whose chain of pages ends behind the end has zeros there"
    assert (missing == 0) == (tenths == 10 and not told.damage)
    assert missing < sum(map(len, original.values())) or tenths < 5


@pytest.mark.parametrize("seed", range(60))
def test_any_octets_may_be_others(made: Path, damaged: Path, original: Rows, seed: int) -> None:
    """One to thirty of them; a row whose own octets were hit may differ, all others are as they were."""
    chance = random.Random(seed)
    hits = chance.choice([1, 1, 3, 30])
    for _ in range(hits):
        at = chance.randrange(damaged.stat().st_size)
        overwrite(damaged, at, bytes([chance.randrange(256)]))
    _, found = rebuilt(damaged)
    assert made_up(original, found) <= hits


@pytest.mark.parametrize(
    "octets",
    [b"", b"x", b"SQLite format 3\0", random.Random(1).randbytes(3 * PAGE_OCTETS + 9), bytes(5 * PAGE_OCTETS)],
    ids=["nothing", "one octet", "a magic word", "noise", "zeros"],
)
def test_what_never_was_a_database_gives_an_empty_one(tmp_path: Path, octets: bytes) -> None:
    (tmp_path / "mail.db").write_bytes(octets)
    told, found = rebuilt(tmp_path / "mail.db")
    assert not any(found.values())
    assert told.damage


def test_a_page_that_names_itself_does_not_go_on_for_ever(damaged: Path, original: Rows) -> None:
    with PageFile(damaged) as file:
        root = next(table.root for table in known("mailbox", TODAY) if table.name == "message")
        octets = bytearray(file.page(root))
    octets[8:12] = root.to_bytes(4, "big")
    overwrite(damaged, (root - 1) * PAGE_OCTETS, bytes(octets))
    _, found = rebuilt(damaged)
    assert lost(original, found) == 0, "the page that it does not name any more is found by the map"


def test_a_disk_that_is_full_leaves_nothing_half_made(damaged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: SqliteConnection) -> None:
        raise apsw.FullError("database or disk is full")

    monkeypatch.setattr(SqliteConnection, "commit", full)
    with pytest.raises(apsw.FullError):
        rebuild("mailbox", damaged, damaged.with_name("new.db"), at=1)
    assert sorted(path.name for path in damaged.parent.iterdir()) == ["mail.db"]


def test_it_is_told_how_far_it_is(damaged: Path) -> None:
    steps: list[tuple[int, int]] = []
    rebuild("mailbox", damaged, damaged.with_name("new.db"), at=1, progress=lambda *step: steps.append(step))
    assert steps[-1] == (pages(damaged), pages(damaged))


@pytest.mark.parametrize("seed", range(300))
def test_any_octets_may_be_a_page(seed: int) -> None:
    chance = random.Random(seed)
    octets = bytearray(chance.choice([bytes(1024), chance.randbytes(1024)]))
    octets[0] = chance.choice([2, 5, 10, 13, chance.randrange(256)])
    octets[3:5] = chance.randrange(600).to_bytes(2, "big")
    for _ in range(chance.randrange(40)):
        octets[chance.randrange(1024)] = chance.randrange(256)
    try:
        page = parse(bytes(octets), 2, 1024)
    except BrokenCell:
        return
    for cell in page.cells:
        if isinstance(cell, Cell):
            try:
                values(payload(cell, lambda number: chance.randbytes(1024), 1024, 50))
            except BrokenCell:
                continue


def cells(path: Path) -> Iterator[Cell]:
    with PageFile(path) as file:
        for number in range(1, file.count + 1):
            try:
                page = parse(file.page(number), number, file.usable)
            except BrokenCell:
                continue
            yield from (cell for cell in page.cells if isinstance(cell, Cell))


def test_there_are_chains_of_pages(damaged: Path) -> None:
    assert any(cell.overflow for cell in cells(damaged))
