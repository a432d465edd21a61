"""The channel between the supervisor and a worker: messages, of which some come with a descriptor.

A SOCK_SEQPACKET socket keeps the messages apart, and each descriptor with its message.
"""

import asyncio
import errno
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import msgspec

from core.model import Tagged

MESSAGE_OCTETS: Final = 128 * 1024  # settings are the longest; a socket's buffer takes no more by default
PASSING: Final = (errno.ENOBUFS, errno.ENOMEM, errno.ETOOMANYREFS)  # it can be sent a moment later
RETRY_SECONDS: Final = 0.1


class Start(Tagged, frozen=True):
    """To a worker, before all else."""

    version: str  # of the supervisor; what follows can be read by the same only
    worker: int
    workers: int
    settings: bytes  # pickled
    secret: bytes  # that all workers know, and nobody else


class Join(Tagged, frozen=True):
    """The descriptor is a stream to another worker, the only one from now on."""

    worker: int
    link: int  # the number of the stream


class Take(Tagged, frozen=True):
    """The descriptor is a new connection, that came in by this door."""

    door: str


class Drain(Tagged, frozen=True):
    """Take no more, and let all sessions come to their end."""


class Close(Tagged, frozen=True):
    """All workers have no sessions any more: close the databases and end."""


class Renew(Tagged, frozen=True):
    """The settings have changed."""

    settings: bytes  # pickled


class Renewed(Tagged, frozen=True):
    """From a worker: the settings hold, or why they cannot."""

    refused: str | None = None


class Lost(Tagged, frozen=True):
    """It hears no more of another worker by this stream."""

    worker: int
    link: int


class Ready(Tagged, frozen=True):
    """It has opened everything."""

    share: float  # of all databases, how many it writes to: 0 none, 1 all


class Failed(Tagged, frozen=True):
    """It cannot start, and ends."""

    text: str


class Left(Tagged, frozen=True):
    """So many connections of each kind have ended."""

    counts: dict[str, int]


class Drained(Tagged, frozen=True):
    """It has no sessions any more."""


Message = Start | Join | Take | Drain | Close | Renew | Renewed | Lost | Ready | Failed | Left | Drained

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final[msgspec.msgpack.Decoder[Message]] = msgspec.msgpack.Decoder(Message)


def received(end: socket.socket) -> Message:
    """The next message, which comes without a descriptor; waits for it.  Raises EOFError."""
    if not (octets := end.recv(MESSAGE_OCTETS)):
        raise EOFError("The supervisor is gone")
    return _DECODER.decode(octets)


def tell(end: socket.socket, message: Message) -> None:
    """Sends a message at once."""
    end.send(_ENCODER.encode(message))


class Channel:
    """One end.  Used from the event loop."""

    def __init__(
        self,
        end: socket.socket,
        loop: asyncio.AbstractEventLoop,
        *,
        hear: Callable[[Message, int | None], None],
        lost: Callable[[Sequence[tuple[Message, int | None]]], None],
    ) -> None:
        """`hear` is called with each message and its descriptor, which is the hearer's then.

        `lost` is called when the other end has gone, with what was not sent; those descriptors are the caller's again.
        """
        end.setblocking(False)
        self._end = end
        self._loop = loop
        self._hear = hear
        self._lost = lost
        self._waiting: deque[tuple[Message, int | None]] = deque()
        self._is_open = True
        loop.add_reader(end.fileno(), self._read)

    @property
    def waiting(self) -> int:
        """Messages that the other end has not taken."""
        return len(self._waiting)

    def say(self, message: Message, descriptor: int | None = None) -> None:
        """Sends a message; its descriptor is closed here once it is at the other end, or cannot get there any more."""
        if not self._is_open:
            if descriptor is not None:
                os.close(descriptor)
            return
        self._waiting.append((message, descriptor))
        if len(self._waiting) == 1:
            self._write()

    def _write(self) -> None:
        while self._waiting and self._is_open:
            message, descriptor = self._waiting[0]
            try:
                socket.send_fds(self._end, [_ENCODER.encode(message)], [] if descriptor is None else [descriptor])
            except BlockingIOError:
                self._loop.add_writer(self._end.fileno(), self._write)
                return
            except OSError as fault:
                if fault.errno in PASSING:
                    self._loop.remove_writer(self._end.fileno())
                    self._loop.call_later(RETRY_SECONDS, self._write)
                else:
                    self._close()
                return
            self._waiting.popleft()
            if descriptor is not None:
                os.close(descriptor)
        if self._is_open:
            self._loop.remove_writer(self._end.fileno())

    def _read(self) -> None:
        try:
            octets, descriptors, _, _ = socket.recv_fds(self._end, MESSAGE_OCTETS, 1)
        except BlockingIOError:
            return
        except OSError:
            octets, descriptors = b"", []
        if not octets:
            self._close()
            return
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)  # recv_fds does not take the flag that would
        self._hear(_DECODER.decode(octets), descriptors[0] if descriptors else None)

    def _close(self) -> None:
        if self._is_open:
            unsent, self._waiting = tuple(self._waiting), deque()
            self.close()
            self._lost(unsent)

    def close(self) -> None:
        """Ends the channel from this side."""
        if not self._is_open:
            return
        self._is_open = False
        self._loop.remove_reader(self._end.fileno())
        self._loop.remove_writer(self._end.fileno())
        self._end.close()
        for _, descriptor in self._waiting:
            if descriptor is not None:
                with suppress(OSError):
                    os.close(descriptor)
        self._waiting.clear()
