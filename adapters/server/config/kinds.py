"""The kinds of values that settings have beyond those of TOML: each reads what is written, or says what it expected."""

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

from core.errors import Refusal
from core.recipients import check_alias, check_domain

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_OCTETS: Final = {"B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}  # as Exchange counts them
_HOST: Final = re.compile(r"\*|\[[0-9A-Fa-f:.%]+\]|[0-9A-Za-z.-]+")
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


READERS: Final[Mapping[type, Callable[[object], object]]] = {
    kind: kind.read
    for kind in (Duration, Size, Endpoint, Network, HostName, Alias, Uri, Application, Capability, FilterName, Criteria)
}


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
