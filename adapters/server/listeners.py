"""The doors of a server: a listening socket for each endpoint of the settings, and the control channel's.

They are opened once, by the process that is alone or by the supervisor of several, so that nobody else can have taken a
port half, and what cannot be opened is known before anything else has begun.
"""

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

from adapters.server.config import Endpoint, Settings
from adapters.server.sockets import reachable, socket_path

BACKLOG: Final = 1024
ACCEPTED_AT_A_TIME: Final = 64  # by one door, before others have their turn
RETRY_SECONDS: Final = 1.0

# What comes in by a door, as connections are counted for each worker; those of the others all go to the first.
SESSIONS: Final = {"imap": "clients", "imaps": "clients", "smtp": "mail", "lmtp": "mail"}
SOCKET_MODES: Final = {
    "control": 0o600,  # for the server's own account
    "lmtp": 0o660,  # a mail hub needs the group, and can then deliver
}


class CannotListen(OSError):
    """An endpoint of the settings cannot be opened."""

    def __init__(self, where: str, fault: OSError) -> None:
        super().__init__(fault.errno, fault.strerror or str(fault))
        self.where = where


class Door(NamedTuple):
    """A listening socket, and what is spoken there."""

    name: str  # "imap", "imaps", "smtp", "lmtp", "metrics", "control"
    listener: socket.socket
    path: Path | None = None  # where it has a name in the file system

    def close(self) -> None:
        """Closes it, and takes its name away."""
        self.listener.close()
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def opened(settings: Settings) -> list[Door]:
    """All doors, or none.  Raises CannotListen."""
    with ExitStack() as half_done:
        doors = []
        for door in _doors(settings):
            half_done.callback(door.close)
            doors.append(door)
        half_done.pop_all()
    return doors


def _endpoints(settings: Settings) -> Mapping[str, tuple[Endpoint, ...]]:
    return {
        "imap": settings.imap.listen,
        "imaps": settings.imap.listen_tls,
        "smtp": settings.smtp.listen,
        "lmtp": settings.lmtp.listen,
        "metrics": settings.metrics.listen,
    }


def _doors(settings: Settings) -> Iterator[Door]:
    root = settings.server.data_dir
    for name, endpoints in _endpoints(settings).items():
        for endpoint in endpoints:
            try:
                yield from _doors_at(name, endpoint, root)
            except OSError as fault:
                raise CannotListen(str(endpoint), fault) from fault
    yield Door("control", at_path(socket_path(root), SOCKET_MODES["control"]), socket_path(root))


def _doors_at(name: str, endpoint: Endpoint, root: Path) -> Iterator[Door]:
    if endpoint.path is None:
        yield from (Door(name, listener) for listener in _at_address(endpoint))
    else:
        path = root / endpoint.path
        yield Door(name, at_path(path, SOCKET_MODES[name]), path)


def _at_address(endpoint: Endpoint) -> Iterator[socket.socket]:
    """A socket for each address that the endpoint means."""
    found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    for family, kind, protocol, _, address in dict.fromkeys(found):
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind(address)
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
        yield listener


def at_path(path: Path, mode: int) -> socket.socket:
    """In the place of a socket that a server before us left: we hold its locks, so it is gone."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    if path.is_socket():
        path.unlink()
    elif path.exists():
        raise OSError(errno.EEXIST, "there is a file that is no socket")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o777 & ~mode)  # from its first moment on it is for those only
    try:
        with reachable(path) as name:
            listener.bind(name)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(before)
    return listener


class Acceptor:
    """Takes connections in, by all doors.  Used from the event loop."""

    def __init__(
        self, doors: Sequence[Door], loop: asyncio.AbstractEventLoop, take: Callable[[str, socket.socket], None]
    ) -> None:
        """`take` is called for each connection, with the name of its door; it is the taker's then."""
        self._doors = doors
        self._loop = loop
        self._take = take
        self._is_open = False
        self._retry: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """From now on; nothing happens if they are open already."""
        if not self._is_open:
            self._is_open = True
            for door in self._doors:
                door.listener.setblocking(False)
                self._loop.add_reader(door.listener.fileno(), self._accept, door)

    def shut(self) -> None:
        """Who comes waits before the door."""
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._is_open:
            self._is_open = False
            for door in self._doors:
                self._loop.remove_reader(door.listener.fileno())

    def close(self) -> None:
        """Whoever comes is refused."""
        self.shut()
        for door in self._doors:
            door.close()

    def _accept(self, door: Door) -> None:
        for _ in range(ACCEPTED_AT_A_TIME):
            try:
                connection, _ = door.listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError:  # no descriptor is free: the connections that end will free some
                self.shut()
                self._retry = self._loop.call_later(RETRY_SECONDS, self.open)
                return
            connection.setblocking(False)
            if connection.family != socket.AF_UNIX:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._take(door.name, connection)
