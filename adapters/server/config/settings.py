"""All settings, their defaults, and what each is for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct

from .kinds import (
    Alias,
    Application,
    Capability,
    Criteria,
    Duration,
    Endpoint,
    FilterName,
    HostName,
    Network,
    Size,
    Uri,
)

Count = Annotated[int, Meta(ge=1, le=1_000_000)]


class Server(Struct, frozen=True):
    """The machine, and the server's place on it."""

    hostname: Annotated[HostName, Meta(description="The name in greetings; empty: the machine's own.")] = HostName("")
    data_dir: Annotated[Path, Meta(description="Where everything is kept.")] = Path("/var/lib/penfold")
    workers: Annotated[int, Meta(ge=0, le=64, description="Processes that share the work; 0: one for each core.")] = 0
    admin: Annotated[Uri, Meta(description="Whom users may turn to; IMAP clients can ask (RFC 5464).")] = Uri("")
    comment: Annotated[str, Meta(description="A word to all users, likewise.")] = ""


class ClientRule(Struct, frozen=True):
    """What some IMAP clients are not offered."""

    name: str = ""  # how this begins in what the client says of itself (RFC 2971); empty: whatever it is
    vendor: str = ""
    version: str = ""
    accounts: tuple[Alias, ...] = ()  # empty: everybody's
    hide: tuple[Capability, ...] = ()

    @property
    def names_clients(self) -> bool:
        return bool(self.name or self.vendor or self.version)


class UrlApplication(Struct, frozen=True):
    """Who may use the URLs that users authorize for an application, like submission."""

    name: Application = Application("")
    users: tuple[Alias, ...] = ()


class SharedFilter(Struct, frozen=True):
    """A search that all users have under one name (RFC 5466)."""

    name: FilterName = FilterName("")
    search: Criteria = Criteria("")
    description: str = ""  # for people


class Imap(Struct, frozen=True):
    """IMAP, for mail clients."""

    listen: Annotated[tuple[Endpoint, ...], Meta(description="Plain connections, on which clients can start TLS.")] = (
        Endpoint("*:143"),
    )
    listen_tls: Annotated[tuple[Endpoint, ...], Meta(description="Connections that are TLS from the start.")] = (
        Endpoint("*:993"),
    )
    max_message_size: Annotated[Size, Meta(description="The largest message that clients may append.")] = Size(50 << 20)
    unauthenticate: Annotated[
        bool, Meta(description="Whether clients may sign out and in again on one connection (RFC 8437).")
    ] = True
    quota_admins: Annotated[
        tuple[Alias, ...], Meta(description="Who may see and set everybody's quota by IMAP (RFC 9208), by alias.")
    ] = ()
    urlauth: Annotated[
        bool, Meta(description="Whether users may authorize URLs of their messages for others (RFC 4467).")
    ] = False
    urlauth_public: Annotated[
        bool, Meta(description="Likewise for all who have an account: authuser and anonymous.")
    ] = True
    urlauth_applications: Annotated[
        tuple[UrlApplication, ...],
        Meta(description="Who may use URLs for submit, stream and the like: write [[imap.urlauth_applications]]."),
    ] = ()
    hide_capabilities: Annotated[tuple[Capability, ...], Meta(description="What no client is offered.")] = ()
    use_shipped_client_table: Annotated[
        bool, Meta(description="Whether clients with faults that we know of are not offered what they break on.")
    ] = True
    clients: Annotated[
        tuple[ClientRule, ...],
        Meta(description="What some clients, or those of some users, are not offered: write [[imap.clients]]."),
    ] = ()
    filters: Annotated[
        tuple[SharedFilter, ...],
        Meta(description="Searches that all users' clients know by name (RFC 5466): write [[imap.filters]]."),
    ] = ()


class Smtp(Struct, frozen=True):
    """SMTP, for the organization's own mail hubs."""

    listen: tuple[Endpoint, ...] = (Endpoint("*:25"),)
    trusted_hubs: Annotated[tuple[Network, ...], Meta(description="Who may put mail into the organization.")] = (
        Network("127.0.0.0/8"),
        Network("::1/128"),
    )
    max_message_size: Annotated[Size, Meta(description="The largest message that is taken, also by LMTP.")] = Size(
        50 << 20
    )
    max_recipients: Annotated[int, Meta(ge=100, le=100_000, description="Of one message (RFC 5321: 100 or more).")] = (
        5000
    )
    over_quota: Annotated[
        Literal["reject", "retry"], Meta(description="What the hub shall do with mail for a full mailbox.")
    ] = "reject"


class Lmtp(Struct, frozen=True):
    """LMTP, for mail hubs: over TCP for smtp.trusted_hubs, over a Unix socket for its owner and group."""

    listen: Annotated[tuple[Endpoint, ...], Meta(description='Also "unix:PATH", relative to the data directory.')] = (
        Endpoint("127.0.0.1:24"),
    )


class Tls(Struct, frozen=True):
    """The server's certificate, with its chain, and its key: PEM files, relative to this one."""

    certificate: Path | None = None
    key: Path | None = None
    client_ca: Annotated[
        Path | None, Meta(description="Who signs the certificates with which IMAP clients may sign in (EXTERNAL).")
    ] = None


class Auth(Struct, frozen=True):
    """Signing in."""

    plaintext_logins: Annotated[bool, Meta(description="Whether passwords may be sent without TLS.")] = False
    scram_iterations: Annotated[
        int, Meta(ge=4096, le=1_000_000, description="Work for each guess at a stolen key, and each client's sign-in.")
    ] = 10_000
    password_cache: Annotated[
        Duration, Meta(description="How long a password that was right needs no slow check; 0: always check.")
    ] = Duration(600)


class OAuth(Struct, frozen=True):
    """Signing in with an issuer's tokens, JWTs: OAUTHBEARER and XOAUTH2."""

    issuer: Annotated[str, Meta(description="What their `iss` says; empty: no tokens are taken.")] = ""
    audience: Annotated[str, Meta(description="What must be in their `aud`: we are meant.")] = ""
    keys: Annotated[
        Path | None, Meta(description="The issuer's public keys, a JWK Set; read again when the file changes.")
    ] = None
    claim: Annotated[str, Meta(min_length=1, description="Which of their claims is the login name.")] = "email"
    scope: Annotated[str, Meta(description="What must be among their scopes; empty: nothing.")] = ""


class Log(Struct, frozen=True):
    """The log, on standard error."""

    format: Literal["json", "console"] = "json"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Metrics(Struct, frozen=True):
    """Numbers for Prometheus, over HTTP.  They are for everybody who can connect."""

    listen: tuple[Endpoint, ...] = ()


class Delivery(Struct, frozen=True):
    """Mail on its way into mailboxes."""

    duplicate_window: Annotated[
        Duration, Meta(description="How long a message that comes again is dropped; 0: never.")
    ] = Duration(604_800)
    plus_addressing: Annotated[bool, Meta(description="Whether user+anything@ is user@.")] = True
    postmaster: Annotated[
        str, Meta(min_length=1, description="Who gets mail for postmaster, by alias or address (RFC 5321 4.5.1).")
    ] = "postmaster"


class Connections(Struct, frozen=True):
    """How many IMAP clients may be connected at a time."""

    total: Count = 20_000
    per_ip: Annotated[
        Count, Meta(description="Offices behind one address need many; this machine's own do not count.")
    ] = 200
    per_user: Annotated[Count, Meta(description="A mail program alone takes five.")] = 30


class Effective(NamedTuple):
    """A setting as it holds, and where it comes from."""

    name: str
    value: str  # as it would be written in the file
    source: Literal["default", "file"]


class Settings(Struct, frozen=True):
    server: Server = Server()
    imap: Imap = Imap()
    smtp: Smtp = Smtp()
    lmtp: Lmtp = Lmtp()
    tls: Tls = Tls()
    auth: Auth = Auth()
    oauth: OAuth = OAuth()
    log: Log = Log()
    metrics: Metrics = Metrics()
    delivery: Delivery = Delivery()
    connections: Connections = Connections()
    given: frozenset[str] = frozenset()  # the names of those that are in the file

    def effective(self) -> list[Effective]:
        """Every setting, for `penfold show --effective`."""
        return [
            Effective(name, written(value), "file" if name in self.given else "default")
            for name, value in each_setting(self)
        ]


SECTIONS: Final = {field.name: field.type for field in msgspec.structs.fields(Settings) if field.name != "given"}


# What a running server cannot change: where it is, how many it is, and its doors.
FIXED: Final = frozenset(
    {
        "server.data_dir",
        "server.workers",
        "imap.listen",
        "imap.listen_tls",
        "smtp.listen",
        "lmtp.listen",
        "metrics.listen",
        "log.format",
        "log.level",
    }
)


def renewed(running: Settings, read: Settings) -> tuple[Settings, list[str]]:
    """What a running server goes on with when other settings have been read, and the names of what must wait."""
    waiting = []
    for name in sorted(FIXED):
        section, _, field = name.partition(".")
        kept, fresh = getattr(running, section), getattr(read, section)
        if getattr(kept, field) != getattr(fresh, field):
            waiting.append(name)
            fresh = msgspec.structs.replace(fresh, **{field: getattr(kept, field)})
            read = msgspec.structs.replace(read, **{section: fresh})
    given = (read.given - FIXED) | (running.given & FIXED)
    return msgspec.structs.replace(read, given=given), waiting


def each_setting(settings: Settings) -> Iterator[tuple[str, Any]]:
    """(name, value) of every setting."""
    for section in SECTIONS:
        values = getattr(settings, section)
        for key in values.__struct_fields__:
            yield f"{section}.{key}", getattr(values, key)


def written(value: object) -> str:
    """A value in TOML."""
    if value is None:
        return '""'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, Struct):
        fields = ((name, getattr(value, name)) for name in value.__struct_fields__)
        return "{" + ", ".join(f"{name} = {written(each)}" for name, each in fields if each) + "}"
    if isinstance(value, int) and not isinstance(value, (Duration, Size)):
        return str(value)
    text = str(value)
    return text if text == "0" else msgspec.json.encode(text).decode()
