"""What `penfold check --repair` does before it can open anything: damaged files are rebuilt from what can be read.

A damaged file and its log are kept beside the new one, in DATA_DIR/databases/NAME.damaged-TIME or
DATA_DIR/organization.damaged-TIME; so are bodies that no message has any more, among them those of messages that
were expunged within the last days.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from msgspec import Struct

from adapters.server.administration.context import Progress
from adapters.server.installation import Installation
from adapters.stores import sqlite
from adapters.stores.organization import STATEMENTS as OF_ORGANIZATION
from adapters.stores.salvage.rebuild import rebuild
from adapters.stores.sql import STATEMENTS
from adapters.stores.sqlite import SqliteConnection, sync_directory
from core.integrity.audit import SLICE_OCTETS
from core.model import Blob

LISTED: Final = 1000  # places of damage

# Where the highest numbers can be seen that were given to each kind of thing.
GIVEN: Final = (
    ("database", "SELECT MAX(database_id) FROM mailbox_database"),
    ("recipient", "SELECT MAX(recipient_id) FROM recipient"),
    ("recipient", "SELECT MAX(group_id) FROM security_group"),
    ("mailbox", "SELECT MAX(mailbox_id) FROM recipient"),
    ("mailbox", "SELECT MAX(mailbox_id) FROM public_folders"),
)
GIVEN_IN_MAILBOXES: Final = (
    ("mailbox", "SELECT MAX(mailbox_id) FROM mailbox"),
    ("mailbox", "SELECT MAX(mailbox_id) FROM folder"),
    ("recipient", "SELECT MAX(trustee_id) FROM acl"),
    ("recipient", "SELECT MAX(user_id) FROM reader"),
    ("recipient", "SELECT MAX(user_id) FROM annotation"),
    ("recipient", "SELECT MAX(user_id) FROM access_key"),
)


class Salvaged(Struct, frozen=True):
    """A file that was rebuilt."""

    file: str
    kept_in: str  # where the damaged one is
    rows: dict[str, int]  # that could be read, of each table
    damage: list[str]  # the first thousand places
    damage_count: int
    bodies: int = 0  # that no message has; they are in `kept_in` too


def salvage(root: Path, at: int, progress: Callable[[Progress], None]) -> list[Salvaged]:
    """Rebuilds what is damaged.  Raises DatabaseLocked where a server runs, and the engine's errors."""
    databases, organization = sorted((root / "databases").glob("*.db")), root / "organization.db"
    files = [*(("mailbox", path) for path in databases), ("organization", organization)]
    rebuilt = (_salvage(component, path, at, progress) for component, path in files)
    return [one for one in rebuilt if one is not None]


def _salvage(component: str, path: Path, at: int, progress: Callable[[Progress], None]) -> Salvaged | None:
    making, rebuilt = path.with_suffix(".rebuilding"), path.with_suffix(".rebuilt")
    with sqlite.lock(path):
        if rebuilt.exists():  # all but the exchange was done by a command that was cut off
            return Salvaged(str(path), str(_exchange(path, rebuilt, at)), {}, [], 0)
        if not sqlite.damage(path):
            return None
        for left in path.parent.glob(f"{making.name}*"):
            left.unlink()
        told = rebuild(
            component, path, making, at=at, progress=lambda done, all_: progress(Progress(path.name, done, all_))
        )
        # Before the exchange: a command that is cut off behind it finds a sound file, and has nothing left to do.
        if component == "mailbox":
            _name_packs(making, path.with_suffix(""))
        else:
            mailboxes = sorted((path.parent / "databases").glob("*.db"))
            _keep_name(making, mailboxes)
            _keep_numbers(making, mailboxes)
        making.rename(rebuilt)
        sync_directory(path.parent)
        kept = _exchange(path, rebuilt, at)
    return Salvaged(str(path), str(kept), dict(told.rows), list(told.damage[:LISTED]), told.damage_count)


def _name_packs(database: Path, packs: Path) -> None:
    """Nobody shall remove a pack because the row that named it is lost; a repair counts what is in it."""
    with closing(SqliteConnection(database, writer=True)) as connection:
        connection.begin()
        known = {row[0] for row in connection.execute(STATEMENTS["packs"], {})}
        for number in sorted(int(path.stem) for path in packs.glob("*.pack")):
            if number not in known:
                list(connection.execute(STATEMENTS["pack_gains"], {"pack": number, "octets": 1}))
        connection.commit()


def _keep_name(organization: Path, databases: Iterable[Path]) -> None:
    """An organization that has forgotten its name takes it from what is its own, or could not open that any more."""
    with closing(SqliteConnection(organization, writer=True)) as connection:
        if list(connection.execute(OF_ORGANIZATION["secret"], {"name": "guid"})):
            return
        for path in databases:
            with closing(SqliteConnection(path, writer=False)) as mailboxes:
                names = list(mailboxes.execute(STATEMENTS["organization"], {}))
            for (guid,) in names:
                list(connection.execute(OF_ORGANIZATION["insert_secret"], {"name": "guid", "value": guid}))


def _keep_numbers(organization: Path, databases: Iterable[Path]) -> None:
    """Numbers of what was lost are not given again: nobody shall inherit a mailbox, or rights in another."""
    with closing(SqliteConnection(organization, writer=True)) as connection:
        given = [(kind, _highest(connection, statement)) for kind, statement in GIVEN]
        for path in databases:
            with closing(SqliteConnection(path, writer=False)) as mailboxes:
                given += [(kind, _highest(mailboxes, statement)) for kind, statement in GIVEN_IN_MAILBOXES]
        for kind, highest in given:
            raised = "UPDATE sequence SET next = :next WHERE kind = :kind AND next < :next"
            list(connection.execute(raised, {"kind": kind, "next": highest + 1}))


def _highest(connection: SqliteConnection, statement: str) -> int:
    return max((int(row[0] or 0) for row in connection.execute(statement, {})), default=0)


def _exchange(path: Path, rebuilt: Path, at: int) -> Path:
    """Puts the new file in the place of the damaged one, which is kept; where.

    The damaged file is there under its name until the new one is: a crash leaves one of them, and never the new one
    beside the old one's log, which SQLite would take for its own.
    """
    stamp = datetime.fromtimestamp(at // 1_000_000, UTC).strftime("%Y%m%dT%H%M%SZ")
    kept = path.with_name(f"{path.stem}.damaged-{stamp}")
    kept.mkdir(mode=0o700)
    for suffix in ("", "-wal", "-shm"):
        if (file := path.with_name(path.name + suffix)).exists():
            os.link(file, kept / file.name)
    sync_directory(kept)
    sync_directory(path.parent)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    sync_directory(path.parent)
    rebuilt.replace(path)
    sync_directory(path.parent)
    return kept


def export(house: Installation, salvaged: Iterable[Salvaged]) -> Iterator[Salvaged]:
    """Writes out the bodies that no message of a rebuilt database has.  After a repair, which finds the others."""
    by_file = {str(house.root / "databases" / f"{info.name}.db"): info for info in house.organization.databases()}
    for one in salvaged:
        info = by_file.get(one.file)
        database = house.databases.get(info.database_id) if info is not None else None
        if database is None:
            yield one
            continue
        target = Path(one.kept_in) / "bodies"
        count = 0
        with database.read() as tx:
            for digest in tx.unnamed_bodies():
                if (blob := tx.blob(digest)) is not None and _written(target, blob, tx.read_blob):
                    count += 1
        yield Salvaged(one.file, one.kept_in, one.rows, one.damage, one.damage_count, count)


def _written(target: Path, blob: Blob, read: Callable[[Blob, int, int], bytes]) -> bool:
    """Whether the body can be read, and is a file now."""
    target.mkdir(mode=0o700, exist_ok=True)
    path = target / f"{blob.hash.hex()[:32]}.eml"
    try:
        with path.open("xb") as file:
            os.fchmod(file.fileno(), 0o600)
            for start in range(0, blob.size, SLICE_OCTETS):
                file.write(read(blob, start, min(start + SLICE_OCTETS, blob.size)))
    except Exception:  # noqa: BLE001 - whatever is wrong with this one, the others are still written
        path.unlink(missing_ok=True)
        return False
    return True
