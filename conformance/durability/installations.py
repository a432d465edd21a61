"""An installation on disk that no server has open: looked at with the product's own means."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from adapters.server import demo
from adapters.server.certificates import server_context
from adapters.server.installation import Installation
from adapters.stores.sqlite import SqliteConnection
from conformance.durability.contents import Folders, folders
from core.integrity.audit import audit
from core.model import MailboxId


@contextmanager
def opened(root: Path) -> Iterator[Installation]:
    house = Installation(demo.settings(root, 0))
    try:
        yield house
    finally:
        house.close()


def copied(root: Path, copy: Path) -> Path:
    """The files of a server that is stopped: looking at a database writes to it."""
    return Path(shutil.copytree(root, copy, ignore=shutil.ignore_patterns("run")))


def mailboxes(root: Path) -> Mapping[str, MailboxId]:
    """User -> mailbox."""
    with opened(root) as house:
        return _mailboxes(house)


def _mailboxes(house: Installation) -> Mapping[str, MailboxId]:
    return {recipient.alias: recipient.mailbox_id for recipient in house.recipients()}


def look(root: Path) -> tuple[list[str], Folders]:
    """What SQLite and the audit find broken, bodies and all, and what is in the mailboxes.

    Raises what opening an installation does, ssl.SSLError.
    """
    with opened(root) as house:
        house.ensure_certificate()
        server_context(*house.certificate)  # else no server starts
        (database,) = house.databases.values()
        with database.read() as tx:
            found = list(map(str, audit(tx, deep=True))), folders(tx, _mailboxes(house))
    broken, seen = found
    for file in sorted(root.rglob("*.db")):
        connection = SqliteConnection(file, writer=False)
        broken += (f"{file.name}: {line}" for line in connection.integrity())
        connection.close()
    return broken, seen
