"""The doors of a server: what is opened for each endpoint, all or nothing, and how connections come in by them."""

import asyncio
import errno
import os
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from adapters.server.config import Endpoint, Imap, Lmtp, Metrics, Server, Settings, Smtp
from adapters.server.listeners import (
    ACCEPTED_AT_A_TIME,
    RETRY_SECONDS,
    Acceptor,
    CannotListen,
    Door,
    at_path,
    opened,
)
from adapters.server.sockets import reachable, socket_path
from tests.support.ports import free_ports


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def on(root: Path, **ends: str) -> Settings:
    """Settings with these endpoints and no others."""
    at = {name: (Endpoint.read(end),) for name, end in ends.items()}
    return Settings(
        server=Server(data_dir=root),
        imap=Imap(listen=at.get("imap", ()), listen_tls=at.get("imaps", ())),
        smtp=Smtp(listen=at.get("smtp", ())),
        lmtp=Lmtp(listen=at.get("lmtp", ())),
        metrics=Metrics(listen=at.get("metrics", ())),
    )


@pytest.fixture
def opens() -> Iterator[Callable[[Settings], list[Door]]]:
    """Opens doors that are closed when the test is done."""
    with ExitStack() as stack:

        def open_them(settings: Settings) -> list[Door]:
            doors = opened(settings)
            for door in doors:
                stack.callback(door.close)
            return doors

        yield open_them


Opens = Callable[[Settings], list[Door]]
ANYWHERE = "127.0.0.1:0"


# ---------------------------------------------------------------------------------------------- opening


def test_there_is_a_door_for_each_endpoint_and_the_control_channel(tmp_path: Path, opens: Opens) -> None:
    ends = dict.fromkeys(("imap", "imaps", "smtp", "metrics"), ANYWHERE)
    doors = opens(on(tmp_path, **ends, lmtp="unix:run/lmtp.sock"))
    assert [door.name for door in doors] == ["imap", "imaps", "smtp", "lmtp", "metrics", "control"]
    for door in doors:
        if door.path is None:
            assert door.listener.getsockname()[0] == "127.0.0.1"
            socket.create_connection(door.listener.getsockname()).close()
        else:
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(door.path))
    assert [door.path for door in doors if door.path] == [tmp_path / "run" / "lmtp.sock", socket_path(tmp_path)]


def test_one_kind_may_have_several_doors(tmp_path: Path, opens: Opens) -> None:
    settings = Settings(
        server=Server(data_dir=tmp_path),
        imap=Imap(listen=(Endpoint(ANYWHERE), Endpoint(ANYWHERE)), listen_tls=()),
        smtp=Smtp(listen=()),
        lmtp=Lmtp(listen=(Endpoint("unix:a.sock"), Endpoint("unix:b.sock"))),
    )
    assert [door.name for door in opens(settings)] == ["imap", "imap", "lmtp", "lmtp", "control"]


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_all_addresses_are_those_of_both_families(tmp_path: Path, opens: Opens) -> None:
    """On one port, which each has for itself: IPv4 clients must not look like ::ffff:192.0.2.1."""
    (port,) = free_ports(1)
    *doors, control = opens(on(tmp_path, smtp=f"*:{port}"))
    assert control.name == "control"
    assert {door.listener.family for door in doors} == {socket.AF_INET, socket.AF_INET6}
    assert {door.name for door in doors} == {"smtp"}
    for address in ("127.0.0.1", "::1"):
        socket.create_connection((address, port)).close()
    for door in doors:
        connection, (address, *_) = door.listener.accept()
        connection.close()
        assert address in ("127.0.0.1", "::1")


def test_an_address_of_the_other_family_can_be_written_in_brackets(tmp_path: Path, opens: Opens) -> None:
    if not has_ipv6():
        pytest.skip("this machine has no IPv6")
    door, _ = opens(on(tmp_path, imap="[::1]:0"))
    assert door.listener.family == socket.AF_INET6


def test_unix_sockets_are_for_those_who_may_from_their_first_moment_on(
    tmp_path: Path, opens: Opens, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever connects between bind and chmod has come in."""
    modes: dict[str, int] = {}
    bind = socket.socket.bind

    def watched(self: socket.socket, address: Any) -> None:
        bind(self, address)
        if self.family == socket.AF_UNIX:
            modes[Path(address).name] = stat.S_IMODE(os.stat(address).st_mode)

    monkeypatch.setattr(socket.socket, "bind", watched)
    before = os.umask(0o022)
    try:
        doors = opens(on(tmp_path, lmtp="unix:lmtp.sock"))
        assert os.umask(0o022) == 0o022, "the process's own is as before"
    finally:
        os.umask(before)
    assert modes == {"lmtp.sock": 0o660, "control.sock": 0o600}
    for door in doors:
        assert door.path is not None
        assert stat.S_IMODE(door.path.stat().st_mode) == modes[door.path.name]


def test_a_socket_that_a_server_left_behind_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "run" / "x.sock"
    at_path(path, 0o600).close()
    assert path.is_socket()
    listener = at_path(path, 0o600)
    with listener, socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "letters"
    path.write_text("dear")
    with pytest.raises(CannotListen, match="no socket") as raised:
        opened(on(tmp_path, lmtp="unix:letters"))
    assert (raised.value.where, raised.value.errno) == ("unix:letters", errno.EEXIST)
    assert path.read_text() == "dear"


def test_a_directory_may_be_as_deep_as_it_likes(tmp_path: Path) -> None:
    """The kernel takes names of 108 octets only."""
    path = tmp_path / ("d" * 100) / "x.sock"
    with at_path(path, 0o600), reachable(path) as name, socket.socket(socket.AF_UNIX) as client:
        client.connect(name)


def test_a_door_takes_its_name_away(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    door = Door("lmtp", at_path(path, 0o660), path)
    door.close()
    assert not path.exists()
    door.close()


@pytest.mark.parametrize(("host", "occupied"), [("127.0.0.1", "127.0.0.1"), ("*", "127.0.0.1"), ("*", "::1")])
def test_all_are_opened_or_none(tmp_path: Path, host: str, occupied: str) -> None:
    """The last of them cannot be: the others can be opened by somebody else at once, and no name is left.

    Nor is half of an endpoint, of one family.
    """
    if ":" in occupied and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    free, taken = free_ports(2)
    with socket.create_server((occupied, taken), family=socket.AF_INET6 if ":" in occupied else socket.AF_INET):
        settings = on(tmp_path, imap=f"127.0.0.1:{free}", lmtp="unix:lmtp.sock", metrics=f"{host}:{taken}")
        with pytest.raises(CannotListen) as raised:
            opened(settings)
        assert (raised.value.where, raised.value.errno) == (f"{host}:{taken}", errno.EADDRINUSE)
        socket.create_server(("127.0.0.1", free)).close()
        assert not (tmp_path / "lmtp.sock").exists()
        assert not socket_path(tmp_path).exists()


# ---------------------------------------------------------------------------------------------- taking in


class Hall:
    """Who has come in by a door on this machine."""

    def __init__(self, *doors: Door) -> None:
        self.taken: list[tuple[str, socket.socket]] = []
        self._news = asyncio.Event()
        self.acceptor = Acceptor(doors, asyncio.get_running_loop(), self._take)

    def _take(self, door: str, connection: socket.socket) -> None:
        self.taken.append((door, connection))
        self._news.set()

    async def until(self, count: int) -> None:
        while len(self.taken) < count:
            self._news.clear()
            await self._news.wait()

    def close(self) -> None:
        self.acceptor.close()
        for _, connection in self.taken:
            connection.close()


def tcp_door() -> Door:
    return Door("imap", socket.create_server(("127.0.0.1", 0)))


async def test_connections_come_in_by_the_name_of_their_door(tmp_path: Path) -> None:
    """Each without delay: what is sent last would else wait for what was sent before to be acknowledged."""
    path = tmp_path / "x.sock"
    tcp, unix = tcp_door(), Door("lmtp", at_path(path, 0o600), path)
    hall = Hall(tcp, unix)
    hall.acceptor.open()
    hall.acceptor.open()
    with socket.create_connection(tcp.listener.getsockname()), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        await hall.until(2)
    connections = dict(hall.taken)
    assert connections.keys() == {"imap", "lmtp"}
    assert connections["imap"].getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert all(connection.getblocking() is False for connection in connections.values())
    hall.close()
    assert not path.exists()


async def test_who_comes_to_a_shut_door_waits_until_it_is_opened() -> None:
    door = tcp_door()
    address = door.listener.getsockname()
    hall = Hall(door)
    hall.acceptor.open()
    with socket.create_connection(address):
        await hall.until(1)
        hall.acceptor.shut()
        hall.acceptor.shut()
        with socket.create_connection(address):
            for _ in range(5):
                await asyncio.sleep(0)
            assert len(hall.taken) == 1
            hall.acceptor.open()
            await hall.until(2)
    hall.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


class FakeLoop:
    """Does nothing by itself."""

    def __init__(self) -> None:
        self.readers: dict[int, Callable[[], None]] = {}
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def add_reader(self, descriptor: int, run: Callable[..., None], *args: Any) -> None:
        assert descriptor >= 0, "a closed socket has no descriptor"
        self.readers[descriptor] = partial(run, *args)

    def remove_reader(self, descriptor: int) -> bool:
        return self.readers.pop(descriptor, None) is not None

    def call_later(self, seconds: float, run: Callable[[], None]) -> "Timer":
        self.timers.append((seconds, run))
        return Timer(self)

    def turn(self) -> None:
        """Somebody is before every door that is open."""
        for run in tuple(self.readers.values()):
            run()

    def pass_time(self) -> None:
        timers, self.timers = self.timers, []
        for _, run in timers:
            run()


class Timer:
    """The only one."""

    def __init__(self, loop: FakeLoop) -> None:
        self._loop = loop

    def cancel(self) -> None:
        self._loop.timers.clear()


class FakeListener:
    """Gives what it is told to."""

    family = socket.AF_INET

    def __init__(self, number: int, *outcomes: OSError | None) -> None:
        self._number = number
        self.outcomes = list(outcomes)

    def fileno(self) -> int:
        return self._number

    def setblocking(self, flag: bool) -> None:
        assert self._number >= 0, "it is closed"

    def accept(self) -> tuple[socket.socket, str]:
        if not self.outcomes:
            raise BlockingIOError
        if (outcome := self.outcomes.pop(0)) is not None:
            raise outcome
        return socket.socket(), ""

    def close(self) -> None:
        self._number = -1


class FakeHall:
    def __init__(self, *listeners: FakeListener) -> None:
        self.taken = 0
        self.loop = FakeLoop()
        doors = [Door("imap", cast("Any", listener)) for listener in listeners]
        self.acceptor = Acceptor(doors, cast("Any", self.loop), self._take)
        self.acceptor.open()

    def _take(self, door: str, connection: socket.socket) -> None:
        self.taken += 1
        connection.close()


def test_one_door_takes_so_many_before_others_have_their_turn() -> None:
    one, other = FakeListener(7, *[None] * (ACCEPTED_AT_A_TIME + 3)), FakeListener(8, None)
    hall = FakeHall(one, other)
    hall.loop.turn()
    assert hall.taken == ACCEPTED_AT_A_TIME + 1
    hall.loop.turn()
    assert hall.taken == ACCEPTED_AT_A_TIME + 4


def test_who_has_gone_before_he_came_in_keeps_nobody_else_out() -> None:
    hall = FakeHall(FakeListener(7, ConnectionAbortedError(), None))
    hall.loop.turn()
    hall.loop.turn()
    assert hall.taken == 1
    assert hall.loop.timers == []


FULL = OSError(errno.EMFILE, "Too many open files")


def test_without_a_free_descriptor_nobody_is_taken_for_a_moment() -> None:
    """All doors are shut meanwhile: they would be ready again at once, and the loop would do nothing else."""
    hall = FakeHall(FakeListener(7, None, FULL, None), FakeListener(8))
    hall.loop.turn()
    assert hall.taken == 1
    assert hall.loop.readers == {}
    ((seconds, _),) = hall.loop.timers
    assert seconds == RETRY_SECONDS
    hall.loop.pass_time()
    assert hall.loop.readers.keys() == {7, 8}
    hall.loop.turn()
    assert hall.taken == 2
    assert hall.loop.timers == []


def test_doors_that_are_closed_in_the_pause_stay_closed() -> None:
    hall = FakeHall(FakeListener(7, FULL))
    hall.loop.turn()
    hall.acceptor.close()
    hall.loop.pass_time()
    assert hall.loop.readers == {}


def test_doors_that_are_shut_in_the_pause_stay_shut() -> None:
    """As the supervisor shuts them when no worker is left: whoever comes in then is turned away."""
    hall = FakeHall(FakeListener(7, FULL))
    hall.loop.turn()
    hall.acceptor.shut()
    hall.loop.pass_time()
    assert hall.loop.readers == {}
