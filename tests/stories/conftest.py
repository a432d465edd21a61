"""A whole server, on ports that the system chose, and stock clients in threads.

Every story is told twice: of a server in this process, and of two workers, to which clients are given in turn.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import pytest
import structlog
from msgspec.structs import replace

from adapters.server import demo
from adapters.server.administration.context import Request
from adapters.server.administration.databases import SetDatabase
from adapters.server.administration.quotas import QuotaChange
from adapters.server.config import Connections, Endpoint, Imap, Lmtp, Settings, Smtp
from adapters.server.controlclient import ControlClient
from adapters.server.server import Server
from adapters.server.workers.supervisor import Supervisor
from tests.support.ports import free_ports

PASSWORD = "pass"
WORKERS = 1  # see the fixture
T = TypeVar("T")


class House:
    """The running server, and where it is."""

    def __init__(self, server: Server | None, settings: Settings) -> None:
        """`server` where it is in this process."""
        self._server = server
        self.root = settings.server.data_dir
        self.imap = settings.imap.listen[0].port
        self.imaps = settings.imap.listen_tls[0].port
        self.smtp = settings.smtp.listen[0].port
        self.lmtp = settings.lmtp.listen[0].port
        self.unix = self.root / "run" / "lmtp.sock"
        self.certificate = self.root / "tls" / "certificate.pem"

    @property
    def server(self) -> Server:
        assert self._server is not None, "it is in this process"
        return self._server

    def tls(self) -> ssl.SSLContext:
        """A client's context that trusts this server."""
        return ssl.create_default_context(cafile=self.certificate)

    def ask(self, request: Request[T]) -> T:
        """What the server answers its administrator; from a thread."""
        client = ControlClient(self.root)
        try:
            return client.ask(request)
        finally:
            client.close()

    async def set_quota(self, octets: int | None) -> None:
        await asyncio.to_thread(self.ask, SetDatabase("first", QuotaChange(prohibit_all=octets)))


@pytest.fixture(autouse=True, params=[1, 2], ids=["alone", "two-workers"])
def workers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many processes serve."""
    monkeypatch.setattr(f"{__name__}.WORKERS", request.param)
    return int(request.param)


def chosen(directory: Path) -> Settings:
    plain = demo.settings(directory, 0)
    imap, imaps, smtp, lmtp = (Endpoint(f"127.0.0.1:{port}") for port in free_ports(4))
    return replace(
        plain,
        server=replace(plain.server, workers=WORKERS),
        imap=Imap(listen=(imap,), listen_tls=(imaps,), max_message_size=plain.imap.max_message_size),
        smtp=Smtp(listen=(smtp,), max_message_size=plain.smtp.max_message_size),
        lmtp=Lmtp(listen=(lmtp, Endpoint("unix:run/lmtp.sock"))),
        connections=Connections(total=100, per_ip=50, per_user=5),
    )


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[House]:
    """A server with three users."""
    await asyncio.to_thread(demo.prepare, settings, users=3, password=PASSWORD, sample=False)
    loop, log = asyncio.get_running_loop(), structlog.get_logger()
    server = Server(settings, loop, log) if settings.server.workers == 1 else None
    stop = await (server or Supervisor(settings, settings.server.workers, loop, log)).start()
    try:
        yield House(server, settings)
    finally:
        await stop()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with running(chosen(tmp_path / "penfold")) as house:
        yield house
