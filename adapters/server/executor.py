"""Where work is done: reads on the loop or in threads, searches in turns, writes with each database's writer."""

import asyncio
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from adapters.server.searcher import Searcher
from adapters.server.world import SystemClock
from adapters.stores.database import Database, unavailable
from adapters.stores.writer import Done
from core.commands import Command
from core.errors import Unavailable
from core.ports import ReadTx
from protocols.imap.work import Breathe

T = TypeVar("T")

READERS = 4  # threads for reads that would hold up the loop: enough to keep the disk busy
BUSY_READS = 8 * READERS  # that run or wait: what comes now waits for eight others
BUSY_WRITES = 512  # that wait in one database: a quarter of those at which clients are told to come later
THINKERS = 2  # threads for password hashes and the like: no more than there are cores for


class StoreExecutor:
    """The databases that are mounted, and the threads beside them.  Used from the event loop."""

    def __init__(self, databases: Mapping[int, Database], loop: asyncio.AbstractEventLoop) -> None:
        self._databases = databases
        self._loop = loop
        self._readers = ThreadPoolExecutor(READERS, "reader")
        self._thinkers = ThreadPoolExecutor(THINKERS, "thinker")
        self._searcher = Searcher(loop, is_urgent=lambda: self.is_pressed, clock=SystemClock())
        self._reads = 0  # in threads, running or waiting
        self._writes = 0  # that somebody waits for
        self._is_reading = False  # on the loop

    def database(self, database_id: int) -> Database:
        """Raises Unavailable for one that is not mounted."""
        if (database := self._databases.get(database_id)) is None:
            raise Unavailable("The mailbox database is not mounted")
        return database

    def first_database(self) -> int:
        """Raises Unavailable when none is mounted."""
        if not self._databases:
            raise Unavailable("No mailbox database is mounted")
        return min(self._databases)

    def mounted(self) -> Sequence[int]:
        """The numbers of all that are."""
        return tuple(self._databases)

    def is_mounted(self, database_id: int) -> bool:
        return database_id in self._databases

    @property
    def is_busy(self) -> bool:
        """Whether so much waits that what can be done another day should be."""
        # A copy: an administrator may be adding a database on another thread.
        waiting = (database.waiting() for database in tuple(self._databases.values()))
        return self._reads + self._searcher.waiting > BUSY_READS or any(count > BUSY_WRITES for count in waiting)

    @property
    def is_pressed(self) -> bool:
        """Whether anything is under way that should not wait for searches; for any thread."""
        return self._is_reading or self._reads > 0 or self._writes > 0

    def read_now(self, database_id: int, run: Callable[[ReadTx], T]) -> T:
        self._is_reading = True
        try:
            return _read(self.database(database_id), run)
        finally:
            self._is_reading = False

    def read(self, database_id: int, run: Callable[[ReadTx], Any], done: Done) -> None:
        def ended(result: object, error: BaseException | None) -> None:
            self._reads -= 1
            done(result, error)

        self._reads += 1
        self._run(self._readers, lambda: _read(self.database(database_id), run), ended)

    def write(self, database_id: int, command: Command, done: Done, *, bulk: bool) -> None:
        if bulk:
            self.database(database_id).submit(command, done, bulk=True)
            return

        def ended(result: object, error: BaseException | None) -> None:
            self._writes -= 1
            done(result, error)

        self.database(database_id).submit(command, ended)
        self._writes += 1

    def compute(self, run: Callable[[], Any], done: Done) -> None:
        self._run(self._thinkers, run, done)

    def scan(
        self, who: Hashable, database_id: int, run: Callable[[ReadTx, Breathe], Any], done: Done
    ) -> Callable[[], None]:
        """Reads when it is their turn; what takes it back.  See Searcher.submit."""
        return self._searcher.submit(
            who, lambda breathe: _read(self.database(database_id), lambda tx: run(tx, breathe)), done
        )

    def ponder(self, who: Hashable, run: Callable[[], Any], done: Done) -> Callable[[], None]:
        """Computes when it is their turn; what takes it back."""
        return self._searcher.submit(who, lambda breathe: run(), done)

    async def computed(self, run: Callable[[], T]) -> T:
        """The same for coroutines."""
        return await self._loop.run_in_executor(self._thinkers, run)

    def _run(self, pool: ThreadPoolExecutor, run: Callable[[], Any], done: Done) -> None:
        def work() -> None:
            try:
                result, error = run(), None
            except BaseException as raised:  # noqa: BLE001 - whoever asked must hear of it
                result, error = None, raised
            self._loop.call_soon_threadsafe(done, result, error)

        pool.submit(work)

    async def written(self, database_id: int, command: Command, *, bulk: bool = False) -> Any:
        """A command's result, for coroutines.  Being cancelled does not undo the command."""
        future: asyncio.Future[Any] = self._loop.create_future()

        def done(result: object, error: BaseException | None) -> None:
            if future.done():
                return  # nobody waits any more
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        self.write(database_id, command, done, bulk=bulk)
        return await future

    def close(self) -> None:
        """Waits for what runs in the threads."""
        self._searcher.close()
        self._readers.shutdown()
        self._thinkers.shutdown()


def _read(database: Database, run: Callable[[ReadTx], T]) -> T:
    try:
        with database.read() as tx:
            return run(tx)
    except Exception as fault:
        raise unavailable(fault) from fault
