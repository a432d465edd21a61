"""The control channel: what a running server says to its administrators, and to whoever else may try."""

import asyncio
import json
import os
import socket
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from adapters.server import control
from adapters.server.administration import verbs
from adapters.server.administration.checks import Check
from adapters.server.administration.context import Context, Progress
from adapters.server.administration.databases import ListDomains
from adapters.server.config import Server, Settings
from adapters.server.control import ControlService
from adapters.server.controlclient import REQUEST_OCTETS, ConnectionBroken, ControlClient, Refused
from adapters.server.installation import Installation
from adapters.server.listeners import Door, at_path
from adapters.server.sockets import socket_path
from tests.adapters.test_administration import FakeSessions


class Log:
    """Keeps what is logged."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def _note(self, event: str, **facts: Any) -> None:
        self.events.append((event, facts))

    info = warning = exception = _note


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Installation]:
    house = Installation(Settings(server=Server(data_dir=tmp_path / "mail")), create=True)
    house.add_database("first")
    house.organization.add_domain("example.com")
    try:
        yield house
    finally:
        house.close()


@asynccontextmanager
async def listening(house: Installation) -> AsyncIterator[Log]:
    log = Log()
    service = ControlService(house, FakeSessions(), log=log)
    path = socket_path(house.root)
    door = Door("control", at_path(path, 0o600), path)
    server = await asyncio.get_running_loop().create_unix_server(service, sock=door.listener)
    try:
        yield log
    finally:
        server.close()
        door.close()
        await service.drain(10)


class Peer:
    """Says octets, and hears objects."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def hears(self) -> Any:
        """The next answer; None at the end, which is a reset where the server had not read all."""
        try:
            line = await self.reader.readline()
        except ConnectionResetError:
            return None
        return json.loads(line) if line else None

    async def says(self, octets: bytes) -> Any:
        self.writer.write(octets)
        return await self.hears()


@asynccontextmanager
async def connected(house: Installation) -> AsyncIterator[Peer]:
    reader, writer = await asyncio.open_unix_connection(str(socket_path(house.root)))
    try:
        yield Peer(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionResetError):  # see `hears`
            await writer.wait_closed()


DOMAINS = b'{"id": 7, "do": "domain.list"}\n'
ANSWER = {"id": 7, "ok": [{"domain": "example.com", "default": True}]}


async def test_a_request_is_answered_under_its_number(house: Installation) -> None:
    async with listening(house) as log, connected(house) as peer:
        assert await peer.says(DOMAINS) == ANSWER
        assert await peer.says(b'{"id":8,"do":"mailbox.show","with":{"alias":"x"}}\n') == {
            "id": 8,
            "refused": "NoSuchRecipient",
            "text": "No mailbox has the alias or address x",
        }
        assert [event for event, _ in log.events] == ["control.done"]


async def test_requests_that_come_at_once_are_answered_in_order(house: Installation) -> None:
    async with listening(house), connected(house) as peer:
        peer.writer.write(b"".join(b'{"id":%d,"do":"domain.list"}\n' % number for number in range(50)))
        assert [(await peer.hears())["id"] for _ in range(50)] == list(range(50))


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"GET / HTTP/1.1",
        b"\xff\xfe\x00",
        b"[]",
        b"{}",
        b'{"id": "x", "do": "check"}',
        b'{"id": 1e400, "do": "check"}',
        b'{"id": 1, "do": 1}',
        b"[" * 5000,
        b'{"id": 1, "do": "' + b"x" * 5000 + b'"}',
        b'{"id": 1, "do": "__class__"}',
        b'{"id": 1, "do": "mailbox.show"}',
        b'{"id": 1, "do": "mailbox.show", "with": []}',
        b'{"id": 1, "do": "mailbox.show", "with": {"alias": 1}}',
        b'{"id": 1, "do": "mailbox.show", "with": {"alias": "\\ud800"}}',
    ],
)
async def test_garbage_gets_a_line_and_the_next_request_its_answer(house: Installation, garbage: bytes) -> None:
    async with listening(house) as log, connected(house) as peer:
        answer = await peer.says(garbage + b"\n")
        assert answer["refused"] in ("BadRequest", "NoSuchRecipient")
        assert len(answer["text"]) < 500
        assert await peer.says(DOMAINS) == ANSWER
        assert [event for event, _ in log.events] == ["control.done"]


async def test_a_line_without_end_is_cut_off(house: Installation) -> None:
    async with listening(house), connected(house) as peer:
        answer = await peer.says(b"x" * (REQUEST_OCTETS * 2))
        assert (answer["id"], answer["refused"]) == (None, "BadRequest")
        assert await peer.hears() is None


async def test_half_a_line_at_the_end_is_no_request(house: Installation) -> None:
    async with listening(house) as log, connected(house) as peer:
        peer.writer.write(DOMAINS[:-1])
        peer.writer.write_eof()
        assert await peer.hears() is None
        assert log.events == []


async def test_there_may_be_many_clients_but_not_any_number(house: Installation) -> None:
    async with listening(house):
        peers = [await asyncio.open_unix_connection(str(socket_path(house.root))) for _ in range(control.CLIENTS)]
        for reader, writer in peers:
            writer.write(DOMAINS)
            assert json.loads(await reader.readline()) == ANSWER
        async with connected(house) as one_more:
            assert (await one_more.hears())["text"] == "Too many connections"
            assert await one_more.hears() is None
        for _, writer in peers:
            writer.close()
            await writer.wait_closed()


async def test_a_fault_is_logged_and_not_told(house: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(context: Context, ask: object) -> None:
        raise ZeroDivisionError("inner secrets")

    monkeypatch.setattr(
        control, "VERBS", {**verbs.VERBS, "domain.list": verbs.VERBS["domain.list"]._replace(run=fails)}
    )
    monkeypatch.setattr(verbs, "VERBS", {**verbs.VERBS, "domain.list": verbs.VERBS["domain.list"]._replace(run=fails)})
    async with listening(house) as log, connected(house) as peer:
        answer = await peer.says(DOMAINS)
        assert answer["refused"] == "Fault"
        assert "inner secrets" not in answer["text"]
        assert [event for event, _ in log.events] == ["control.fault"]


async def test_somebody_else_is_refused(house: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "_peer", lambda writer: None)
    async with listening(house) as log, connected(house) as peer:
        refused = await peer.hears()
        assert refused is not None
        assert "root" in refused["text"]
        assert await peer.hears() is None
        assert log.events == []


async def test_the_socket_is_for_its_owner_and_goes_with_the_server(house: Installation) -> None:
    path = socket_path(house.root)
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    async with listening(house):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        async with connected(house) as peer:
            assert await peer.says(DOMAINS) == ANSWER
    assert not path.exists()


async def test_a_deep_directory_is_no_hindrance(tmp_path: Path) -> None:
    """A socket's name has 108 octets at most, a path as many as it likes."""
    house = Installation(Settings(server=Server(data_dir=tmp_path / "d" / ("x" * 120))), create=True)
    try:
        async with listening(house):
            assert await asyncio.to_thread(ask_domains, house.root) == 0
    finally:
        house.close()


def ask_domains(root: Path) -> int:
    client = ControlClient(root)
    try:
        return len(client.ask(ListDomains()))
    finally:
        client.close()


async def test_the_client_hears_progress_results_and_refusals(house: Installation) -> None:
    def ask() -> tuple[list[Progress], bool]:
        client = ControlClient(house.root)
        steps: list[Progress] = []
        try:
            sound = client.ask(Check(deep=True), steps.append).sound
            with pytest.raises(Refused) as no:
                client.ask(Check(databases=("second",)))
            assert (no.value.kind, no.value.temporary) == ("NoSuchDatabase", False)
        finally:
            client.close()
        return steps, sound

    async with listening(house):
        assert await asyncio.to_thread(ask) == ([Progress("first", 0, 0)], True)


async def test_a_stop_breaks_a_check_off_and_lets_its_client_know(
    house: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def check(context: Context, ask: Check) -> None:
        loop.call_soon_threadsafe(begun.set)
        while True:
            context.progress(Progress("first", 1, 2))

    monkeypatch.setattr(verbs, "VERBS", {**verbs.VERBS, "check": verbs.VERBS["check"]._replace(run=check)})

    def ask() -> str:
        client = ControlClient(house.root)
        try:
            client.ask(Check())
        except (Refused, ConnectionBroken) as no:
            return getattr(no, "kind", "broken")
        finally:
            client.close()
        return "done"

    async with listening(house):
        asking = asyncio.create_task(asyncio.to_thread(ask))
        await begun.wait()
    assert await asking == "Interrupted"


async def test_a_verb_ends_when_nobody_waits_for_it_any_more(
    house: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    def check(context: Context, ask: Check) -> None:
        try:
            while True:
                context.progress(Progress("first", 1, 2))
                loop.call_soon_threadsafe(begun.set)
        finally:
            loop.call_soon_threadsafe(ended.set)

    monkeypatch.setattr(verbs, "VERBS", {**verbs.VERBS, "check": verbs.VERBS["check"]._replace(run=check)})
    async with listening(house):
        async with connected(house) as peer:
            peer.writer.write(b'{"id":1,"do":"check"}\n')
            await begun.wait()
        await asyncio.wait_for(ended.wait(), 30)


def test_without_a_server_there_is_nobody_to_connect_to(house: Installation) -> None:
    with pytest.raises(FileNotFoundError):
        ControlClient(house.root)
    path = socket_path(house.root)
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    with pytest.raises(ConnectionRefusedError):
        ControlClient(house.root)
