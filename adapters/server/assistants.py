"""Assistants: the timed background work of a server, in slices that never hold up mail."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

from msgspec.structs import replace

from adapters.server.executor import StoreExecutor
from adapters.stores.database import MailboxDatabase
from core.commands import Command, ForgetTombstones, JoinSeen, PurgeFolder, SweepBlobs, SweepDeliveries
from core.errors import NoSuchFolder
from core.limits import SEEN_RANGES, TOMBSTONES_PER_FOLDER
from core.model import FolderId, MailboxId
from core.ports import Clock

HOUR = 3600.0
GRACE = 24 * 3600 * 1_000_000  # microseconds that a body stays after its last message is gone
SLICE = 500  # rows in one command
PAUSE = 0.05  # seconds between slices


class Maintenance:
    """Once an hour: purges deleted folders, forgets bodies that nothing names, expired tokens and old tombstones."""

    def __init__(self, executor: StoreExecutor, databases: Mapping[int, MailboxDatabase], clock: Clock) -> None:
        self._executor = executor
        self._databases = databases
        self._clock = clock

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            for database_id in tuple(self._databases):
                await self.maintain(database_id)
            await asyncio.sleep(HOUR)

    async def maintain(self, database_id: int) -> None:
        """One round over a database."""
        await self._purge_folders(database_id)
        await self._repeat(database_id, lambda now: SweepDeliveries(now, SLICE))
        await self._forget_tombstones(database_id)
        await self._join_seen(database_id)
        if await self._repeat(database_id, lambda now: SweepBlobs(now - GRACE, SLICE)):
            await self._executor.computed(self._databases[database_id].forget_packs)

    async def _purge_folders(self, database_id: int) -> None:
        with self._databases[database_id].read() as tx:
            buried = tx.graveyard()
        for mailbox_id, folder_id in buried:
            purge = PurgeFolder(mailbox_id, folder_id)
            is_gone = False
            while not is_gone:
                is_gone = await self._executor.written(database_id, purge, bulk=True)
                await asyncio.sleep(PAUSE)

    async def _forget_tombstones(self, database_id: int) -> None:
        crowded = await self._executor.computed(lambda: self._crowded(database_id))
        for mailbox_id, folder_id in crowded:
            forget = ForgetTombstones(mailbox_id, folder_id)
            gone = 1
            with suppress(NoSuchFolder):  # deleted since
                while gone:
                    gone = await self._executor.written(database_id, forget, bulk=True)
                    await asyncio.sleep(PAUSE)

    def _crowded(self, database_id: int) -> list[tuple[MailboxId, FolderId]]:
        with self._databases[database_id].read() as tx:
            return tx.crowded_tombstones(TOMBSTONES_PER_FOLDER)

    async def _join_seen(self, database_id: int) -> None:
        for join in await self._executor.computed(lambda: self._scattered(database_id)):
            with suppress(NoSuchFolder):
                while join.start:
                    join = replace(join, start=await self._executor.written(database_id, join, bulk=True))
                    await asyncio.sleep(PAUSE)

    def _scattered(self, database_id: int) -> list[JoinSeen]:
        with self._databases[database_id].read() as tx:
            return [JoinSeen(*reader) for reader in tx.crowded_readers(SEEN_RANGES)]

    async def _repeat(self, database_id: int, command: Callable[[int], Command]) -> int:
        """A command in slices until one comes back unfilled; how many rows went."""
        total = 0
        while True:
            gone: int = await self._executor.written(database_id, command(self._clock.now()), bulk=True)
            total += gone
            if gone < SLICE:
                return total
            await asyncio.sleep(PAUSE)
