"""A mailbox database that another worker owns: read from its file here, written to over there."""

from pathlib import Path
from typing import Protocol

from adapters.stores.database import Database
from adapters.stores.sql import Blobs
from adapters.stores.writer import Done
from core.commands import Command


class Owners(Protocol):
    """Where commands for databases of others go; used from the event loop, but for `submit_from_thread`."""

    def submit(self, database_id: int, command: Command, done: Done, *, bulk: bool) -> None:
        """Raises Busy, Unavailable."""
        ...

    def submit_from_thread(self, database_id: int, command: Command, done: Done, *, bulk: bool) -> None: ...
    def waiting(self, database_id: int) -> int: ...


class RemoteDatabase(Database):
    """As of any database; commands that are under way when its worker dies fail as Unavailable, done or not."""

    def __init__(self, database_id: int, path: Path, packs: Blobs, owners: Owners) -> None:
        super().__init__(path, packs)
        self._database_id = database_id
        self._owners = owners

    def submit(self, command: Command, done: Done, *, bulk: bool = False) -> None:
        """As of any database; from the event loop."""
        self._owners.submit(self._database_id, command, done, bulk=bulk)

    def _submit_from_thread(self, command: Command, done: Done, *, bulk: bool) -> None:
        self._owners.submit_from_thread(self._database_id, command, done, bulk=bulk)

    def waiting(self) -> int:
        """Commands that have not been answered."""
        return self._owners.waiting(self._database_id)

    def close(self) -> None:
        """As of any database."""
        self._close_readers()
