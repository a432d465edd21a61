"""The settings: one TOML file into frozen values, with every mistake in it reported at once, each with its line.

What is not here is in the organization database, and changed by commands: domains, recipients, quotas.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from core.errors import Refusal
from core.recipients import check_alias, check_domain

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_OCTETS: Final = {"B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}  # as Exchange counts them
_SMALLEST_LIMIT: Final = 64 << 10  # RFC 5321 4.5.3.1.7; and 0 would be announced as no limit (RFC 1870 3)
_HOST: Final = re.compile(r"\*|\[[0-9A-Fa-f:.%]+\]|[0-9A-Za-z.-]+")

_NUMBERS: Final = re.compile(r"\.[0-9]+$")  # of tables in an array, by which their places are known
_APPLICATION: Final = re.compile(r"[A-Za-z0-9]{1,32}")  # RFC 5593 4
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+")


class Duration(int):
    """Seconds, written as a number of them or as "90s", "5m", "12h", "7d"."""

    @classmethod
    def read(cls, written: object) -> "Duration":
        return cls(_quantity(written, _SECONDS, 'a duration like "30m" or "7d"'))

    def __str__(self) -> str:
        return _in_units(self, _SECONDS)


class Size(int):
    """Octets, written as a number of them or as "512KB", "50MB", "2GB"."""

    @classmethod
    def read(cls, written: object) -> "Size":
        return cls(_quantity(written, _OCTETS, 'a size like "50MB"'))

    def __str__(self) -> str:
        return _in_units(self, _OCTETS)


class Endpoint(str):
    """Where to listen: "127.0.0.1:143", "[::1]:143", "*:143" for all addresses, or "unix:PATH"."""

    __slots__ = ()

    @classmethod
    def read(cls, written: object) -> "Endpoint":
        host, colon, port = str(written).rpartition(":")
        is_unix = isinstance(written, str) and written.startswith("unix:") and len(written) > 5
        is_tcp = isinstance(written, str) and _HOST.fullmatch(host) and port.isdecimal() and int(port) < 65536
        if not is_unix and not (is_tcp and port.isascii() and colon):
            raise ValueError('Expected an address like "*:143", "127.0.0.1:143", "[::1]:143" or "unix:PATH"')
        return cls(written)

    @property
    def path(self) -> str | None:
        """Of a Unix socket, as written: relative to the data directory."""
        return self[5:] if self.startswith("unix:") else None

    @property
    def host(self) -> str | None:
        """None: all addresses of this machine, or a Unix socket."""
        host = self.rpartition(":")[0]
        return None if host == "*" or self.path else host.strip("[]")

    @property
    def port(self) -> int:
        return 0 if self.path else int(self.rpartition(":")[2])


class Network(str):
    """An address, or a network like "192.0.2.0/24"."""

    __slots__ = ()

    @classmethod
    def read(cls, written: object) -> "Network":
        try:
            ip_network(str(written))
        except ValueError as wrong:
            raise ValueError(f'Expected an address or a network like "192.0.2.0/24": {wrong}') from None
        return cls(written)

    @property
    def network(self) -> IPv4Network | IPv6Network:
        return ip_network(self)


class HostName(str):
    """A domain name in ASCII, or empty for the machine's own."""

    __slots__ = ()

    @classmethod
    def read(cls, written: object) -> "HostName":
        try:
            if not isinstance(written, str) or not written.isascii():
                raise ValueError("Expected a host name in ASCII")
            return cls(check_domain(written) if written else "")
        except Refusal:
            raise ValueError("Expected a host name") from None


class Alias(str):
    """A user's short name."""

    __slots__ = ()

    @classmethod
    def read(cls, written: object) -> "Alias":
        if not isinstance(written, str):
            raise ValueError("Expected an alias")
        try:
            check_alias(written)
        except Refusal as wrong:
            raise ValueError(f"Expected an alias: {wrong}") from None
        return cls(written)


class Uri(str):
    """Where somebody can be reached, like "mailto:help@example.com"; or empty."""

    __slots__ = ()

    @classmethod
    def read(cls, written: object) -> "Uri":
        if not isinstance(written, str) or (written and not _URI.fullmatch(written)):
            raise ValueError('Expected a URI like "mailto:help@example.com"')
        return cls(written)


class Application(str):
    """What reads messages on behalf of users by URLs that they authorize (RFC 5593); in lower case."""

    __slots__ = ()

    @classmethod
    def read(cls, written: object) -> "Application":
        if not isinstance(written, str) or not _APPLICATION.fullmatch(written):
            raise ValueError('Expected the name of an application, like "submit"')
        if written.lower() in ("user", "authuser", "anonymous"):  # RFC 5593 3.1
            raise ValueError(f'"{written}" is for users, not for an application')
        return cls(written.lower())


class Capability(str):
    """One that can be kept from IMAP clients, or several by what is before their "="; in upper case."""

    __slots__ = ()

    @classmethod
    def read(cls, written: object) -> "Capability":
        # Here, since it takes as long as the rest of a command's start.
        from protocols.imap.offering.hideable import HIDEABLE, UNHIDEABLE

        if not isinstance(written, str):
            raise ValueError('Expected the name of a capability, like "UIDONLY"')
        name = written.upper()
        if reason := UNHIDEABLE.get(name) or UNHIDEABLE.get(name.partition("=")[0]):
            raise ValueError(f"{written} cannot be hidden: {reason}")
        if name not in HIDEABLE:
            close = get_close_matches(name, sorted(HIDEABLE), n=1, cutoff=0.5)
            raise ValueError(f"There is no capability {written}" + (f": did you mean {close[0]}?" if close else ""))
        return cls(name)


class FilterName(str):
    """What IMAP clients call a filter (RFC 5466 4); in lower case, for it has none."""

    __slots__ = ()

    @classmethod
    def read(cls, written: object) -> "FilterName":
        from protocols.imap.grammar.search import FILTER_NAME

        if not isinstance(written, str) or not FILTER_NAME.fullmatch(written.encode()):
            raise ValueError('Expected the name of a filter, like "on-the-road"')
        return cls(written.lower())


class Criteria(str):
    """What to search for, as IMAP's SEARCH has it."""

    __slots__ = ()

    @classmethod
    def read(cls, written: object) -> "Criteria":
        from protocols.imap.grammar import BadSyntax
        from protocols.imap.grammar.search import criteria

        if not isinstance(written, str):
            raise ValueError("Expected search criteria of IMAP, like 'UNSEEN SINCE 1-Feb-1994'")
        try:
            criteria(written.encode())
        except BadSyntax as wrong:
            raise ValueError(f"No search criteria of IMAP: {wrong.text}") from None
        return cls(written)


_READERS: Final[Mapping[type, Callable[[object], object]]] = {
    kind: kind.read
    for kind in (Duration, Size, Endpoint, Network, HostName, Alias, Uri, Application, Capability, FilterName, Criteria)
}
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
            Effective(name, _written(value), "file" if name in self.given else "default") for name, value in _each(self)
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


class Problem(NamedTuple):
    line: int  # 0: of no line in particular
    text: str


class SettingsError(Exception):
    """All that is wrong with a settings file."""

    def __init__(self, name: str, problems: list[Problem]) -> None:
        self.problems = sorted(problems)
        places = (f"{name}:{line}: {text}" if line else f"{name}: {text}" for line, text in self.problems)
        super().__init__("\n".join(places))


def load(path: Path) -> Settings:
    """Raises SettingsError."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        reason = getattr(fault, "strerror", None) or fault
        raise SettingsError(str(path), [Problem(0, f"Cannot be read: {reason}")]) from fault
    return parse(text, name=str(path), folder=path.parent.absolute())


def parse(text: str, *, name: str = "settings", folder: Path = Path("/")) -> Settings:
    """The settings of a text; paths in it are relative to `folder`.  Raises SettingsError."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as wrong:
        raise SettingsError(name, [_syntax_problem(str(wrong), text)]) from wrong
    reading = _Reading(text, folder)
    settings = reading.settings(document)
    if reading.problems:
        raise SettingsError(name, reading.problems)
    return settings


def _syntax_problem(message: str, text: str) -> Problem:
    place = re.search(r" \(at line (\d+), column \d+\)$", message)
    if place is None:  # "at end of document": what began with the last key has no end
        return Problem(max(dict(_key_lines(text)).values(), default=1), message)
    return Problem(int(place[1]), message[: place.start()])


class _Reading:
    """One pass over a document that gathers what is wrong instead of stopping there."""

    def __init__(self, text: str, folder: Path) -> None:
        self._lines = dict(_key_lines(text))
        self._folder = folder
        self._refused: set[str] = set()  # sections
        self.problems: list[Problem] = []

    def settings(self, document: Mapping[str, object]) -> Settings:
        sections: dict[str, Struct] = {}
        given: set[str] = set()
        for name, content in document.items():
            if name not in SECTIONS:
                self._problem(name, f"Unknown section [{name}]{_suggestion(name, SECTIONS)}")
            elif not isinstance(content, dict):
                self._problem(name, f"{name} is a section: write [{name}]")
            else:
                values = dict(self._values(SECTIONS[name], name, name, content))
                sections[name] = SECTIONS[name](**values)
                given.update(f"{name}.{key}" for key in values)
        settings: Settings = msgspec.structs.replace(Settings(), **sections, given=frozenset(given))
        refused = tuple(self._refused)
        for wrong, text in _contradictions(settings):
            # Where a value was refused a default stands in its place, and means nothing.
            if not wrong.startswith(refused):
                self._problem(wrong, f"{_NUMBERS.sub('', wrong)}: {text}")
        return settings

    def _values(
        self, kind: type, section: str, place: str, content: Mapping[str, object]
    ) -> Iterator[tuple[str, object]]:
        """What a table at a place holds, which its section and key are told of."""
        kinds = {field.name: field.type for field in msgspec.structs.fields(kind)}
        for key, written in content.items():
            name, at = f"{section}.{key}", f"{place}.{key}"
            if key not in kinds:
                self._problem(at, f"Unknown setting {name}{_suggestion(key, kinds)}")
                continue
            try:
                yield key, self._value(kinds[key], name, written)
            except (msgspec.ValidationError, ValueError) as wrong:
                self._problem(at, f"{name}: {_plain(str(wrong))}")

    def _tables(self, kind: type, name: str, written: object) -> tuple[object, ...]:
        """[[name]], or the same as a list of tables in braces."""
        if not isinstance(written, list) or not all(isinstance(each, dict) for each in written):
            raise ValueError(f"Expected tables: write [[{name}]]")
        return tuple(
            kind(**dict(self._values(kind, name, f"{name}.{number}", each))) for number, each in enumerate(written)
        )

    def _value(self, kind: Any, name: str, written: object) -> object:
        plain = get_args(kind)[0] if get_origin(kind) is Annotated else kind
        if get_origin(plain) is tuple and issubclass(get_args(plain)[0], Struct):
            return self._tables(get_args(plain)[0], name, written)
        if get_origin(plain) is Literal and written not in get_args(plain):
            raise ValueError("Expected " + " or ".join(f'"{choice}"' for choice in get_args(plain)))
        if get_origin(plain) is tuple and not isinstance(written, list):
            raise ValueError("Expected a list" + (f', as ["{written}"]' if isinstance(written, str) else ""))
        if written == "" and type(None) in get_args(plain):
            return None  # TOML has no word for nothing
        return msgspec.convert(written, kind, dec_hook=self._read_own)

    def _read_own(self, kind: type, written: object) -> object:
        if kind is Path:
            if not isinstance(written, str) or not written or "\0" in written:
                raise ValueError("Expected a path")
            return self._folder / written
        return _READERS[kind](written)

    def _problem(self, name: str, text: str) -> None:
        self._refused.add(name.partition(".")[0] + ".")
        # Keys within an inline table have no line of their own: the table's it is.
        while name not in self._lines and "." in name:
            name = name.rpartition(".")[0]
        self.problems.append(Problem(self._lines.get(name, 0), text))


def _contradictions(settings: Settings) -> Iterator[tuple[str, str]]:
    """What each setting alone may be, but not beside the others: (name, text)."""
    tls, connections = settings.tls, settings.connections
    if tls.certificate and not tls.key:
        yield "tls.certificate", "A certificate is of no use without tls.key"
    if tls.key and not tls.certificate:
        yield "tls.key", "A key is of no use without tls.certificate"
    if settings.oauth.issuer and not (settings.oauth.audience and settings.oauth.keys):
        yield "oauth.issuer", "An issuer is of no use without oauth.audience and oauth.keys"
    for name, count in (("connections.per_ip", connections.per_ip), ("connections.per_user", connections.per_user)):
        if name in settings.given and count > connections.total:
            yield name, f"More than connections.total, which is {connections.total}"
    for name, size in (
        ("imap.max_message_size", settings.imap.max_message_size),
        ("smtp.max_message_size", settings.smtp.max_message_size),
    ):
        if size < _SMALLEST_LIMIT:
            yield name, f"Less than {Size(_SMALLEST_LIMIT)}, which every mail server must take"
    yield from _rules_for_nothing(settings.imap.clients)
    yield from _applications_of_nobody(settings.imap.urlauth_applications)
    yield from _no_filters(settings.imap.filters)
    yield from _not_on_sockets(settings)
    yield from _taken_twice(settings)


def _no_filters(filters: tuple[SharedFilter, ...]) -> Iterator[tuple[str, str]]:
    names: set[str] = set()
    for number, each in enumerate(filters):
        if not each.name or not each.search:
            yield f"imap.filters.{number}", "A filter has a name and a search"
        elif each.name in names:
            yield f"imap.filters.{number}", "Another filter has that name"
        names.add(each.name)


def _rules_for_nothing(rules: tuple[ClientRule, ...]) -> Iterator[tuple[str, str]]:
    for number, rule in enumerate(rules):
        place = f"imap.clients.{number}"
        if not rule.names_clients and not rule.accounts:
            yield place, "Whom this means is not said: imap.hide_capabilities is for everybody"
        elif not rule.names_clients and not rule.hide:
            yield place, "Nothing is hidden by this"


def _applications_of_nobody(applications: tuple[UrlApplication, ...]) -> Iterator[tuple[str, str]]:
    known = set()
    for number, application in enumerate(applications):
        place = f"imap.urlauth_applications.{number}"
        if not application.name:
            yield place, "Which application this is about is not said"
        elif not application.users:
            yield place, f"Nobody is named who acts for {application.name}"
        elif application.name in known:
            yield place, f"{application.name} is there already"
        known.add(application.name)


def _not_on_sockets(settings: Settings) -> Iterator[tuple[str, str]]:
    for name, value in _listeners(settings):
        if name != "lmtp.listen" and any(endpoint.path for endpoint in value):
            yield name, 'Only lmtp.listen can have a "unix:PATH"'


def _taken_twice(settings: Settings) -> Iterator[tuple[str, str]]:
    taken: dict[str, str] = {}
    for name, value in _listeners(settings):
        for endpoint in value:
            if endpoint in taken and (endpoint.port != 0 or endpoint.path):
                yield name, f"{endpoint} is taken by {taken[endpoint]} already"
            taken.setdefault(endpoint, name)


def _listeners(settings: Settings) -> Iterator[tuple[str, tuple[Endpoint, ...]]]:
    return ((name, value) for name, value in _each(settings) if name.endswith((".listen", ".listen_tls")))


def _plain(message: str) -> str:
    """A message of msgspec's as people would say it."""
    message = re.sub(r" - at `\$\[(\d+)\]`", lambda place: f" (in item {int(place[1]) + 1})", message)
    return re.sub(r" - at `.*`", "", message).replace("`", "")


def _suggestion(wrong: str, known: Mapping[str, object]) -> str:
    close = get_close_matches(wrong.lower().replace("-", "_"), known, n=1, cutoff=0.5)
    return f": did you mean {close[0]}?" if close else f": there are {', '.join(known)}"


_KEY: Final = r"""(?:[A-Za-z0-9_-]+|"(?:\\.|[^"\\\n])*"|'[^'\n]*')"""
_KEYS: Final = rf"\s*(?P<keys>{_KEY}(?:\s*\.\s*{_KEY})*)\s*"
_HEADER: Final = re.compile(rf"\s*\[{_KEYS}\]|\s*\[\[{_KEYS.replace('?P<keys>', '?P<array>')}\]\]")
_ASSIGNMENT: Final = re.compile(rf"{_KEYS}=")
_TOKEN: Final = re.compile(r'''"""|\'\'\'|"(?:\\.|[^"\\])*"|'[^']*'|#.*|[\[\]{}]''')


def _key_lines(text: str) -> Iterator[tuple[str, int]]:
    """(dotted key, line) of a valid TOML document, in which tomllib gives no places; "a.0" is the first [[a]]."""
    section, depth, quotes = "", 0, ""
    arrays: Counter[str] = Counter()
    for number, line in enumerate(text.split("\n"), start=1):
        rest = line
        if not depth and not quotes:
            if header := _HEADER.match(line):
                section = _dotted(header["keys"] or header["array"])
                yield section, number
                if header["array"]:
                    arrays[section] += 1
                    section = f"{section}.{arrays[section] - 1}"
                    yield section, number
                continue
            if assignment := _ASSIGNMENT.match(line):
                yield ".".join(filter(None, (section, _dotted(assignment["keys"])))), number
                rest = line[assignment.end() :]
        depth, quotes = _after(rest, depth, quotes)


def _after(line: str, depth: int, quotes: str) -> tuple[int, str]:
    """The depth of brackets and the quotes of a string that are still open at the end of a line."""
    position = 0
    while position < len(line):
        if quotes:
            end = re.search(r"(?<!\\)(?:\\\\)*" + quotes, line[position:])
            if end is None:
                break
            position, quotes = position + end.end(), ""
        elif token := _TOKEN.search(line, position):
            position = token.end()
            depth += (token[0] in "[{") - (token[0] in "]}")
            quotes = token[0] if token[0] in ('"""', "'''") else ""
        else:
            break
    return depth, quotes


def _dotted(keys: str) -> str:
    return ".".join(key.strip("\"'") for key in re.findall(_KEY, keys))


def _quantity(written: object, units: Mapping[str, int], expected: str) -> int:
    if isinstance(written, int) and not isinstance(written, bool) and 0 <= written < 1 << 53:
        return written
    match = re.fullmatch(r"([0-9]{1,15}) ?([A-Za-z]{0,2})", written) if isinstance(written, str) else None
    unit = {name.lower(): factor for name, factor in units.items()} | {"": 1}
    if match is None or match[2].lower() not in unit:
        raise ValueError(f"Expected {expected}")
    return int(match[1]) * unit[match[2].lower()]


def _in_units(count: int, units: Mapping[str, int]) -> str:
    """In the largest unit of which it is a whole number."""
    name, factor = max(
        ((name, factor) for name, factor in units.items() if count % factor == 0), key=lambda unit: unit[1]
    )
    return f"{count // factor}{name}" if count else "0"


def _each(settings: Settings) -> Iterator[tuple[str, Any]]:
    """(name, value) of every setting."""
    for section in SECTIONS:
        values = getattr(settings, section)
        for key in values.__struct_fields__:
            yield f"{section}.{key}", getattr(values, key)


def _written(value: object) -> str:
    """A value in TOML."""
    if value is None:
        return '""'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, Struct):
        fields = ((name, getattr(value, name)) for name in value.__struct_fields__)
        return "{" + ", ".join(f"{name} = {_written(each)}" for name, each in fields if each) + "}"
    if isinstance(value, int) and not isinstance(value, (Duration, Size)):
        return str(value)
    text = str(value)
    return text if text == "0" else msgspec.json.encode(text).decode()


def example(**given: object) -> str:
    """A commented settings file; `given` are settings to write out, as `server_hostname="mail.example.com"`."""
    text = ["# Settings of Penfold.  What is commented out is the default.  Sizes: KB, MB, GB; durations: s, m, h, d."]
    for section, kind in SECTIONS.items():
        text += ["", f"# {kind.__doc__}", f"[{section}]"]
        for field in msgspec.structs.fields(kind):
            text += _example_lines(field, given.get(f"{section}_{field.name}"))
    return "\n".join(text) + "\n"


def _example_lines(field: Any, given: object) -> Iterator[str]:
    parts = get_args(field.type) if get_origin(field.type) is Annotated else ()
    if about := " ".join(part.description for part in parts if isinstance(part, Meta) and part.description):
        yield f"# {about}"
    value = field.default if given is None else given
    is_active = given is not None
    yield f"{'' if is_active else '#'}{field.name} = {_written(value)}"


EXAMPLE: Final = example()
