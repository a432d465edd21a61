"""A whole server in this process, on ports that the system chose, and stock clients in threads."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import structlog
from msgspec.structs import replace

from adapters.server import demo
from adapters.server.config import Connections, Endpoint, Imap, Lmtp, Settings, Smtp
from adapters.server.server import Server
from core.recipients import Quota
from tests.support.ports import free_ports

PASSWORD = "pass"


class House:
    """The running server, and where it is."""

    def __init__(self, server: Server, settings: Settings) -> None:
        self.server = server
        self.imap = settings.imap.listen[0].port
        self.imaps = settings.imap.listen_tls[0].port
        self.smtp = settings.smtp.listen[0].port
        self.lmtp = settings.lmtp.listen[0].port
        self.unix = settings.server.data_dir / "run" / "lmtp.sock"
        self.certificate = settings.server.data_dir / "tls" / "certificate.pem"

    def tls(self) -> ssl.SSLContext:
        """A client's context that trusts this server."""
        return ssl.create_default_context(cafile=self.certificate)

    def set_quota(self, octets: int | None) -> None:
        organization = self.server.installation.organization
        organization.set_database_quota(organization.databases()[0].database_id, Quota(prohibit_all=octets))


def chosen(directory: Path) -> Settings:
    plain = demo.settings(directory, 0)
    imap, imaps, smtp, lmtp = (Endpoint(f"127.0.0.1:{port}") for port in free_ports(4))
    return replace(
        plain,
        imap=Imap(listen=(imap,), listen_tls=(imaps,), max_message_size=plain.imap.max_message_size),
        smtp=Smtp(listen=(smtp,), max_message_size=plain.smtp.max_message_size),
        lmtp=Lmtp(listen=(lmtp, Endpoint("unix:run/lmtp.sock"))),
        connections=Connections(total=100, per_ip=50, per_user=5),
    )


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[House]:
    """A server with three users."""
    await asyncio.to_thread(demo.prepare, settings, users=3, password=PASSWORD, sample=False)
    server = Server(settings, asyncio.get_running_loop(), structlog.get_logger())
    stop = await server.start()
    try:
        yield House(server, settings)
    finally:
        await stop()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with running(chosen(tmp_path / "penfold")) as house:
        yield house
