"""Where work is done, and when there is so much of it that what can wait should."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest

from adapters.server.executor import BUSY_READS, BUSY_WRITES, StoreExecutor
from adapters.stores.database import MailboxDatabase
from adapters.stores.writer import Done
from core.commands import Command, SweepBlobs
from core.errors import Unavailable


class FakeDatabase:
    """Reads end when the test lets them, and writes when it says so."""

    def __init__(self) -> None:
        self.writes = 0
        self.may_end = threading.Event()
        self.submitted: list[Done] = []

    @contextmanager
    def read(self) -> Iterator[None]:
        self.may_end.wait(30)
        yield

    def submit(self, command: Command, done: Done, *, bulk: bool = False) -> None:
        self.submitted.append(done)

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


async def test_searches_that_wait_count_among_the_reads() -> None:
    database = FakeDatabase()
    executor = StoreExecutor({1: cast(MailboxDatabase, database)}, asyncio.get_running_loop())
    take_back = [
        executor.scan("u", 1, lambda tx, breathe: None, lambda result, error: None) for _ in range(BUSY_READS + 2)
    ]
    assert executor.is_busy, "one runs, the others wait"
    take_back.pop()()
    assert not executor.is_busy
    database.may_end.set()
    executor.close()


async def test_searches_give_way_to_reads_wherever_these_are_done() -> None:
    """T-10.2"""
    database = FakeDatabase()
    executor = StoreExecutor({1: cast(MailboxDatabase, database)}, asyncio.get_running_loop())
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    executor.read(1, lambda tx: None, lambda result, error: future.set_result(executor.is_pressed))
    assert executor.is_pressed
    database.may_end.set()
    assert not await future
    assert executor.read_now(1, lambda tx: executor.is_pressed)
    assert not executor.is_pressed
    executor.close()


async def test_searches_give_way_to_writes_but_those_in_bulk() -> None:
    """T-10.2: until these are done, and not when they were refused."""
    database = FakeDatabase()
    executor = StoreExecutor({1: cast(MailboxDatabase, database)}, asyncio.get_running_loop())
    results: list[Any] = []
    command = SweepBlobs(0, 1)
    executor.write(1, command, lambda result, error: results.append(result), bulk=True)
    assert not executor.is_pressed
    executor.write(1, command, lambda result, error: results.append(result), bulk=False)
    waited = asyncio.create_task(executor.written(1, command))
    await asyncio.sleep(0)
    database.submitted[0](1, None)
    database.submitted[1](2, None)
    assert executor.is_pressed
    database.submitted[2](3, None)
    assert not executor.is_pressed
    assert [*results, await waited] == [1, 2, 3]
    with pytest.raises(Unavailable):
        executor.write(2, command, lambda result, error: None, bulk=False)
    assert not executor.is_pressed
    executor.close()


async def test_a_scan_reads_the_database_and_a_thought_does_not() -> None:
    database = FakeDatabase()
    database.may_end.set()
    executor = StoreExecutor({1: cast(MailboxDatabase, database)}, asyncio.get_running_loop())
    answers: asyncio.Queue[tuple[Any, BaseException | None]] = asyncio.Queue()

    def done(result: Any, error: BaseException | None) -> None:
        answers.put_nowait((result, error))

    executor.scan("u", 1, lambda tx, breathe: (tx, breathe()), done)
    executor.ponder("u", lambda: 7, done)
    executor.scan("u", 2, lambda tx, breathe: None, done)
    assert await answers.get() == ((None, False), None)
    assert await answers.get() == (7, None)
    assert isinstance((await answers.get())[1], Unavailable), "it is not mounted"
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
