"""The control channel's server side: administrators' verbs over a Unix socket, one JSON object a line.

Only this server's own account and root may talk to it, by the socket's mode and by what the kernel says of the peer.
Verbs run in threads of their own: a check may take its time without keeping anybody from signing in.
"""

import asyncio
import os
import pwd
import socket
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final

import msgspec
from msgspec import Raw

from adapters.server.administration.context import Caller, Context, Interrupted, Progress, Sessions
from adapters.server.administration.verbs import VERBS, carry_out
from adapters.server.controlclient import REQUEST_OCTETS, Answer, Asked
from adapters.server.installation import Installation
from core.errors import Refusal
from core.ports import EventLog

CLIENTS: Final = 32  # connected at a time
VERBS_AT_A_TIME: Final = 4
REFUSED_SECONDS: Final = 1.0  # that a peer who is refused may take to say what it wants
_PEER: Final = struct.Struct("3i")  # pid, uid, gid


class BadRequest(Refusal):
    """Not a request that we know."""


class ControlService:
    """A protocol factory, which carries out what its connections ask."""

    def __init__(self, house: Installation, sessions: Sessions, *, log: EventLog) -> None:
        self._house = house
        self._sessions = sessions
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._pool = ThreadPoolExecutor(VERBS_AT_A_TIME, "control")
        self._clients: set[asyncio.Task[None]] = set()
        self._idle: set[asyncio.Task[None]] = set()  # those that wait for a request
        self._is_draining = False

    def __call__(self) -> asyncio.StreamReaderProtocol:
        """A protocol for one connection."""
        return asyncio.StreamReaderProtocol(asyncio.StreamReader(limit=REQUEST_OCTETS), self._connected)

    async def drain(self, grace: float) -> None:
        """Takes no more requests, breaks checks off, and lets all other verbs come to their end."""
        self._is_draining = True
        for task in set(self._idle):
            task.cancel()
        if self._clients:
            await asyncio.wait(self._clients, timeout=grace)
        for task in set(self._clients):
            task.cancel()
        await self._loop.run_in_executor(None, self._pool.shutdown)

    # ------------------------------------------------------------------------------------------ clients

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "asyncio runs this as a task"
        self._clients.add(task)
        try:
            await self._serve(task, reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # it has gone, or we are going
        finally:
            self._clients.discard(task)
            writer.close()

    async def _serve(
        self, task: asyncio.Task[None], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        caller = _peer(writer)
        if caller is None or len(self._clients) > CLIENTS:
            text = "This is for the server's own account and root" if caller is None else "Too many connections"
            with suppress(TimeoutError, ValueError):  # or the peer could not send its request, and would hear nothing
                await asyncio.wait_for(reader.readline(), REFUSED_SECONDS)
            _send(writer, _refusal(None, BadRequest(text)))
            return
        while not self._is_draining:
            self._idle.add(task)
            try:
                line = await reader.readline()
            except ValueError:  # longer than the limit: where the next request begins nobody knows
                _send(writer, _refusal(None, BadRequest(f"A request has at most {REQUEST_OCTETS} octets")))
                return
            finally:
                self._idle.discard(task)
            if not line.endswith(b"\n"):
                return
            _send(writer, await self._answer(caller, line, writer))
            await writer.drain()

    async def _answer(self, caller: Caller, line: bytes, writer: asyncio.StreamWriter) -> Answer:
        number = None
        try:
            asked = _decoded(line, Asked)
            number = asked.id
            if (verb := VERBS.get(asked.do)) is None:
                raise BadRequest(f"There is no verb {asked.do[:100]!r}")
            request = _decoded(asked.with_, verb.request)
            context = Context(self._house, caller, sessions=self._sessions, progress=self._progress(asked.id, writer))
            ok = await self._loop.run_in_executor(self._pool, lambda: _carried_out(context, request))
            self._log.info("control.done", do=asked.do, who=caller.name, request=request.shown())
        except Refusal as refusal:
            return _refusal(number, refusal)
        except Exception:  # noqa: BLE001 - a fault of ours is for the log, and the next request finds us here
            self._log.exception("control.fault", who=caller.name)
            return Answer(number, refused="Fault", text="The server failed at this; its log says how")
        return Answer(number, ok=ok)

    def _progress(self, number: int, writer: asyncio.StreamWriter) -> Callable[[Progress], None]:
        """For the thread of a verb: tells the client, and breaks the verb off when nobody waits for it any more."""

        def tell(progress: Progress) -> None:
            if self._is_draining:
                raise Interrupted("The server is being stopped")
            if writer.is_closing():
                raise Interrupted("Whoever asked has gone")
            self._loop.call_soon_threadsafe(_send, writer, Answer(number, progress=progress))

        return tell


def _peer(writer: asyncio.StreamWriter) -> Caller | None:
    """Who is at the other end, if it is somebody who may ask."""
    connection = writer.get_extra_info("socket")
    _, uid, _ = _PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    return caller_of(uid, via="control") if uid in (0, os.geteuid()) else None


def caller_of(uid: int, *, via: Any) -> Caller:
    """An account of this machine, by its name if it has one."""
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    return Caller(uid, name, via)


def _decoded(octets: bytes | Raw, kind: Any) -> Any:
    try:
        return msgspec.json.decode(octets, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise BadRequest(f"Not a request: {wrong}") from wrong


def _carried_out(context: Context, request: Any) -> Raw:
    # Encoded here, on the thread: a long answer is long to encode.
    return Raw(msgspec.json.encode(carry_out(context, request)))


def _refusal(number: int | None, refusal: Refusal) -> Answer:
    return Answer(number, refused=type(refusal).__name__, text=str(refusal), temporary=refusal.temporary)


def _send(writer: asyncio.StreamWriter, answer: Answer) -> None:
    if not writer.is_closing():
        writer.write(msgspec.json.encode(answer) + b"\n")
