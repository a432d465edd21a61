"""Whose turn it is: everybody for whom something waits has one turn after the other, however much waits for each."""

from collections import deque
from collections.abc import Container, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Turns(Generic[T]):
    """What waits, in the order in which it will be taken.  Used from one thread."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, deque[T]] = {}  # by whom it is for; whoever is first has the next turn

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def put(self, who: Hashable, work: T) -> None:
        """Behind all else that waits for the same one; whoever is new is behind everybody."""
        self._waiting.setdefault(who, deque()).append(work)

    def take(self, *, but: Container[Hashable] = ()) -> T | None:
        """What is next, if anything waits for others than these.  Whoever it is for goes behind everybody."""
        if (who := next((who for who in self._waiting if who not in but), None)) is None:
            return None
        works = self._waiting.pop(who)
        work = works.popleft()
        if works:
            self._waiting[who] = works
        return work

    def take_back(self, who: Hashable, work: T) -> None:
        """Nobody wants this any more; nothing happens if it waits no longer."""
        works = self._waiting.get(who, deque())
        if work in works:
            works.remove(work)
        if not works:
            self._waiting.pop(who, None)
