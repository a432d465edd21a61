"""Where searches are carried out: in whose turn, for how long, and until when anybody wants them."""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from adapters.server.searcher import (
    NAP_SECONDS,
    OVERSTAY_SECONDS,
    SLICE_SECONDS,
    STRETCH_SECONDS,
    SWITCH_SECONDS,
    THREADS,
    Searcher,
    Unwanted,
)
from protocols.imap.work import Breathe


class Clock:
    """Moves when it is told to."""

    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> int:
        return 0

    def monotonic(self) -> float:
        return self.at


class House:
    """A searcher whose naps are counted."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.is_urgent = False
        self.naps: list[float] = []
        self.began: list[str] = []
        self.ended: list[str] = []
        self.n_left = 0  # slices that have left their threads, told or not
        loop = asyncio.get_running_loop()
        self.searcher = Searcher(loop, is_urgent=lambda: self.is_urgent, clock=self.clock, nap=self.naps.append)

    def submit(self, name: str, run: Callable[[Breathe], Any] = lambda breathe: None) -> Callable[[], None]:
        """A slice for whom its first letter names."""

        def begun(breathe: Breathe) -> Any:
            self.began.append(name)
            try:
                return run(breathe)
            finally:
                self.n_left += 1

        return self.searcher.submit(name[0], begun, lambda result, error: self.ended.append(name))

    async def result(self, run: Callable[[Breathe], Any]) -> Any:
        future: asyncio.Future[tuple[Any, BaseException | None]] = asyncio.get_running_loop().create_future()
        self.searcher.submit("z", run, lambda result, error: future.set_result((result, error)))
        result, error = await future
        if error is not None:
            raise error
        return result

    async def rest(self) -> None:
        """Until nothing waits or runs: this goes behind all that does."""
        while self.searcher.waiting or self.n_left < len(self.began):
            await self.result(lambda breathe: None)
        await self.result(lambda breathe: None)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    yield house
    house.searcher.close()


class Held:
    """A slice that has begun, and ends when the test lets it."""

    def __init__(self) -> None:
        self.has_begun = threading.Event()
        self.may_end = threading.Event()
        self.was_unwanted = False

    def __call__(self, breathe: Breathe) -> None:
        self.has_begun.set()
        assert self.may_end.wait(30)
        try:
            breathe()
        except Unwanted:
            self.was_unwanted = True
            raise

    async def begun(self) -> None:
        assert await asyncio.to_thread(self.has_begun.wait, 30)


async def test_accounts_alternate_and_one_slice_runs_at_a_time(house: House) -> None:
    """T-10.2: who has eight searches waiting is no further than who has one."""
    held = Held()
    house.submit("a0", held)
    for name in ("a1", "a2", "a3", "b1", "c1", "b2"):
        house.submit(name)
    await held.begun()
    assert house.began == ["a0"]
    assert house.searcher.waiting == 6
    held.may_end.set()
    await house.rest()
    assert house.began == house.ended == ["a0", "a1", "b1", "c1", "a2", "b2", "a3"]


async def test_what_waits_is_not_begun_once_it_is_taken_back(house: House) -> None:
    """T-10.2"""
    held = Held()
    house.submit("a0", held)
    take_back = house.submit("a1")
    house.submit("b1")
    take_back()
    held.may_end.set()
    await house.rest()
    assert house.began == house.ended == ["a0", "b1"]


async def test_what_runs_ends_at_its_next_breath_once_it_is_taken_back(house: House) -> None:
    """T-10.2: and nobody is told."""
    held = Held()
    take_back = house.submit("a0", held)
    house.submit("b1")
    await held.begun()
    take_back()
    held.may_end.set()
    await house.rest()
    assert held.was_unwanted
    assert house.began == ["a0", "b1"]
    assert house.ended == ["b1"]


async def test_a_slice_is_told_when_its_time_is_up(house: House) -> None:
    def run(breathe: Breathe) -> list[bool]:
        answers = [breathe()]
        for seconds in (SLICE_SECONDS / 2, SLICE_SECONDS / 2, SLICE_SECONDS):
            house.clock.at += seconds
            answers.append(breathe())
        return answers

    assert await house.result(run) == [False, False, True, True]
    assert house.naps == []


async def test_a_slice_naps_behind_each_stretch_of_work_while_anything_is_urgent(house: House) -> None:
    """T-10.2"""

    def run(breathe: Breathe) -> list[int]:
        counts = []
        for is_urgent, seconds in ((True, 0.0), (True, STRETCH_SECONDS), (True, 0.0), (False, STRETCH_SECONDS)):
            house.is_urgent = is_urgent
            house.clock.at += seconds
            breathe()
            counts.append(len(house.naps))
        return counts

    assert await house.result(run) == [0, 1, 1, 1]
    assert house.naps == [NAP_SECONDS]


async def test_who_overstays_keeps_nobody_waiting_but_himself(house: House) -> None:
    """T-10.2: a message may be so large that its search is one step."""
    held = Held()
    other_runs, has_given_way = threading.Event(), threading.Event()

    def overstays(breathe: Breathe) -> None:
        house.clock.at += SLICE_SECONDS + OVERSTAY_SECONDS
        assert breathe()
        house.naps.clear()
        assert other_runs.wait(30)
        house.clock.at += STRETCH_SECONDS
        breathe()
        has_given_way.set()
        held(breathe)

    def other(breathe: Breathe) -> None:
        other_runs.set()
        assert has_given_way.wait(30)

    house.submit("a0", overstays)
    house.submit("a1")
    house.submit("b1", other)
    assert await house.result(lambda breathe: 7) == 7
    await held.begun()
    assert house.began == ["a0", "b1"]
    assert house.ended == ["b1"]
    assert house.naps == [NAP_SECONDS], "it gives way, urgent or not"
    held.may_end.set()
    await house.rest()
    assert house.began == ["a0", "b1", "a1"]
    assert house.ended == ["b1", "a0", "a1"]


async def test_as_many_may_overstay_as_there_are_threads(house: House) -> None:
    """Then all others wait for one of them."""
    helds = [Held() for _ in range(THREADS)]

    def overstays(held: Held) -> Callable[[Breathe], None]:
        def run(breathe: Breathe) -> None:
            house.clock.at += SLICE_SECONDS + OVERSTAY_SECONDS
            breathe()
            held(breathe)

        return run

    for name, held in zip("abcd", helds, strict=True):
        house.submit(f"{name}0", overstays(held))
        await held.begun()
    house.submit("e0")
    assert house.began == ["a0", "b0", "c0", "d0"]
    helds[2].may_end.set()
    await house.result(lambda breathe: None)
    assert house.ended == ["c0", "e0"]
    for held in helds:
        held.may_end.set()
    await house.rest()
    assert set(house.ended) == {"a0", "b0", "c0", "d0", "e0"}


async def test_threads_alternate_more_often_while_there_are_searches(house: House) -> None:
    """T-10.2: and else as Python has it, which costs deliveries less."""
    usual = sys.getswitchinterval()
    assert await house.result(lambda breathe: sys.getswitchinterval()) == pytest.approx(SWITCH_SECONDS)
    assert sys.getswitchinterval() == usual > SWITCH_SECONDS


async def test_what_fails_is_told_and_the_next_has_its_turn(house: House) -> None:
    def run(breathe: Breathe) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await house.result(run)
    assert await house.result(lambda breathe: 7) == 7


async def test_who_fails_over_a_result_keeps_nobody_waiting(house: House) -> None:
    faults: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: faults.append(context["exception"]))

    def done(result: Any, error: BaseException | None) -> None:
        raise LookupError

    house.searcher.submit("a", lambda breathe: None, done)
    assert await house.result(lambda breathe: 7) == 7
    assert [type(fault) for fault in faults] == [LookupError]


async def test_what_waits_when_all_ends_is_never_begun(house: House) -> None:
    held = Held()
    house.submit("a0", held)
    house.submit("b1")
    await held.begun()
    held.may_end.set()
    house.searcher.close()
    for _ in range(3):
        await asyncio.sleep(0)
    assert house.began == house.ended == ["a0"]
