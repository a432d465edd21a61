"""Where searches are carried out: a slice at a time, in turns, and behind all that is urgent.

One at a time, since all threads share the interpreter lock: the event loop has one rival for it, not as many as there
are searches.  The next slice begins only when the loop has come to the end of the last one, so a loop that has much to
do is left alone; and while anything urgent is under way, the slice that runs naps between two steps.

Of several workers all may search at the same time, on all cores.  So between two steps a slice also leaves its core to
whatever waits for one: the kernel alone would have them wait for milliseconds.

A slice ends between two messages, of which one may be very large.  Who overstays so keeps others from their turn no
longer, gives way to them too, and has no other turn until it is done.
"""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from adapters.server.turns import Turns
from core.ports import Clock
from protocols.imap.work import Breathe

SLICE_SECONDS = 0.005  # after which it is another's turn
STRETCH_SECONDS = 0.000_25  # of work, after which what is urgent is thought of
OVERSTAY_SECONDS = 0.1  # beyond that: others need not wait for it
THREADS = 4  # one for who has the turn, the others for who overstay
NAP_SECONDS = 0.000_5  # how long it is let pass then: a search gets on, however busy the server is

# How long a thread that computes keeps the interpreter from the others while there are searches.  The loop may have to
# wait for one whenever it wakes, and Python's 5 ms are ten times what an answer takes.  Otherwise these stay: where the
# loop and a writer alternate, as with deliveries, more switches cost a fifth more.
SWITCH_SECONDS = 0.000_5

Done = Callable[[Any, BaseException | None], None]


class Unwanted(Exception):
    """Nobody waits for this slice any more."""


class Slice:
    """A piece of work that waits or runs."""

    def __init__(self, who: Hashable, run: Callable[[Breathe], Any], done: Done) -> None:
        self.who = who
        self.run = run
        self.done = done
        self.is_unwanted = False
        self.overstays = False


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
        self._is_searching = False  # somebody who does not overstay
        self._overstaying: set[Hashable] = set()
        self._usual_switch = sys.getswitchinterval()
        self._threads = ThreadPoolExecutor(THREADS, "searcher")

    @property
    def waiting(self) -> int:
        return len(self._turns)

    def submit(self, who: Hashable, run: Callable[[Breathe], Any], done: Done) -> Callable[[], None]:
        """Has a slice of work done when it is their turn; what takes it back again.

        Between any two of its steps `run` asks what it is given whether to come to an end.  The answer may take a
        moment, and is an exception once the slice has been taken back.  `done(result, error)` is called on the loop,
        once, or never if it has been taken back.
        """
        piece = Slice(who, run, done)
        self._turns.put(who, piece)
        self._go_on()
        return partial(self._take_back, who, piece)

    def _take_back(self, who: Hashable, piece: Slice) -> None:
        piece.is_unwanted = True
        self._turns.take_back(who, piece)

    def _go_on(self) -> None:
        if self._is_searching or len(self._overstaying) >= THREADS:
            return
        if (piece := self._turns.take(but=self._overstaying)) is not None:
            self._is_searching = True
            sys.setswitchinterval(SWITCH_SECONDS)
            self._threads.submit(self._run, piece)

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
            if at >= until + OVERSTAY_SECONDS and not piece.overstays:
                piece.overstays = True
                self._loop.call_soon_threadsafe(self._let_others_in, piece)
            if at >= stretch_until:
                os.sched_yield()
                if self._is_urgent() or (piece.overstays and self._is_searching):
                    self._nap(NAP_SECONDS)
                stretch_until = now() + STRETCH_SECONDS
            if piece.is_unwanted:
                raise Unwanted
            return at >= until

        return breathe

    def _let_others_in(self, piece: Slice) -> None:
        self._overstaying.add(piece.who)
        self._is_searching = False
        self._go_on()

    def _ended(self, piece: Slice, result: Any, error: BaseException | None) -> None:
        if piece.overstays:
            self._overstaying.discard(piece.who)
        else:
            self._is_searching = False
        try:
            if not piece.is_unwanted:
                piece.done(result, error)
        finally:
            self._go_on()
            if not self._is_searching and not self._overstaying:
                sys.setswitchinterval(self._usual_switch)

    def close(self) -> None:
        """Waits for the slices that run; what waits is never begun."""
        self._turns = Turns()
        self._threads.shutdown()
