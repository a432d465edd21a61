"""Where work is done, and when there is so much of it that what can wait should."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from adapters.server.executor import BUSY_READS, BUSY_WRITES, StoreExecutor
from adapters.stores.database import MailboxDatabase


class FakeDatabase:
    """Reads end when the test lets them; writes wait for ever."""

    def __init__(self) -> None:
        self.writes = 0
        self.may_end = threading.Event()

    @contextmanager
    def read(self) -> Iterator[None]:
        self.may_end.wait(30)
        yield

    def waiting(self) -> int:
        return self.writes


async def test_many_reads_in_the_threads_are_too_many() -> None:
    database = FakeDatabase()
    executor = StoreExecutor({1: cast(MailboxDatabase, database)}, asyncio.get_running_loop())
    ended: list[asyncio.Future[Any]] = []

    def read() -> None:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        ended.append(future)
        executor.read(1, lambda tx: None, lambda result, error: future.set_result(error))

    try:
        for _ in range(BUSY_READS):
            read()
        assert not executor.is_busy
        read()
        assert executor.is_busy
    finally:
        database.may_end.set()
    assert set(await asyncio.gather(*ended)) == {None}
    assert not executor.is_busy
    executor.close()


async def test_many_writes_that_wait_in_one_database_are_too_many() -> None:
    one, two = FakeDatabase(), FakeDatabase()
    databases = cast(dict[int, MailboxDatabase], {1: one, 2: two})
    executor = StoreExecutor(databases, asyncio.get_running_loop())
    one.writes = two.writes = BUSY_WRITES
    assert not executor.is_busy
    two.writes += 1
    assert executor.is_busy
    executor.close()
