"""Which capabilities are kept from a client: by what it says of itself (RFC 2971), by its account, or from everybody.

RFC 2971 3 says that servers must not work around clients' faults by ID.  This does, for there is nothing else to know a
client by whose users would see no mail.  It only takes offers back, and puts off what a client offers to put off.
Without `imap.use_shipped_client_table` and rules of an administrator's own, ID changes nothing.
"""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from core.recipients import fold_name

ClientId = tuple[tuple[str, str | None], ...]  # the fields of ID, names in lower case


class Pattern(Struct, frozen=True):
    """Clients, by how what they say of themselves begins; case does not count, and what is empty is not looked at."""

    name: str = ""
    vendor: str = ""
    version: str = ""

    @property
    def is_anyone(self) -> bool:
        """Whether this means clients that say nothing, too."""
        return not (self.name or self.vendor or self.version)

    def matches(self, client: ClientId) -> bool:
        said = dict(client)
        wanted = (("name", self.name), ("vendor", self.vendor), ("version", self.version))
        return all((said.get(field) or "").casefold().startswith(begin.casefold()) for field, begin in wanted)


class Fault(Struct, frozen=True):
    """A client that breaks on capabilities which it is offered."""

    client: Pattern
    hides: frozenset[str]
    since: str  # where this was told
    why: str


class Rule(Struct, frozen=True):
    """What an administrator keeps from clients, of certain accounts if any are named (by folded aliases)."""

    client: Pattern
    hides: frozenset[str]
    accounts: frozenset[str] = frozenset()

    def applies(self, account: str | None, client: ClientId) -> bool:
        is_meant = not self.accounts or (account is not None and fold_name(account) in self.accounts)
        return is_meant and self.client.matches(client)


class ClientPolicy(Struct, frozen=True):
    """All that is kept from clients.  Capabilities are in upper case."""

    from_everybody: frozenset[str] = frozenset()
    rules: tuple[Rule, ...] = ()
    faults: tuple[Fault, ...] = ()
    puts_off: bool = False  # whether what clients fetch in the background may be put off

    def hidden(self, account: str | None, client: ClientId) -> frozenset[str]:
        """What is not offered on a connection; `account` is who has signed in.

        A rule that says which clients it means takes the place of the faults that we know of them.
        """
        rules = [rule for rule in self.rules if rule.applies(account, client)]
        found = [self.from_everybody, *(rule.hides for rule in rules)]
        if all(rule.client.is_anyone for rule in rules):
            found += [fault.hides for fault in self.faults if fault.client.matches(client)]
        return _with_dependents(frozenset().union(*found))


def is_background(client: ClientId) -> bool:
    """Whether a connection of Apple's Mail is for what its user does not wait for (Apple TN3189)."""
    said = dict(client)
    events = {event.strip().lower() for event in (said.get("event") or "").split(",")}
    return (said.get("name") or "").lower().startswith("com.apple.") and not events.isdisjoint(_BACKGROUND)


_BACKGROUND: Final = frozenset({"back-fill", "indexer"})


def is_hidden(capability: str, hidden: frozenset[str]) -> bool:
    """Whether a capability is among these, itself or as one of its kind: SORT hides SORT=DISPLAY."""
    name = capability.upper()
    return name in hidden or name.partition("=")[0] in hidden


# What means nothing to a client without the capability before it.
_DEPENDENTS: Final[dict[str, tuple[str, ...]]] = {
    "CONDSTORE": ("QRESYNC",),  # RFC 7162 3.2
    "ESEARCH": (
        "SEARCHRES",
        "PARTIAL",
        "ESORT",
        "CONTEXT=SEARCH",
        "CONTEXT=SORT",
        "MULTISEARCH",
    ),  # RFC 5182, 9394, 5267, 7377
    "SORT": ("ESORT", "CONTEXT=SORT"),  # RFC 5267 3, 4.1
    "LIST-EXTENDED": ("LIST-STATUS", "LIST-MYRIGHTS", "LIST-METADATA"),  # RFC 5819, 8440, 9590
    "ACL": ("RIGHTS", "LIST-MYRIGHTS"),  # RFC 4314 2.2, RFC 8440
    "METADATA": ("LIST-METADATA", "FILTERS"),  # RFC 9590, RFC 5466 3.2
    "QUOTA": ("QUOTASET",),  # RFC 9208 4.1.3
}


def _with_dependents(hidden: Iterable[str]) -> frozenset[str]:
    return frozenset(name for each in hidden for name in (each, *_DEPENDENTS.get(each, ())))
