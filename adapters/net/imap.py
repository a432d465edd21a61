"""IMAP over TCP: carries octets between a transport and its session, and the session's work to where it is done."""

import asyncio
import itertools
import ssl
import zlib
from collections.abc import Callable, Hashable, Iterator
from typing import Any, Protocol, cast

from adapters.net.deflate import Deflate
from core.commands import Command
from core.errors import Refusal
from core.ports import EventLog, ReadTx
from protocols.imap import limits
from protocols.imap.saying import responses
from protocols.imap.services import Services
from protocols.imap.session import Session
from protocols.imap.work import Breathe, Compute, Pause, Read, Scan, StartDeflate, StartTls, StopDeflate, Work, Write

STEPS = 32  # pieces of work done for one connection before the others have their turn
STALLED_SECONDS = 300  # a client that takes nothing of what it asked for is cut off after this
# A piece is on its way to the client while the next is read; a client that takes nothing holds two of them.
SEND_HIGH, SEND_LOW = 256 * 1024, 128 * 1024
NOT_DEFLATE = "This is not DEFLATE"
CHECK_SECONDS = 15  # how often a connection looks at its clocks

Done = Callable[[Any, BaseException | None], None]
TakeBack = Callable[[], None]


class Executor(Protocol):
    """Where a session's work is done.  `done(result, error)` is called on the event loop, once."""

    def read_now(self, database_id: int, run: Callable[[ReadTx], Any]) -> Any: ...
    def read(self, database_id: int, run: Callable[[ReadTx], Any], done: Done) -> None: ...
    def write(self, database_id: int, command: Command, done: Done, *, bulk: bool) -> None: ...
    def compute(self, run: Callable[[], Any], done: Done) -> None: ...

    # Work that waits its turn, of which each account has one after the other; what is returned takes it back.
    def scan(self, who: Hashable, database_id: int, run: Callable[[ReadTx, Breathe], Any], done: Done) -> TakeBack: ...
    def ponder(self, who: Hashable, run: Callable[[], Any], done: Done) -> TakeBack: ...


class ImapService:
    """A protocol factory, and what its connections share."""

    def __init__(
        self,
        services: Services,
        executor: Executor,
        *,
        log: EventLog,
        tls: ssl.SSLContext | None,
        admit: Callable[[str], bool] = lambda peer: True,
        leave: Callable[[str], None] = lambda peer: None,
        numbers: Iterator[int] | None = None,
        left: Callable[[], None] = lambda: None,
    ) -> None:
        """`admit` says whether one more connection from an address may stay; `leave` is told when one that did ends.

        `numbers` are for connections; `left` is called when any has ended.
        """
        self.services = services
        self.executor = executor
        self.log = log
        self.tls = tls
        self.admit = admit
        self.leave = leave
        self.connections: set[ImapConnection] = set()
        self.is_draining = False
        self.left = left
        self._numbers = itertools.count(1) if numbers is None else numbers

    def __call__(self) -> "ImapConnection":
        return ImapConnection(self, next(self._numbers))

    async def drain(self, grace: float) -> None:
        """Ends every session: at once where nothing runs, else behind the command that does."""
        self.is_draining = True
        for connection in set(self.connections):
            if connection.is_shaking_hands:
                connection.abort()
            else:
                connection.pump()
        until = asyncio.get_running_loop().time() + grace
        while self.connections and asyncio.get_running_loop().time() < until:
            await asyncio.wait([c.gone for c in self.connections], timeout=until - asyncio.get_running_loop().time())
        for connection in set(self.connections):
            connection.abort()


class ImapConnection(asyncio.Protocol):
    """One client."""

    def __init__(self, service: ImapService, number: int) -> None:
        self.number = number
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.session: Session
        self._service = service
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._is_pumping = False
        self._is_admitted = False
        self._is_blocked = False  # the client does not take what was sent
        self._is_reading = True
        self.is_shaking_hands = False  # STARTTLS is under way: there is nobody to say goodbye to
        self._began = self._heard = self._loop.time()
        self._blocked_since = 0.0
        self._stranger_since = self._began
        self._deflate: Deflate | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._take_back: TakeBack = _nothing  # what waits its turn for this connection, or has it

    # ------------------------------------------------------------------------------------------ asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._take(cast("asyncio.Transport", transport))  # uvloop's are of no class of asyncio's
        address = transport.get_extra_info("peername")
        peer = address[0] if isinstance(address, tuple) else ""
        is_secure = transport.get_extra_info("ssl_object") is not None
        self.session = Session(self._service.services, peer=peer, is_secure=is_secure)
        self.session.certificate_names = _certificate_names(transport)
        self.session.wake = self._wake
        self._is_admitted = self._service.admit(peer)
        if not self._is_admitted or self._service.is_draining:
            self._transport.write(responses.bye("Too many connections", responses.UNAVAILABLE))
            self._transport.close()
            return
        self._service.connections.add(self)
        self._service.log.info("imap.connect", connection=self.number, peer=peer, tls=is_secure)
        self._timer = self._loop.call_later(CHECK_SECONDS, self._check)
        self.session.greet()
        self.pump()

    def _take(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        transport.set_write_buffer_limits(SEND_HIGH, SEND_LOW)

    def data_received(self, data: bytes) -> None:
        self._heard = self._loop.time()
        if self._deflate is None:
            self.session.receive(data)
        else:
            self._deflate.feed(data)
        self.pump()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self.gone.done():
            return
        self._take_back()
        self.session.end()
        self._service.connections.discard(self)
        if self._is_admitted:
            self._service.leave(self.session.peer)
        if self._timer is not None:
            self._timer.cancel()
        self.gone.set_result(None)
        self._service.log.info("imap.left", connection=self.number)
        self._service.left()

    def pause_writing(self) -> None:
        self._is_blocked = True
        self._blocked_since = self._loop.time()

    def resume_writing(self) -> None:
        self._is_blocked = False
        self.pump()

    # ------------------------------------------------------------------------------------------ the loop of work

    def pump(self) -> None:
        """Lets the session go on as far as it can without waiting for anybody."""
        if self._is_pumping:
            return
        self._is_pumping = True
        try:
            self._pump()
        except Exception:  # noqa: BLE001 - a fault of ours ends this session, and no other
            self._fault()
        finally:
            self._is_pumping = False
        self._settle()

    def _pump(self) -> None:
        if not self._is_blocked:  # else it is told when it takes something: news is kept small, what is sent is not
            self.session.tell_idle()
        for _ in range(STEPS):
            if self._is_blocked:
                return
            if self._deflate is not None:
                self._inflate(self._deflate)
            work = self.session.next_work()
            if isinstance(work, Read) and work.heavy:
                self._do(work)  # a thread reads the next piece while this one is sent
                self._flush()
                return
            self._flush()
            if work is None and self._has_more():
                if self._deflate is not None and self._deflate.has_ended:
                    self.session.bye(NOT_DEFLATE)
                continue
            if work is None or not self._do(work):
                return
        self._loop.call_soon(self.pump)

    def _has_more(self) -> bool:
        """Whether the client has sent more than the session had room for, and it has room now."""
        if self._deflate is None or self.session.is_closing:
            return False
        return not (self._deflate.is_empty or self.session.is_full)

    def _inflate(self, deflate: Deflate) -> None:
        """Gives the session what the client meant, as far as it has room: a bomb waits where it is small.

        What follows a command that runs may be plain, if that ends compression: it waits as it came.
        """
        session = self.session
        try:
            while session.is_waiting_for_client and not session.is_full and (octets := deflate.inflated()):
                session.receive(octets)
        except zlib.error:
            session.bye(NOT_DEFLATE)

    def _settle(self) -> None:
        """After each turn: send, read on or not, and close when all is said."""
        self._flush()
        if self._service.is_draining and self.session.is_resting:
            self.session.bye("The server is being stopped", responses.UNAVAILABLE)
            self._flush()
        if self.session.is_closing:
            self._transport.close()
            return
        wants_to_read = not self.session.is_full and (self._deflate is None or self._deflate.is_empty)
        if wants_to_read != self._is_reading and not self._transport.is_closing():
            self._is_reading = wants_to_read
            (self._transport.resume_reading if wants_to_read else self._transport.pause_reading)()

    def _flush(self) -> None:
        lines = self.session.outgoing
        if lines:
            self.session.outgoing = []
            octets = lines[0] if len(lines) == 1 else b"".join(lines)
            self._transport.write(octets if self._deflate is None else self._deflate.compress(octets))

    def _do(self, work: Work) -> bool:
        """Begins some work; True when it is done already."""
        executor = self._service.executor
        match work:
            case Read():
                if not work.heavy:
                    return self._at_once(lambda: executor.read_now(work.database_id, work.run))
                executor.read(work.database_id, work.run, self._done)
            case Write():
                try:
                    executor.write(work.database_id, work.command, self._done, bulk=work.bulk)
                except Refusal as refusal:
                    self.session.fail(refusal)
                    return True
            case Scan():
                self._take_back = executor.scan(self._who, work.database_id, work.run, self._done)
            case Compute(bulk=True):
                self._take_back = executor.ponder(self._who, work.run, self._done)
            case Compute():
                executor.compute(work.run, self._done)
            case Pause(seconds):
                self._loop.call_later(seconds, self._done, None, None)
            case StartDeflate():
                self._deflate = Deflate()  # the tagged OK was flushed before
                self.session.finish(None)
                return True
            case StopDeflate():
                assert self._deflate is not None, "only what was begun is ended"
                self.session.receive(self._deflate.plain)
                self._deflate = None
                self.session.finish(None)
                return True
            case StartTls():
                self._task = self._loop.create_task(self._start_tls())
        return False

    @property
    def _who(self) -> Hashable:
        account = self.session.account
        return None if account is None else account.user

    def _at_once(self, run: Callable[[], Any]) -> bool:
        try:
            result = run()
        except Exception as error:  # noqa: BLE001 - a refusal is answered; what is none comes back from `fail`
            self.session.fail(error)
        else:
            self.session.finish(result)
        return True

    def _done(self, result: Any, error: BaseException | None) -> None:
        """Some work has come to its end, on the event loop."""
        self._take_back = _nothing
        try:
            if error is None:
                self.session.finish(result)
            else:
                self.session.fail(error)
        except Exception:  # noqa: BLE001 - a fault of ours ends this session, and no other
            self._fault()
        self.pump()

    async def _start_tls(self) -> None:
        context = self._service.tls
        assert context is not None, "STARTTLS is offered only with a certificate"
        self._transport.pause_reading()
        self._flush()
        self.is_shaking_hands = True
        try:
            transport = await self._loop.start_tls(self._transport, self, context, server_side=True)
        except OSError:  # SSLError is one too
            transport = None
        finally:
            self.is_shaking_hands = False
        if transport is None or transport.get_extra_info("ssl_object") is None:
            # Not every loop tells us of a connection that ended in its handshake.
            self._transport.abort()
            self.connection_lost(None)
            return
        self._take(transport)
        self.session.certificate_names = _certificate_names(transport)
        self._done(None, None)

    def _fault(self) -> None:
        """Nothing of a fault's text reaches the client; it is in the log."""
        self._service.log.exception("imap.fault", connection=self.number)
        self.session.bye("A fault of ours ended this session; it is in our log", responses.SERVERBUG)

    def _wake(self) -> None:
        """The session has something to say, though nobody asked."""
        self._loop.call_soon(self.pump)

    # ------------------------------------------------------------------------------------------ clocks

    def _check(self) -> None:
        now = self._loop.time()
        if self.session.account is not None:
            self._stranger_since = now  # it may sign out, and in again (RFC 8437)
        self._timer = self._loop.call_later(CHECK_SECONDS, self._check)
        if self._is_blocked and now - self._blocked_since > STALLED_SECONDS:
            self._transport.abort()
        elif self.session.account is None and now - self._stranger_since > limits.UNAUTHENTICATED_SECONDS:
            self._say_bye("Too long without signing in")
        elif now - self._heard > limits.IDLE_SECONDS and self.session.is_waiting_for_client:
            self._say_bye("Autologout; idle for too long")

    def _say_bye(self, text: str) -> None:
        self.session.bye(text)
        self._settle()

    def abort(self) -> None:
        """Cuts the connection."""
        self._transport.abort()


def _nothing() -> None:
    pass


def _certificate_names(transport: asyncio.BaseTransport) -> tuple[str, ...]:
    """The addresses (RFC 5280 4.2.1.6 rfc822Name) in the client's certificate, which TLS has verified by now."""
    ssl_object = transport.get_extra_info("ssl_object")
    try:
        certificate = None if ssl_object is None else ssl_object.getpeercert()
    except ValueError:  # a name in it is not even text
        return ()
    names = (value for kind, value in (certificate or {}).get("subjectAltName", ()) if kind == "email")
    return tuple(name for name in names if name.isprintable())
