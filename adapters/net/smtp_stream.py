"""One SMTP connection's octets and its time: aiosmtpd's connection with a buffer of our own.

aiosmtpd reads with one await for each line and writes with one system call for each reply.  Here lines are found in
what one read brought, replies are gathered, and whichever side does not keep up holds up the other.
"""

import asyncio
import socket
import ssl
from typing import Any, cast

import aiosmtpd.smtp

from protocols.smtp import limits
from protocols.smtp.envelope import Tls
from protocols.smtp.limits import Limits


class PeerGone(Exception):
    """Nothing more will come from the client."""


class SmtpStream(aiosmtpd.smtp.SMTP):
    """What the command loop reads from and writes to."""

    loop: asyncio.AbstractEventLoop

    def __init__(self, prototype: dict[str, Any], timing: Limits) -> None:
        # aiosmtpd's own __init__ looks through every attribute of two objects, 0.2 ms for each connection; so it ran
        # once, for the prototype, and what it found is taken over.  Only the stream is each connection's own.
        self.__dict__.update(prototype)
        reader = asyncio.StreamReader(loop=self.loop)
        asyncio.StreamReaderProtocol.__init__(self, reader, self._cb_client_connected, loop=self.loop)
        self._timing = timing
        # Immutable, with an offset: an octet of a message is copied once on its way to the spool.
        self._input = b""
        self._at = 0
        self._at_eof = False
        self._reading_paused = False
        self._more: asyncio.Future[None] | None = None
        self._output: list[bytes] = []
        self._output_size = 0
        self._writable: asyncio.Future[None] | None = None
        self._leaving = False
        self.is_shaking_hands = False  # STARTTLS is under way: there is nobody to say goodbye to
        # None while we are the ones who are waited for.
        self._deadline: float | None = None
        self.lost: asyncio.Future[None] = self.loop.create_future()

    # The connection's life, called by the loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes.
        self._wire = cast(asyncio.Transport, transport)
        self.ip = _ip(self._wire)
        self.tls = _tls(self._wire)
        super().connection_made(transport)
        self._reset_timeout(self._timing.first_command_seconds)

    def connection_lost(self, error: Exception | None) -> None:
        if self.lost.done():
            return
        # Not aiosmtpd's, which cancels the command under way: what becomes of a delivery must be known.
        asyncio.StreamReaderProtocol.connection_lost(self, error)
        self.transport = None
        self._end_of_input()
        self.resume_writing()
        self.lost.set_result(None)
        if self._timeout_handle is not None:
            self._timeout_handle.cancel()

    def eof_received(self) -> bool:
        # The client may have closed its half only, and what it said before wants its replies.  TLS has no halves.
        self._end_of_input()
        return self.tls is None

    def data_received(self, data: bytes) -> None:
        self._input = self._input[self._at :] + data if self._at < len(self._input) else data
        self._at = 0
        if len(self._input) > limits.INPUT_HIGH and not self._reading_paused:
            self._wire.pause_reading()
            self._reading_paused = True
        self.wake()

    def pause_writing(self) -> None:
        self._writable = self.loop.create_future()

    def resume_writing(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    def wake(self) -> None:
        """Let the command loop look again at what it waits for."""
        if self._more is not None and not self._more.done():
            self._more.set_result(None)

    def abort(self) -> None:
        """Cut the connection; what was not sent yet is lost."""
        if self.transport is not None:
            self._wire.abort()

    def _end_of_input(self) -> None:
        self._at_eof = True
        self.wake()

    async def _start_tls(self, context: ssl.SSLContext) -> Tls:
        # RFC 3207 4.2 and section 6: whatever came behind STARTTLS in the clear may be anybody's, and must not be taken
        # for what was said under TLS.  The loop stops reading here and now, so nothing can come after this.
        self._forget_input()
        self._reading_paused = False
        self._deadline = None
        self.is_shaking_hands = True
        try:
            # aiosmtpd would take the standard library's TLS on any loop: 256 KiB for a connection, uvloop's has 24.
            wire = await self.loop.start_tls(
                self._wire, self, context, server_side=True, ssl_handshake_timeout=self._timing.handshake_seconds
            )
        except OSError:
            wire = None
        finally:
            self.is_shaking_hands = False
        tls = None if wire is None else _tls(wire)
        if wire is None or tls is None:
            # Not every loop tells us of a connection that ended in its handshake.
            self._wire.abort()
            self.connection_lost(None)
            raise PeerGone
        self.transport = self._wire = wire
        self.tls = tls
        return tls

    # Time.

    def _reset_timeout(self, duration: float | None = None) -> None:
        # One timer for a connection, put off when it fires, instead of one for each command.
        self._deadline = self.loop.time() + (duration or self._timing.command_seconds)
        if self._timeout_handle is not None:
            if self._timeout_handle.when() <= self._deadline:
                return
            self._timeout_handle.cancel()
        self._timeout_handle = self.loop.call_at(self._deadline, self._timeout_cb)

    def _timeout_cb(self) -> None:
        self._timeout_handle = None
        if self.transport is None or self._deadline is None:
            return
        if self._deadline > self.loop.time():
            self._timeout_handle = self.loop.call_at(self._deadline, self._timeout_cb)
        elif self._leaving or self._writable is not None:
            # It does not even read what we said last.
            self.abort()
        else:
            self._timed_out()
            self._end_of_input()

    def _timed_out(self) -> None:
        raise NotImplementedError

    # Input.

    async def _wait_for_input(self) -> None:
        """Until the loop has something new to look at."""
        if self._at_eof:
            raise PeerGone
        self._flush()
        await self._wait_for_output()
        if self._reading_paused:
            self._reading_paused = False
            self._wire.resume_reading()
        self._more = self.loop.create_future()
        await self._more
        self._more = None

    def _line(self) -> bytes | None:
        """The next line with its end, if all of it is there."""
        end = self._input.find(b"\n", self._at) + 1
        if end == 0:
            return None
        line = self._input[self._at : end]
        self._at = end
        return line

    def _waiting(self) -> int:
        return len(self._input) - self._at

    async def _octets(self, most: int | None = None) -> bytes:
        """The next octets of a message, at least one."""
        while self._at == len(self._input):
            self._reset_timeout(self._timing.data_seconds)
            await self._wait_for_input()
        return self._take(most)

    def _take(self, most: int | None = None) -> bytes:
        end = len(self._input) if most is None else self._at + most
        octets = self._input[self._at : end]
        self._at += len(octets)
        return octets

    def _put_back(self, octets: bytes) -> None:
        self._input = octets + self._input[self._at :]
        self._at = 0

    def _forget_input(self) -> None:
        self._input = b""
        self._at = 0

    # Output.

    def _say(self, reply: bytes) -> None:
        self._output.append(reply)
        self._output_size += len(reply)

    async def push(self, status: str | bytes) -> None:
        """Say one line, as aiosmtpd's own commands do."""
        self._say((status.encode("ascii") if isinstance(status, str) else status) + b"\r\n")

    def _flush(self) -> None:
        if self._output and self.transport is not None:
            self._wire.write(b"".join(self._output))
        self._output.clear()
        self._output_size = 0

    async def _wait_for_output(self) -> None:
        # A client that does not read its replies is not read from either, so neither side's octets pile up here.
        while self._writable is not None:
            await self._writable
        if self.transport is None:
            raise PeerGone

    def _hang_up(self, reply: bytes) -> None:
        self._say(reply)
        self._close()

    def _close(self) -> None:
        self._leaving = True
        self._flush()
        if self.transport is not None:
            self._reset_timeout(self._timing.closing_seconds)
            self._wire.close()


def _ip(transport: asyncio.Transport) -> str | None:
    """The client's address; None for a Unix socket, "" for a client that is gone already."""
    if transport.get_extra_info("socket").family == socket.AF_UNIX:
        return None
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if peer else ""


def _tls(transport: asyncio.Transport) -> Tls | None:
    ssl_object = transport.get_extra_info("ssl_object")
    return None if ssl_object is None else Tls(ssl_object.version(), ssl_object.cipher()[0])
