"""Where searches are carried out: one thread, a slice at a time, in turns, and behind all that is urgent.

Only one thread, since all of them share the interpreter lock: the event loop has one rival for it, not as many as there
are searches.  The next slice begins only when the loop has come to the end of the last one, so a loop that has much to
do is left alone; and while anything urgent is under way, the slice that runs naps between two messages.
"""

import asyncio
import time
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from adapters.server.turns import Turns
from core.ports import Clock

SLICE_SECONDS = 0.005  # after which it is another's turn
STRETCH_SECONDS = 0.000_25  # of work, after which what is urgent is thought of
NAP_SECONDS = 0.000_5  # how long it is let pass then: a search gets on, however busy the server is

Breathe = Callable[[], bool]
Done = Callable[[Any, BaseException | None], None]


class Unwanted(Exception):
    """Nobody waits for this slice any more."""


class Slice:
    """A piece of work that waits or runs."""

    def __init__(self, run: Callable[[Breathe], Any], done: Done) -> None:
        self.run = run
        self.done = done
        self.is_unwanted = False


class Searcher:
    """Used from the event loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        is_urgent: Callable[[], bool],
        clock: Clock,
        nap: Callable[[float], None] = time.sleep,
    ) -> None:
        """`is_urgent` says, on any thread, whether something is under way that should not wait for searches."""
        self._loop = loop
        self._is_urgent = is_urgent
        self._clock = clock
        self._nap = nap
        self._turns: Turns[Slice] = Turns()
        self._is_searching = False
        self._thread = ThreadPoolExecutor(1, "searcher")

    @property
    def waiting(self) -> int:
        return len(self._turns)

    def submit(self, who: Hashable, run: Callable[[Breathe], Any], done: Done) -> Callable[[], None]:
        """Has a slice of work done when it is their turn; what takes it back again.

        Between any two of its steps `run` asks what it is given whether to come to an end.  The answer may take a
        moment, and is an exception once the slice has been taken back.  `done(result, error)` is called on the loop,
        once, or never if it has been taken back.
        """
        piece = Slice(run, done)
        self._turns.put(who, piece)
        self._go_on()
        return partial(self._take_back, who, piece)

    def _take_back(self, who: Hashable, piece: Slice) -> None:
        piece.is_unwanted = True
        self._turns.take_back(who, piece)

    def _go_on(self) -> None:
        if not self._is_searching and (piece := self._turns.take()) is not None:
            self._is_searching = True
            self._thread.submit(self._run, piece)

    def _run(self, piece: Slice) -> None:
        """On the thread."""
        try:
            result, error = piece.run(self._pace(piece)), None
        except BaseException as raised:  # noqa: BLE001 - whoever asked must hear of it
            result, error = None, raised
        self._loop.call_soon_threadsafe(self._ended, piece, result, error)

    def _pace(self, piece: Slice) -> Breathe:
        now = self._clock.monotonic
        until, stretch_until = now() + SLICE_SECONDS, now() + STRETCH_SECONDS

        def breathe() -> bool:
            nonlocal stretch_until
            at = now()
            if at >= stretch_until:
                if self._is_urgent():
                    self._nap(NAP_SECONDS)
                stretch_until = now() + STRETCH_SECONDS
            if piece.is_unwanted:
                raise Unwanted
            return at >= until

        return breathe

    def _ended(self, piece: Slice, result: Any, error: BaseException | None) -> None:
        self._is_searching = False
        try:
            if not piece.is_unwanted:
                piece.done(result, error)
        finally:
            self._go_on()

    def close(self) -> None:
        """Waits for the slice that runs; what waits is never begun."""
        self._turns = Turns()
        self._thread.shutdown()
