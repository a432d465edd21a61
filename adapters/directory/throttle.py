"""Throttle: who guesses passwords waits longer and longer, and nobody else does.

Failures count for the address they come from, and for the login name as tried from that network.  They do not count
for the name alone: or a stranger could keep a user out by failing in the user's name.
"""

import math
from collections import OrderedDict
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from core.ports import Clock
from core.recipients import fold_address

LONGEST: Final = 16.0  # seconds; more would only hold connections open
SHORTEST: Final = 0.5
FREE_FOR_NAME: Final = 2  # people mistype
FREE_FOR_SOURCE: Final = 10  # many people may be behind one address
HALF_LIFE: Final = 300.0  # seconds in which half of the failures is forgiven
TRUSTED_FOR: Final = 7 * 86_400.0  # how long a name that signed in from a network is not taken for its neighbours
ENTRIES: Final = 50_000  # in each table, some 300 octets each; the longest untouched goes first


class Throttle:
    """Used from one thread.  A session asks for the delay, waits, checks the password, and tells how it went."""

    def __init__(self, clock: Clock, *, entries: int = ENTRIES) -> None:
        self._clock = clock
        self._sources = _Failures(entries)
        self._names = _Failures(entries)
        self._entries = entries
        self._trusted: OrderedDict[tuple[str, str], float] = OrderedDict()

    def delay(self, source: str | None, login: str) -> float:
        """Seconds to wait before this attempt is looked at; None is a Unix socket."""
        now = self._clock.monotonic()
        origin, name = _origin(source), _name(source, login)
        by_name = _seconds(self._names.level(name, now) - FREE_FOR_NAME)
        if origin is None or self._trusted.get(name, now) > now:
            # Someone in the same office may be guessing; whoever signed in from there before need not wait for it.
            return by_name
        return max(by_name, _seconds(self._sources.level(origin, now) - FREE_FOR_SOURCE))

    def failed(self, source: str | None, login: str) -> None:
        """The name or the password was wrong."""
        now = self._clock.monotonic()
        if login:  # a token or what is malformed names nobody, and must not hold up the neighbours who do neither
            self._names.add(_name(source, login), now)
        if (origin := _origin(source)) is not None:
            self._sources.add(origin, now)

    def succeeded(self, source: str | None, login: str) -> None:
        """Forgives the failures of this name from there, but not the source's: a guesser may have an account too."""
        name = _name(source, login)
        self._names.forget(name)
        self._trusted[name] = self._clock.monotonic() + TRUSTED_FOR
        self._trusted.move_to_end(name)
        if len(self._trusted) > self._entries:
            self._trusted.popitem(last=False)


class _Failures:
    """How many failures each key has, the older counting less."""

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._levels: OrderedDict[object, tuple[float, float]] = OrderedDict()  # level, and when it was that

    def level(self, key: object, now: float) -> float:
        level, then = self._levels.get(key, (0.0, now))
        return level * math.exp2((then - now) / HALF_LIFE)

    def add(self, key: object, now: float) -> None:
        self._levels[key] = (self.level(key, now) + 1, now)
        self._levels.move_to_end(key)
        if len(self._levels) > self._entries:
            self._levels.popitem(last=False)

    def forget(self, key: object) -> None:
        self._levels.pop(key, None)


def _seconds(excess: float) -> float:
    """Doubles with every failure beyond the free ones."""
    return min(LONGEST, SHORTEST * math.exp2(min(excess, 32))) if excess > 0 else 0.0


def _origin(source: str | None) -> str | None:
    """An IPv4 address, or an IPv6 /64: its holder can take any address in it."""
    return _network(source, 32, 64)


def _name(source: str | None, login: str) -> tuple[str, str]:
    # The wider networks keep a phone that changes its address in one place, and a guesser with a rack of them, too.
    return _network(source, 24, 56) or "", fold_address(login)


def _network(source: str | None, bits_of_4: int, bits_of_6: int) -> str | None:
    if not source:
        return None
    try:
        address = ip_address(source)
    except ValueError:
        return source
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    bits = bits_of_4 if address.version == 4 else bits_of_6
    return str(ip_network((int(address) >> (address.max_prefixlen - bits) << (address.max_prefixlen - bits), bits)))
