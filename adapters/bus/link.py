"""A link: the stream between two workers of one server, with what waits to be sent kept within bounds.

What one says the other hears in that order.  That is how a client reads its own writes: the changes of a group of
commands are told before any of them is answered.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, cast

from adapters.bus.frames import BrokenFrame, Unframer, framed
from adapters.bus.messages import Changed, Message, Missing, decoded, encoded, narrowed
from core.changes import Change

# Octets that wait for a worker that takes nothing.  Beyond, it is not told of changes but of having missed some.
CHANGES_OCTETS: Final = 8 << 20
WAITING_OCTETS: Final = 128 << 20  # of all together: whoever lets that much wait has stopped, and is given up


class Link(asyncio.Protocol):
    """One end of the stream to one worker."""

    def __init__(
        self, peer: int, *, hear: Callable[["Link", Message], None], lost: Callable[["Link", str], None]
    ) -> None:
        """`hear` is called for each message; `lost` once, with a reason if one is known, when the stream has ended."""
        self.peer = peer
        self._hear = hear
        self._lost = lost
        self._unframer = Unframer()
        self._heard: deque[Message] = deque()
        self._is_held = False
        self._is_paused = False  # nothing is read
        self._is_full = False  # what is sent is not taken
        self._is_open = False
        self._has_left_out = False
        self._transport: asyncio.Transport
        self._reason = ""

    # ------------------------------------------------------------------------------------------ asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(CHANGES_OCTETS)
        self._is_open = True

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._own_up()

    def data_received(self, data: bytes) -> None:
        try:
            self._heard.extend(map(decoded, self._unframer.feed(data)))
        except BrokenFrame as broken:
            self.abort(str(broken))
            return
        self._pass_on()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_open = False
        self._heard.clear()
        self._lost(self, self._reason or str(exc or ""))

    # ------------------------------------------------------------------------------------------ hearing

    def hold(self) -> None:
        """Passes nothing on until `release`: what was missed must be known first."""
        self._is_held = True

    def release(self) -> None:
        self._is_held = False
        self._pass_on()

    def _pass_on(self) -> None:
        while self._heard and not self._is_held:
            self._hear(self, self._heard.popleft())
        if self._is_open and self._is_paused != bool(self._heard):
            self._is_paused = bool(self._heard)
            (self._transport.pause_reading if self._is_paused else self._transport.resume_reading)()

    # ------------------------------------------------------------------------------------------ saying

    @property
    def is_open(self) -> bool:
        return self._is_open

    def say(self, message: Message) -> None:
        """Sends a message behind all others."""
        self.send(framed(encoded(message)))

    def tell(self, changes: bytes) -> None:
        """Sends the frame of a Changed, unless too much waits already: then it is told of as missing."""
        if self._is_full:
            self.leave_out()
        else:
            self.send(changes)

    def leave_out(self) -> None:
        """Some changes are not told; that they are missing is, before all that follows."""
        self._has_left_out = True
        if self._is_open and not self._is_full:
            self._own_up()

    def send(self, frame: bytes) -> None:
        """Sends a frame behind all others."""
        if not self._is_open:
            return
        self._own_up()
        self._transport.write(frame)
        if self._is_full and self._transport.get_write_buffer_size() > WAITING_OCTETS:
            self.abort("It takes nothing of what it is sent")

    def _own_up(self) -> None:
        if self._has_left_out:
            self._has_left_out = False
            self._transport.write(framed(encoded(Missing())))

    def abort(self, reason: str) -> None:
        """Ends the stream at once."""
        self._reason = reason
        self._is_open = False
        self._transport.abort()


def changed(changes: Sequence[Change]) -> bytes:
    """The frame of what a group of commands changed.  Raises BrokenFrame where it would be too long."""
    try:
        return framed(encoded(Changed(tuple(changes))))
    except OverflowError:
        return framed(encoded(narrowed(changes)))
