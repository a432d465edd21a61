"""How a command reaches an installation: through the server that runs on it, else by opening it.

Both ways carry the same verbs out; who asks need not know which it was.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple, Protocol, TypeVar

from adapters.server.administration.context import Context, Progress, Request
from adapters.server.config import Server, Settings, load
from adapters.server.controlclient import ControlClient
from adapters.server.trouble import OutOfReach, opening, owner

T = TypeVar("T")

SETTINGS_FILE: Final = "penfold.toml"
USUAL: Final = Path("/etc/penfold") / SETTINGS_FILE


class Place(NamedTuple):
    """Which installation is meant: that of a settings file, or that in a directory."""

    config: Path | None = None
    directory: Path | None = None

    @property
    def has_file(self) -> bool:
        """A demo has no settings file, and needs none to be administered."""
        return self.directory is None or os.path.lexists(self.directory / SETTINGS_FILE)

    def settings(self) -> Settings:
        """Raises SettingsError, OutOfReach."""
        if self.config is not None:
            return load(self.config)
        if self.directory is not None:
            if self.has_file:
                return load(self.directory / SETTINGS_FILE)
            if not os.path.lexists(self.directory):
                raise OutOfReach(f"there is no {self.directory}: run `penfold init` to make an installation")
            return Settings(server=Server(data_dir=self.directory.absolute()))
        if not os.path.lexists(USUAL):
            raise OutOfReach(f"there is no {USUAL}: say --config FILE or --dir DIR, or make one with `penfold init`")
        return load(USUAL)


class Channel(Protocol):
    """Where verbs are asked for."""

    def ask(self, request: Request[T], progress: Callable[[Progress], None] = ...) -> T:
        """Raises the refusals of the verb, or Refused with the name of one."""
        ...


@contextmanager
def reach(place: Place) -> Iterator[Channel]:
    """Raises SettingsError, OutOfReach, DatabaseLocked."""
    with reach_or_make(place.settings(), create=False) as channel:
        yield channel


@contextmanager
def reach_or_make(settings: Settings, *, create: bool) -> Iterator[Channel]:
    """The same; `create` makes the installation where there is none."""
    client = _server_of(settings)
    if client is None:
        with _opened(settings, create=create) as channel:
            yield channel
        return
    try:
        yield client
    finally:
        client.close()


def is_served(settings: Settings) -> bool:
    """Whether a server has the installation open."""
    client = _server_of(settings)
    if client is not None:
        client.close()
    return client is not None


def asked_of_server(place: Place, request: Request[T]) -> T | None:
    """A server's answer; None where none is running."""
    client = _server_of(place.settings())
    if client is None:
        return None
    try:
        return client.ask(request)
    finally:
        client.close()


def _server_of(settings: Settings) -> ControlClient | None:
    root = settings.server.data_dir
    try:
        return ControlClient(root)
    except PermissionError:
        raise OutOfReach(f"not allowed to administer {root}: be {owner(root)}, or root") from None
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        return None


class _Local:
    """An installation that this process has to itself."""

    def __init__(self, settings: Settings, *, create: bool) -> None:
        # Only now: whoever talks to a server needs nothing of this.
        from adapters.server.administration.verbs import carry_out
        from adapters.server.control import caller_of
        from adapters.server.installation import Installation

        self._carry_out = carry_out
        self._caller = caller_of(os.getuid(), via="command")
        become_owner(settings.server.data_dir)
        self.house = Installation(settings, create=create)
        if create:
            self.house.ensure_certificate()

    def ask(self, request: Request[T], progress: Callable[[Progress], None] = lambda progress: None) -> T:
        return self._carry_out(Context(self.house, self._caller, progress=progress), request)


@contextmanager
def _opened(settings: Settings, *, create: bool) -> Iterator[_Local]:
    """The installation, with its locks.  Raises OutOfReach, DatabaseLocked."""
    with opening(settings.server.data_dir):
        channel = _Local(settings, create=create)
    try:
        yield channel
    finally:
        channel.house.close()


def become_owner(root: Path) -> None:
    """Root works as whoever the data belong to: or the server would find files that it may not open."""
    if os.geteuid() != 0 or not root.exists():
        return
    theirs = root.stat()
    if theirs.st_uid != 0:
        os.setgroups([])
        os.setgid(theirs.st_gid)
        os.setuid(theirs.st_uid)
