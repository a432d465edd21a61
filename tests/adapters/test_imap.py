"""IMAP over real sockets: TLS, floods, clients that do not read, and the end."""

import asyncio
import socket
import ssl
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import structlog
import trustme

from adapters.net import imap as net
from adapters.net.imap import ImapConnection, ImapService
from adapters.server.executor import StoreExecutor
from adapters.stores.database import MailboxDatabase
from core.errors import Unavailable
from protocols.imap import limits
from tests.support.imap import TestServer

MAIL = b"Subject: x\r\n\r\n" + b"y" * 1000 + b"\r\n"


class Wire:
    """A client that reads and writes lines."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, octets: bytes) -> None:
        self.writer.write(octets)
        await self.writer.drain()

    async def hear(self, tag: bytes) -> bytes:
        """Everything up to the line that begins with the tag."""
        heard = b""
        while True:
            line = await self.reader.readline()
            heard += line
            if line.startswith(tag) or not line:
                return heard

    async def says(self, command: bytes) -> bytes:
        await self.send(command + b"\r\n")
        return await self.hear(command.split(b" ")[0] + b" ")

    async def end(self) -> bytes:
        """What comes until the server closes."""
        return await self.reader.read()

    def close(self) -> None:
        self.writer.close()


class House:
    """An IMAP service on a port."""

    def __init__(self, directory: Path) -> None:
        self.loop = asyncio.get_running_loop()
        self.store = TestServer(directory)
        self.store.post = self.loop.call_soon_threadsafe
        self.store.most_connections = 1000
        self.authority = trustme.CA()
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert("localhost").configure_cert(self.tls)
        self.store.has_tls = True
        self.admitted = 100
        self.wires: list[Wire] = []
        self.left = 0
        self.executor = StoreExecutor({1: self.store.database}, self.loop)
        self.service = ImapService(
            self.store,
            self.executor,
            log=structlog.get_logger(),
            tls=self.tls,
            admit=self._admit,
            leave=self._leave,
        )

    def _admit(self, peer: str) -> bool:
        self.admitted -= 1
        return self.admitted >= 0

    def _leave(self, peer: str) -> None:
        self.left += 1

    async def start(self) -> None:
        self.server = await self.loop.create_server(self.service, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]

    async def connect(self) -> Wire:
        wire = Wire(*await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 24))
        self.wires.append(wire)
        return wire

    async def client(self, *, user: bytes | None = b"u1") -> Wire:
        wire = await self.connect()
        await wire.hear(b"* OK")
        if user is not None:
            assert b"a OK" in await wire.says(b"a LOGIN " + user + b" pass")
        return wire

    def trusting(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context

    async def stop(self) -> None:
        for wire in self.wires:
            wire.close()
        self.server.close()
        await self.service.drain(5)
        self.executor.close()
        await asyncio.to_thread(self.store.close)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    found = House(tmp_path)
    await found.start()
    yield found
    await found.stop()


async def test_a_session_reads_what_it_appends(house: House) -> None:
    wire = await house.client()
    assert b"a2 OK" in await wire.says(b"a2 APPEND INBOX {%d+}\r\n" % len(MAIL) + MAIL)
    assert b"a3 OK" in await wire.says(b"a3 SELECT INBOX")
    assert MAIL in await wire.says(b"a4 FETCH 1 BODY[]")
    wire.close()


async def test_what_stands_behind_starttls_in_the_clear_is_never_obeyed(house: House) -> None:
    """RFC 9051 6.2.1, STARTTLS injection."""

    def run() -> tuple[bytes, bytes]:
        with socket.create_connection(("127.0.0.1", house.port)) as plain:
            plain.sendall(b"a STARTTLS\r\nb LOGIN u1 pass\r\n")
            heard = b""
            while b"a OK" not in heard:
                heard += plain.recv(4096)
            with house.trusting().wrap_socket(plain, server_hostname="localhost") as secure:
                secure.sendall(b"c CAPABILITY\r\nd LOGIN u1 pass\r\n")
                inside = b""
                while b"d OK" not in inside:
                    inside += secure.recv(4096)
            return heard, inside

    heard, inside = await asyncio.to_thread(run)
    assert b"b " not in heard.partition(b"a OK")[2]
    assert inside.startswith(b"* CAPABILITY")
    assert b"STARTTLS" not in inside


async def test_a_client_that_speaks_no_tls_after_starttls_is_cut_off(house: House) -> None:
    wire = await house.client(user=None)
    await wire.says(b"a STARTTLS")
    await wire.send(b"this is not TLS at all\r\n" * 10)
    assert await wire.end() == b""


async def test_a_connection_that_ends_in_its_handshake_leaves_nothing_behind(house: House) -> None:
    """Neither among the sessions nor among those that its address may have."""
    wire = await house.client(user=None)
    await wire.says(b"a STARTTLS")
    (connection,) = house.service.connections
    wire.close()
    async with asyncio.timeout(30):
        await connection.gone
    assert not house.service.connections
    assert house.left == 1


async def test_draining_does_not_wait_for_handshakes(house: House) -> None:
    wire = await house.client(user=None)
    await wire.says(b"a STARTTLS")
    async with asyncio.timeout(30):  # drain itself would wait for an hour
        await house.service.drain(3600)
    assert not house.service.connections


class Deflated:
    """A client that speaks DEFLATE over a wire."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.deflater = zlib.compressobj(wbits=-15)
        self.inflater = zlib.decompressobj(-15)

    @classmethod
    async def over(cls, wire: Wire) -> "Deflated":
        assert b"z OK" in await wire.says(b"z COMPRESS DEFLATE")
        return cls(wire)

    def packed(self, octets: bytes) -> bytes:
        return self.deflater.compress(octets) + self.deflater.flush(zlib.Z_SYNC_FLUSH)

    async def says(self, command: bytes) -> bytes:
        await self.wire.send(self.packed(command + b"\r\n"))
        return await self.hear(command.split(b" ")[0] + b" ")

    async def hear(self, tag: bytes) -> bytes:
        heard = b""
        while not heard.endswith(b"\r\n") or b"\n" + tag not in b"\n" + heard:
            octets = await self.wire.reader.read(65536)
            heard += self.inflater.decompress(octets)
            if not octets:
                break
        return heard


async def test_compression_both_ways(house: House) -> None:
    """RFC 4978."""
    wire = await house.client()
    assert b" COMPRESS=DEFLATE" in await wire.says(b"b CAPABILITY")
    client = await Deflated.over(wire)
    large = MAIL + bytes(range(32, 127)) * 20_000
    assert b"c OK" in await client.says(b"c APPEND INBOX {%d+}\r\n" % len(large) + large)
    assert b"d OK" in await client.says(b"d SELECT INBOX")
    assert large in await client.says(b"e FETCH 1 BODY.PEEK[]")
    assert b"f BAD" in await client.says(b"f COMPRESS DEFLATE")
    assert b"COMPRESS" not in await client.says(b"g CAPABILITY")
    assert b"h BAD" in await client.says(b"h COMPRESS NOSUCH")
    await wire.send(client.packed(b"".join(b"t%d NOOP\r\n" % n for n in range(2000))))
    assert (await client.hear(b"t1999 ")).count(b" OK ") == 2000
    wire.close()


async def test_a_deflate_bomb_fills_no_memory(house: House) -> None:
    """Input is counted after inflation: a line of 100 MB is refused like any other, and the rest is thrown away."""
    wire = await house.client()
    client = await Deflated.over(wire)
    (connection,) = house.service.connections
    bomb = client.packed(b"x" * 100_000_000 + b"\r\n")
    assert len(bomb) < 200_000
    await wire.send(bomb)
    heard = await client.hear(b"* ")
    assert b" BAD " in heard or b"BYE" in heard
    assert len(connection.session._fragments._unread) <= 4 * limits.UNREAD
    wire.close()


async def test_what_is_not_deflate_ends_the_session(house: House) -> None:
    wire = await house.client()
    client = await Deflated.over(wire)
    await wire.send(b"\xff\xff\xff\xff not deflate\r\n" * 10)
    assert b"* BYE" in client.inflater.decompress(await wire.end())


async def test_pipelined_commands_are_answered_in_order(house: House) -> None:
    wire = await house.client()
    await wire.send(b"".join(b"t%d NOOP\r\n" % n for n in range(2000)))
    heard = await wire.hear(b"t1999 ")
    assert [line.split()[0] for line in heard.splitlines()] == [b"t%d" % n for n in range(2000)]
    wire.close()


async def test_a_client_that_does_not_read_holds_up_nobody_and_fills_no_memory(house: House) -> None:
    slow, other = await house.client(), await house.client(user=b"u2")
    large = MAIL * 2000
    await slow.says(b"b APPEND INBOX {%d+}\r\n" % len(large) + large)
    await slow.says(b"c SELECT INBOX")
    await slow.send(b"".join(b"f%d FETCH 1 BODY.PEEK[]\r\n" % n for n in range(20)))
    assert b"n OK" in await other.says(b"n NOOP")
    (blocked,) = [c for c in house.service.connections if c.session.selected is not None]
    assert len(b"".join(blocked.session.outgoing)) <= 2 * 256 * 1024
    assert blocked._transport.get_write_buffer_size() <= 4 * 256 * 1024
    heard = b""
    for n in range(20):
        heard = await slow.hear(b"f%d " % n)
    assert heard.count(MAIL) == 2000
    slow.close()
    other.close()


async def test_a_client_that_reads_nothing_for_long_is_cut_off(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = await house.client()
    large = MAIL * 2000
    await slow.says(b"b APPEND INBOX {%d+}\r\n" % len(large) + large)
    await slow.says(b"c SELECT INBOX")
    (connection,) = house.service.connections
    blocked = asyncio.Event()
    pause = connection.pause_writing

    def noticed() -> None:
        pause()
        blocked.set()

    monkeypatch.setattr(ImapConnection, "pause_writing", lambda self: noticed())
    await slow.send(b"".join(b"f%d FETCH 1 BODY.PEEK[]\r\n" % n for n in range(200)))
    await blocked.wait()
    monkeypatch.setattr(net, "STALLED_SECONDS", -1)
    connection._check()
    await connection.gone
    slow.close()


async def test_a_stranger_has_a_minute_to_sign_in(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    wire = await house.client(user=None)
    monkeypatch.setattr(limits, "UNAUTHENTICATED_SECONDS", -1)
    (connection,) = house.service.connections
    connection._check()
    assert (await wire.end()).startswith(b"* BYE")


async def test_an_idle_client_is_logged_out_but_not_while_it_waits_for_us(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = await house.client()
    (connection,) = house.service.connections
    connection._check()
    assert b"b OK" in await wire.says(b"b NOOP")
    monkeypatch.setattr(limits, "IDLE_SECONDS", -1)
    connection._check()
    assert b"Autologout" in await wire.end()


async def test_one_connection_too_many_is_told_so(house: House) -> None:
    house.admitted = 0
    wire = await house.connect()
    assert (await wire.end()).startswith(b"* BYE [UNAVAILABLE]")
    assert house.left == 0


async def test_draining_lets_a_command_finish_and_sends_the_others_away(house: House) -> None:
    busy, idle = await house.client(), await house.client(user=b"u2")
    await idle.send(b"i IDLE\r\n")
    await idle.hear(b"+ ")
    await busy.send(b"b APPEND INBOX {%d}\r\n" % len(MAIL))
    await busy.hear(b"+ ")
    drained = asyncio.ensure_future(house.service.drain(5))
    assert b"* BYE" in await idle.end()
    await busy.send(MAIL + b"\r\n")
    heard = await busy.end()
    assert b"b OK" in heard
    assert b"* BYE" in heard
    await drained
    assert not house.service.connections


async def test_a_fault_ends_the_session_and_tells_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    wire = await house.client()

    def fail(*_args: Any, **_words: Any) -> None:
        raise RuntimeError("the secret of our failure")

    monkeypatch.setattr(StoreExecutor, "read_now", fail)
    heard = await wire.says(b"b STATUS INBOX (MESSAGES)")
    assert b"secret" not in heard
    assert b"* BYE [SERVERBUG]" in heard


async def test_a_database_that_is_away_is_a_temporary_failure(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """T-1.5, the answer to a command."""
    wire = await house.client()

    def away(*_args: Any, **_words: Any) -> None:
        raise Unavailable("The mailbox database is not mounted")

    monkeypatch.setattr(MailboxDatabase, "submit", away)
    assert b"b NO [UNAVAILABLE]" in await wire.says(b"b CREATE x")
    monkeypatch.setattr(MailboxDatabase, "read", away)
    assert b"c NO [UNAVAILABLE]" in await wire.says(b"c STATUS INBOX (MESSAGES)")
    wire.close()


async def test_a_client_that_leaves_amid_a_command_harms_nobody(house: House) -> None:
    for words in (b"b IDLE\r\n", b"b APPEND INBOX {100}\r\nabc", b"b AUTHENTICATE PLAIN\r\n", b"b SEARCH TEXT x\r\n"):
        wire = await house.client()
        await wire.says(b"a SELECT INBOX")
        await wire.send(words)
        gone = [connection.gone for connection in house.service.connections]
        wire.close()
        await asyncio.wait(gone)
    assert not house.service.connections
    assert house.store.connections == 0


async def test_what_is_not_deflate_does_not_spin_for_ever(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that ended on what zlib cannot read is pumped again and again, with all of a processor."""
    wire = await house.client()
    await Deflated.over(wire)
    (connection,) = house.service.connections
    await wire.send(b"\xff" * 40)
    await wire.end()
    await asyncio.sleep(0.1)
    pumped = 0
    pump = type(connection).pump

    def counted(self: object) -> None:
        nonlocal pumped
        pumped += 1
        connection._deflate = None  # ends it, lest it disturb the tests that follow
        pump(connection)

    monkeypatch.setattr(type(connection), "pump", counted)
    await asyncio.sleep(0.1)
    assert pumped == 0


async def test_a_deflate_stream_that_ends_is_not_silence(house: House) -> None:
    """RFC 4978 3: nothing that follows can be read; who throws it away answers nothing until the timeout."""
    wire = await house.client()
    client = await Deflated.over(wire)
    await wire.send(client.deflater.compress(b"b NOOP\r\n") + client.deflater.flush(zlib.Z_FINISH))
    await client.hear(b"b ")
    await wire.send(b"c NOOP\r\n")
    async with asyncio.timeout(2):
        assert await wire.reader.read(100) is not None


async def test_a_client_that_idles_and_does_not_read_fills_no_memory(house: House) -> None:
    """What is told in IDLE is written however much waits already: the buffer grows for STALLED_SECONDS."""
    wire = await house.client()
    for number in range(300):
        await wire.says(b"b%d APPEND INBOX {3+}\r\nx\r\n" % number)
    await wire.says(b"c SELECT INBOX")
    idle = await house.client()
    connection = max(house.service.connections, key=lambda found: found.number)
    await idle.says(b"c SELECT INBOX")
    await idle.send(b"d IDLE\r\n")
    await idle.hear(b"+")
    idle.reader._transport.pause_reading()  # type: ignore[attr-defined]
    for number in range(1500):
        await wire.says(b"e%d STORE 1:* %bFLAGS.SILENT (\\Flagged)" % (number, b"+-"[number % 2 : number % 2 + 1]))
    assert connection._transport.get_write_buffer_size() < 1_000_000


async def test_signed_out_a_client_speaks_plainly(house: House) -> None:
    """RFC 8437 4.1: both terminate their compression layers, the server after the CRLF of its OK."""
    wire = await house.client()
    client = await Deflated.over(wire)
    assert b"b OK" in await client.says(b"b UNAUTHENTICATE")
    assert b"c OK" in await wire.says(b"c LOGIN u1 pass")


async def test_who_ends_its_stream_may_sign_in_plainly_in_the_same_packet(house: House) -> None:
    """RFC 8437 4.1: the client's layer ends behind UNAUTHENTICATE, not behind our OK."""
    wire = await house.client()
    client = await Deflated.over(wire)
    ended = client.deflater.compress(b"b UNAUTHENTICATE\r\n") + client.deflater.flush(zlib.Z_FINISH)
    await wire.send(ended + b"c LOGIN u1 pass\r\n")
    packed = await wire.reader.readuntil(b"\x00\x00\xff\xff")  # where the server's layer ends
    assert client.inflater.decompress(packed).startswith(b"b OK")
    assert (await wire.hear(b"c ")).startswith(b"c OK")
