"""The protocols of a server, as its settings have them.

When the settings change, new services take the connections that come from then on; those that are open stay with the
services that took them, until they end.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from structlog.typing import FilteringBoundLogger

from adapters.directory.tokens import BearerTokens
from adapters.net.imap import ImapService
from adapters.net.lmtp import LmtpService
from adapters.net.smtp_service import SmtpService
from adapters.server.accounts import Accounts
from adapters.server.administration.context import Caller, Context, Request
from adapters.server.administration.verbs import carry_out
from adapters.server.admission import Admission
from adapters.server.certificates import channel_bindings, server_context
from adapters.server.config import Imap, Settings
from adapters.server.executor import StoreExecutor
from adapters.server.installation import Installation
from adapters.server.storedriver import StoreDriver, Target
from adapters.server.workers.company import Company
from core.recipients import fold_name
from protocols.imap.offering.clients import FAULTS
from protocols.imap.offering.policy import ClientPolicy, Pattern, Rule
from protocols.imap.reading.urlauth import UrlAccess
from protocols.smtp.limits import Limits
from protocols.smtp.policy import Policy
from protocols.smtp.replies import WhenFull


class Services:
    """IMAP, SMTP and LMTP."""

    def __init__(
        self,
        house: Installation,
        *,
        executor: StoreExecutor,
        company: Company,
        numbers: Iterator[int],
        left: Callable[[str], None],
        log: FilteringBoundLogger,
    ) -> None:
        """As the settings of the house are now.  Raises OSError, ssl.SSLError.

        `numbers` are for connections; `left` is called when one has ended, with what is counted of it: see
        listeners.SESSIONS.
        """
        self._house = house
        settings, certificate = house.settings, house.certificate
        self.tls = server_context(*certificate, settings.tls.client_ca)
        admission = Admission(
            company.peers.census,
            total=settings.connections.total,
            per_address=settings.connections.per_ip,
            per_account=settings.connections.per_user,
        )
        accounts = self._accounts(executor, company, admission, log)
        self.imap = ImapService(
            accounts,
            executor,
            log=log,
            tls=self.tls,
            admit=admission.enter,
            leave=admission.leave,
            numbers=numbers,
            left=partial(left, "clients"),
        )
        largest = int(settings.smtp.max_message_size)
        driver = StoreDriver(
            executor,
            accounts,
            spool=lambda database_id: house.spool(database_id, largest),
            clock=house.clock,
            entropy=house.entropy,
            log=log,
            hostname=house.hostname,
            duplicate_window=int(settings.delivery.duplicate_window) * 1_000_000,
        )
        when_full: WhenFull = "bounce" if settings.smtp.over_quota == "reject" else "retry"
        shared: dict[str, Any] = {
            "hostname": house.hostname,
            "policy": Policy(tuple(hub.network for hub in settings.smtp.trusted_hubs)),
            "limits": Limits(message_size=largest, recipients=settings.smtp.max_recipients),
            "when_full": when_full,
            "tls": server_context(*certificate),
            "census": company.peers.census,
            "left": partial(left, "mail"),
            "log": log,
        }
        self.smtp: SmtpService[Target] = SmtpService(driver, **shared)
        self.lmtp: LmtpService[Target] = LmtpService(driver, **shared)

    def _accounts(
        self,
        executor: StoreExecutor,
        company: Company,
        admission: Admission,
        log: FilteringBoundLogger,
    ) -> Accounts:
        house, settings = self._house, self._house.settings
        largest = int(settings.imap.max_message_size)
        return Accounts(
            organization=house.organization,
            directory=house.directory,
            tokens=_tokens(settings, house),
            throttle=company.throttle,
            admission=admission,
            executor=executor,
            views=company.views,
            kept=company.kept,
            clock=house.clock,
            entropy=house.entropy,
            spool=lambda database_id: house.spool(database_id, largest),
            quota_admins=frozenset(map(fold_name, settings.imap.quota_admins)),
            administer=self._administer,
            append_limit=largest,
            plaintext_logins=settings.auth.plaintext_logins,
            may_unauthenticate=settings.imap.unauthenticate,
            client_policy=_client_policy(settings.imap),
            url_access=_url_access(settings.imap),
            annotations=_annotations(settings),
            has_tls=True,
            channel_bindings=channel_bindings(house.certificate[0]),
            log=log,
        )

    def _administer(self, user: str, ask: Request[Any]) -> Any:
        """For a thread: a change that a user makes with a protocol's means."""
        return carry_out(Context(self._house, Caller(None, user, "imap")), ask)

    def protocol(self, door: str) -> asyncio.Protocol:
        """What speaks with a new connection that came in by this door."""
        protocols: Mapping[str, Callable[[], asyncio.Protocol]] = {
            "imap": self.imap,
            "imaps": self.imap,
            "smtp": self.smtp,
            "lmtp": self.lmtp,
        }
        return protocols[door]()

    @property
    def are_used(self) -> bool:
        """Whether anybody is connected."""
        return bool(self.imap.connections or self.smtp.connections or self.lmtp.connections)

    async def drain(self, grace: float) -> None:
        """Takes no more, and ends all sessions behind the command that runs."""
        await asyncio.gather(*(service.drain(grace) for service in (self.imap, self.smtp, self.lmtp)))


def _tokens(settings: Settings, house: Installation) -> BearerTokens | None:
    given = settings.oauth
    if not given.issuer or given.keys is None:
        return None
    return BearerTokens(
        issuer=given.issuer,
        audience=given.audience,
        keys=given.keys,
        claim=given.claim,
        scope=given.scope,
        clock=house.clock,
    )


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
