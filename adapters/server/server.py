"""A running server: the installation, the protocols on their ports, and the order in which all begins and ends."""

import asyncio
import errno
import os
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from structlog.typing import FilteringBoundLogger
from twisted.internet import defer
from twisted.internet.interfaces import IListeningPort

from adapters.directory.throttle import Throttle
from adapters.directory.tokens import BearerTokens
from adapters.net.imap import ImapService
from adapters.net.lmtp import LmtpService
from adapters.net.smtp_service import SmtpService
from adapters.server import metrics
from adapters.server.accounts import Accounts
from adapters.server.administration.context import Caller, Context, Request
from adapters.server.administration.verbs import carry_out
from adapters.server.admission import Admission
from adapters.server.assistants import Maintenance
from adapters.server.certificates import channel_bindings, server_context
from adapters.server.config import Endpoint, Imap, Settings
from adapters.server.control import ControlService
from adapters.server.controlclient import socket_path
from adapters.server.executor import StoreExecutor
from adapters.server.installation import Installation
from adapters.server.livesessions import LiveSessions
from adapters.server.storedriver import StoreDriver, Target
from core.recipients import fold_name
from core.watching import Views
from protocols.imap.offering.clients import FAULTS
from protocols.imap.offering.policy import ClientPolicy, Pattern, Rule
from protocols.imap.reading.urlauth import UrlAccess
from protocols.smtp.limits import Limits
from protocols.smtp.policy import Policy
from protocols.smtp.replies import WhenFull

GRACE_SECONDS = 10.0  # how long what runs may take to end
BACKLOG = 1024


class Server:
    """One worker process."""

    def __init__(self, settings: Settings, loop: asyncio.AbstractEventLoop, log: FilteringBoundLogger) -> None:
        self.settings = settings
        self.log = log
        self.is_ready = False
        self._loop = loop
        self._listeners: list[asyncio.Server] = []
        self._ports: list[IListeningPort] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> Callable[[], Any]:
        """Opens everything and listens; what ends it again.  Raises what Installation does, OSError."""
        views = Views()
        self.installation = self._open(views)
        try:
            await self._begin(views)
        except BaseException:  # also when it is stopped before it has begun
            self.installation.close()
            raise
        self.is_ready = True
        self.log.info("server.ready", pid=os.getpid())
        return self.stop

    def _open(self, views: Views) -> Installation:
        return Installation(
            self.settings,
            publish=views.publish,
            post=self._loop.call_soon_threadsafe,
            fault=lambda fault: self.log.error("store.fault", exc_info=fault),
        )

    async def _begin(self, views: Views) -> None:
        self.executor = StoreExecutor(self.installation.databases, self._loop)
        self.admission = Admission(
            total=self.settings.connections.total,
            per_address=self.settings.connections.per_ip,
            per_account=self.settings.connections.per_user,
        )
        tls = self._tls()
        self._build(views, tls)
        await self._listen()
        sessions = LiveSessions(self.imap, self.installation.clock, self._loop)
        self.control = ControlService(self.installation, sessions, log=self.log)
        await self.control.listen(socket_path(self.installation.root))
        self._write_pid()
        maintenance = Maintenance(self.executor, self.installation.databases, self.installation.clock)
        self._tasks.append(self._loop.create_task(maintenance.run()))

    def _tls(self) -> ssl.SSLContext:
        certificate, key = self.installation.certificate
        if self.installation.ensure_certificate():
            self.log.info("tls.self-signed", certificate=str(certificate))
        return server_context(certificate, key)

    def _tokens(self) -> BearerTokens | None:
        given = self.settings.oauth
        if not given.issuer or given.keys is None:
            return None
        return BearerTokens(
            issuer=given.issuer,
            audience=given.audience,
            keys=given.keys,
            claim=given.claim,
            scope=given.scope,
            clock=self.installation.clock,
        )

    def _build(self, views: Views, tls: ssl.SSLContext) -> None:
        """The services of each protocol."""
        house, settings = self.installation, self.settings
        largest = int(settings.imap.max_message_size), int(settings.smtp.max_message_size)
        accounts = Accounts(
            organization=house.organization,
            directory=house.directory,
            tokens=self._tokens(),
            throttle=Throttle(house.clock),
            admission=self.admission,
            executor=self.executor,
            views=views,
            clock=house.clock,
            entropy=house.entropy,
            spool=lambda database_id: house.spool(database_id, largest[0]),
            quota_admins=frozenset(map(fold_name, settings.imap.quota_admins)),
            administer=self._administer,
            append_limit=largest[0],
            plaintext_logins=settings.auth.plaintext_logins,
            may_unauthenticate=settings.imap.unauthenticate,
            client_policy=_client_policy(settings.imap),
            url_access=_url_access(settings.imap),
            annotations=_annotations(settings),
            has_tls=True,
            channel_bindings=channel_bindings(house.certificate[0]),
            log=self.log,
        )
        self.imap = ImapService(
            accounts,
            self.executor,
            log=self.log,
            tls=server_context(*house.certificate, settings.tls.client_ca),
            admit=self.admission.enter,
            leave=self.admission.leave,
        )
        driver = StoreDriver(
            self.executor,
            accounts,
            spool=lambda database_id: house.spool(database_id, largest[1]),
            clock=house.clock,
            entropy=house.entropy,
            log=self.log,
            hostname=house.hostname,
            duplicate_window=int(settings.delivery.duplicate_window) * 1_000_000,
        )
        limits = Limits(message_size=largest[1], recipients=settings.smtp.max_recipients)
        policy = Policy(tuple(hub.network for hub in settings.smtp.trusted_hubs))
        shared: dict[str, Any] = {"hostname": house.hostname, "log": self.log, "limits": limits, "tls": tls}
        when_full: WhenFull = "bounce" if settings.smtp.over_quota == "reject" else "retry"
        self.smtp: SmtpService[Target] = SmtpService(driver, policy=policy, when_full=when_full, **shared)
        self.lmtp: LmtpService[Target] = LmtpService(driver, policy=policy, when_full=when_full, **shared)

    def _administer(self, user: str, ask: Request[Any]) -> Any:
        """For a thread: a change that a user makes with a protocol's means."""
        return carry_out(Context(self.installation, Caller(None, user, "imap")), ask)

    # ------------------------------------------------------------------------------------------ listeners

    async def _listen(self) -> None:
        settings = self.settings
        for endpoint in settings.imap.listen:
            await self._listen_imap(endpoint, None)
        for endpoint in settings.imap.listen_tls:
            await self._listen_imap(endpoint, self.imap.tls)
        for endpoint in settings.smtp.listen:
            await self.smtp.listen(host=endpoint.host, port=endpoint.port, backlog=BACKLOG)
        for endpoint in settings.lmtp.listen:
            await self._listen_lmtp(endpoint)
        for endpoint in settings.metrics.listen:
            site = metrics.site(self._gauges(), lambda: self.is_ready)
            self._ports.append(_reactor().listenTCP(endpoint.port, site, interface=endpoint.host or ""))

    async def _listen_imap(self, endpoint: Endpoint, tls: ssl.SSLContext | None) -> None:
        server = await self._loop.create_server(
            self.imap, endpoint.host, endpoint.port, ssl=tls, backlog=BACKLOG, reuse_port=True
        )
        self._listeners.append(server)

    async def _listen_lmtp(self, endpoint: Endpoint) -> None:
        if endpoint.path is None:
            await self.lmtp.listen(host=endpoint.host, port=endpoint.port, backlog=BACKLOG)
            return
        path = self.installation.root / endpoint.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_socket():
            path.unlink()  # of a server before us: we hold its locks, so it is not there any more
        elif path.exists():
            raise FileExistsError(errno.EEXIST, "lmtp.listen names a file that is no socket", str(path))
        await self.lmtp.listen_unix(path=str(path))
        path.chmod(0o660)  # a mail hub needs the group, and can then deliver

    def _gauges(self) -> Sequence[metrics.Gauge]:
        return (
            ("penfold_imap_connections", "IMAP connections", lambda: len(self.imap.connections)),
            ("penfold_commands_waiting", "Commands waiting for a writer", self._waiting),
        )

    def _waiting(self) -> int:
        # A copy: an administrator may be adding a database on another thread.
        return sum(database.waiting() for database in tuple(self.installation.databases.values()))

    # ------------------------------------------------------------------------------------------ the end

    async def stop(self) -> None:
        """Takes no more, lets what runs come to its end, and closes all."""
        self.is_ready = False
        self.log.info("server.stopping")
        for listener in self._listeners:
            listener.close()
        for port in self._ports:
            await defer.maybeDeferred(port.stopListening).asFuture(self._loop)
        for task in self._tasks:
            task.cancel()
        services = (self.imap, self.smtp, self.lmtp, self.control)
        await asyncio.gather(*(service.drain(GRACE_SECONDS) for service in services))
        self.executor.close()
        await self._loop.run_in_executor(None, self.installation.close)
        self._pid_file.unlink(missing_ok=True)
        self.log.info("server.stopped")

    @property
    def _pid_file(self) -> Path:
        return self.installation.root / "run" / "penfold.pid"

    def _write_pid(self) -> None:
        self._pid_file.parent.mkdir(exist_ok=True, mode=0o750)
        self._pid_file.write_text(f"{os.getpid()}\n")


def _annotations(given: Settings) -> dict[str, bytes]:
    """What IMAP clients can ask about the server (RFC 5464 3.2.1.1), and the filters of all users (RFC 5466 3.2)."""
    about = {"/shared/admin": given.server.admin, "/shared/comment": given.server.comment}
    for each in given.imap.filters:
        about[f"/shared/filters/values/{each.name}"] = each.search
        about[f"/shared/filters/descriptions/{each.name}"] = each.description
    return {name: value.encode() for name, value in about.items() if value}


def _url_access(given: Imap) -> UrlAccess | None:
    """Who may use which URLs that others have authorized."""
    if not given.urlauth:
        return None
    applications = {str(each.name): frozenset(map(fold_name, each.users)) for each in given.urlauth_applications}
    return UrlAccess(given.urlauth_public, applications)


def _client_policy(given: Imap) -> ClientPolicy:
    """What IMAP clients are not offered."""
    rules = (
        Rule(
            Pattern(each.name, each.vendor, each.version),
            frozenset(map(str, each.hide)),
            frozenset(map(fold_name, each.accounts)),
        )
        for each in given.clients
    )
    knows = given.use_shipped_client_table
    return ClientPolicy(
        frozenset(map(str, given.hide_capabilities)), tuple(rules), FAULTS if knows else (), puts_off=knows
    )


def _reactor() -> Any:
    from twisted.internet import reactor

    return reactor
