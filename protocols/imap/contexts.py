"""Search results that are kept up to date for a client (RFC 5267 4.3): CONTEXT=SEARCH.

What goes away needs no looking at: it leaves the results before its EXPUNGE is told.  Whether what came or changed
belongs to them may depend on its text, so it is looked for in the store as any search would, once the client knows of
the message and when it is the client's turn.
"""

from collections.abc import Iterator

from msgspec import Struct

from core.model import UIDRanges, common, each, merged, ranges, without
from core.view import FolderView
from protocols.imap import limits, responses
from protocols.imap.commands import SearchKey

TOO_MANY = "Too many search results are kept up to date already"
TOO_SCATTERED = "The search result is too scattered to be kept up to date"


class Context(Struct):
    """One search result, in UIDs whatever the client is told."""

    tag: bytes
    correlator: bytes  # of its ESEARCH responses
    uid: bool
    key: SearchKey  # without message numbers, which mean what they meant when it was asked for
    members: UIDRanges
    behind: UIDRanges = ()  # the client knows what became of these messages, but not whether they belong here

    def _update(self, view: FolderView, item: bytes, uids: UIDRanges) -> Iterator[bytes]:
        if uids:
            told = uids if self.uid else ranges(view.number(uid) for uid in each(view.clip(uids)))
            yield responses.search_update(self.correlator, uid=self.uid, item=item, numbers=told)

    def withdraw(self, view: FolderView, gone: UIDRanges) -> Iterator[bytes]:
        """These messages will not be back."""
        self.behind = without(self.behind, gone)
        mine = common(self.members, gone)
        self.members = without(self.members, mine)
        yield from self._update(view, b"REMOVEFROM", mine)

    def judge(self, view: FolderView, looked: UIDRanges, found: UIDRanges) -> Iterator[bytes]:
        """Of the messages that were looked at, these match now."""
        before, now = common(self.members, looked), common(looked, found)
        lost, gained = without(before, now), without(now, before)
        self.members = merged(without(self.members, lost), gained)
        yield from self._update(view, b"REMOVEFROM", lost)
        yield from self._update(view, b"ADDTO", gained)


class Contexts:
    """Those of one selected folder, by the tags of their commands."""

    __slots__ = ("_by_tag",)

    def __init__(self) -> None:
        self._by_tag: dict[bytes, Context] = {}

    def __bool__(self) -> bool:
        return bool(self._by_tag)

    def __contains__(self, tag: bytes) -> bool:
        return tag in self._by_tag

    def open(self, context: Context) -> Iterator[bytes]:
        """RFC 5267 4.3.1: what cannot be kept up to date is refused, while the search itself is answered."""
        if len(self._by_tag) >= limits.CONTEXTS:
            yield responses.no_update(context.tag, TOO_MANY)
            return
        self._by_tag[context.tag] = context
        yield from self._check(context)

    def close(self, tag: bytes) -> None:
        del self._by_tag[tag]

    def close_numbered(self) -> None:
        """RFC 9586 3: from now on there are no message numbers."""
        self._by_tag = {tag: context for tag, context in self._by_tag.items() if context.uid}

    def touch(self, uids: UIDRanges) -> None:
        """These messages have come or changed, and the client has been told."""
        for context in self._by_tag.values():
            context.behind = merged(context.behind, uids)

    def withdraw(self, view: FolderView, gone: UIDRanges) -> Iterator[bytes]:
        """RFC 5267 4.3.4: before the EXPUNGE of these messages, with the numbers that they still have."""
        for context in self._by_tag.values():
            yield from context.withdraw(view, gone)

    def behind(self) -> list[Context]:
        """Those with messages that must be looked at."""
        return [context for context in self._by_tag.values() if context.behind]

    def judge(self, context: Context, view: FolderView, looked: UIDRanges, found: UIDRanges) -> Iterator[bytes]:
        yield from context.judge(view, looked, found)
        yield from self._check(context)

    def give_up(self, context: Context, why: str) -> Iterator[bytes]:
        self.close(context.tag)
        yield responses.no_update(context.tag, why)

    def _check(self, context: Context) -> Iterator[bytes]:
        """What is held for a context is bounded, however its results lie in the folder."""
        if len(context.members) > limits.CONTEXT_RANGES:
            yield from self.give_up(context, TOO_SCATTERED)
