"""Filters: searches that are kept under a name, as annotations of the server (RFC 5466)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

from core.annotations import SERVER, read_values
from core.ports import ReadTx
from protocols.imap import limits
from protocols.imap.commands import And, Filter, Fuzzy, Not, Or, SearchKey
from protocols.imap.finding.searching import names_filters
from protocols.imap.grammar import BadSyntax
from protocols.imap.grammar.search import FILTER_NAME, criteria
from protocols.imap.saying import responses
from protocols.imap.saying.refusals import Rejected
from protocols.imap.work import Asking

if TYPE_CHECKING:
    from protocols.imap.services import Account
    from protocols.imap.session import Session

# RFC 5466 3.1: a user's own hides the one for all.
_PRIVATE: Final = "/private/filters/values/"
_SHARED: Final = "/shared/filters/values/"
_VALUES: Final = (_PRIVATE, _SHARED)
_ENTRIES: Final = (*_VALUES, "/private/filters/descriptions/", "/shared/filters/descriptions/")


def check_filters(values: Iterable[tuple[str, bytes | None]]) -> None:
    """Raises Rejected for annotations of the server that would be filters, but not of a kind that can be used.

    RFC 5466 3.2: a value SHOULD be full and correct search criteria.  What it names may come later.
    """
    for entry, value in values:
        if entry.startswith(_ENTRIES) and not FILTER_NAME.fullmatch(entry.split("/", 4)[4].encode("ascii")):
            raise Rejected("No filter can have that name", code=responses.CANNOT)
        if entry.startswith(_VALUES) and value is not None:
            try:
                criteria(value)
            except BadSyntax as fault:
                raise Rejected(f"No search criteria: {fault.text}", code=responses.CANNOT) from None


def filled_in(session: Session, key: SearchKey) -> Asking[SearchKey]:
    """A key with what its filters say in their place.

    RFC 5466 has it inserted "verbatim".  But FILTER is one search key (section 4), so that NOT and OR before it are
    about all that it says, as if it stood in parentheses.
    """
    if not names_filters(key):
        return key
    account, shared = session.signed_in, session.services.annotations
    # Off the event loop: some filters take milliseconds to parse.
    filled: SearchKey = yield account.home.read(partial(_filled, account=account, shared=shared, key=key), heavy=True)
    return filled


def _filled(tx: ReadTx, *, account: Account, shared: Mapping[str, bytes], key: SearchKey) -> SearchKey:
    return _Filling(tx, account, shared).fill(key, (), 0)


class _Filling:
    """One search program being put together.  Its limits are those of one that the client sends as a whole."""

    def __init__(self, tx: ReadTx, account: Account, shared: Mapping[str, bytes]) -> None:
        self._tx = tx
        self._account = account
        self._shared = shared
        self._keys = 0
        self._octets = 0
        self._known: dict[str, tuple[SearchKey, int]] = {}  # with the octets that each was

    def fill(self, key: SearchKey, above: tuple[str, ...], depth: int) -> SearchKey:
        """The key without filters; `above` are those that it is part of."""
        self._keys += 1
        if self._keys > limits.SEARCH_KEYS or depth > limits.SEARCH_DEPTH:
            raise _too_large()
        match key:
            case And(keys=keys):
                return And(tuple([self.fill(inner, above, depth + 1) for inner in keys]))
            case Or(keys=keys):
                return Or(tuple([self.fill(inner, above, depth + 1) for inner in keys]))
            case Not(key=inner):
                return Not(self.fill(inner, above, depth + 1))
            case Fuzzy(key=inner):
                return Fuzzy(self.fill(inner, above, depth + 1))
            case Filter(name=spelt):
                name = spelt.lower()
                # RFC 5466 3.1: a loop, or a filter too many within one another, is as if there were no such filter.
                if name in above or len(above) == limits.FILTER_PASSES:
                    raise _undefined(spelt, "The filters go too deep, or in a circle")
                said, octets = self._said(name, spelt)
                self._octets += octets
                if self._octets > limits.FILTERS:
                    raise _too_large()
                return self.fill(said, (*above, name), depth + 1)
            case _:
                return key

    def _said(self, name: str, spelt: str) -> tuple[SearchKey, int]:
        if (known := self._known.get(name)) is not None:
            return known
        value = self._value(name, spelt)
        try:
            self._known[name] = said = criteria(value), len(value)
        except BadSyntax:  # we have taken none such, but may have been more generous once
            raise _undefined(spelt, "That filter holds no search criteria") from None
        return said

    def _value(self, name: str, spelt: str) -> bytes:
        private, account = _PRIVATE + name, self._account
        mine = read_values(self._tx, account.mailbox_id, SERVER, account.user, (private,), below=False)
        value = mine.get(private, self._shared.get(_SHARED + name))
        if value is None:
            raise _undefined(spelt, "There is no such filter")
        return value


def _too_large() -> Rejected:
    return Rejected("The filters make too large a search", code=responses.LIMIT)


def _undefined(name: str, text: str) -> Rejected:
    return Rejected(text, code=responses.undefined_filter(name))
