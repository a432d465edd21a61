"""Search results that are kept up to date for a client (RFC 5267 4.3): CONTEXT=SEARCH and CONTEXT=SORT.

What goes away needs no looking at: it leaves the results before its EXPUNGE is told.  Whether what came or changed
belongs to them may depend on its text, so it is looked for in the store as any search would, once the client knows of
the message and when it is the client's turn.

What SORT found has an order besides, which only grows and shrinks: what two messages are compared by never changes.
"""

from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence

from msgspec import Struct

from core.model import UIDRanges, common, each, merged, without
from core.view import FolderView
from protocols.imap import commands, limits
from protocols.imap.finding import sorting
from protocols.imap.finding.comparators import Comparator
from protocols.imap.saying import responses
from protocols.imap.saying.languages import I_DEFAULT

TOO_MANY = "Too many search results are kept up to date already"
TOO_LARGE = "The search result is too large, or too scattered, to be kept up to date"
NO_NUMBERS = "There are no message numbers any more"

_OF_FLAGS = (commands.HasFlag, commands.HasKeyword, commands.Changed)


def bounded(uids: UIDRanges) -> UIDRanges:
    """To look at more messages than must be, or to tell of them, does no harm."""
    return uids if len(uids) <= limits.CONTEXT_RANGES else ((uids[0][0], uids[-1][1]),)


class Context(Struct):
    """One search result, in UIDs whatever the client is told."""

    tag: bytes
    uid: bool
    key: commands.SearchKey  # without message numbers, which mean what they meant when it was asked for
    members: UIDRanges
    comparator: Comparator  # the one that was in use
    folder: tuple[str, int] | None = None  # path and UIDVALIDITY, where they must be said
    told: tuple[commands.FetchItem, ...] = ()  # of messages that come (RFC 5465 7)
    keys: tuple[commands.SortKey, ...] = ()  # by which the results are sorted; none: they are in the folder's order
    order: Sequence[int] = ()  # the members, where they are sorted
    fresh: UIDRanges = ()  # of those that are behind, the ones that have come, and not by the client itself
    behind: UIDRanges = ()  # the client knows what became of these messages, but not whether they belong here

    @property
    def sets(self) -> list[commands.SequenceSet]:
        """The sets of UIDs among its keys."""
        return [leaf.uids for leaf in commands.leaves(self.key) if isinstance(leaf, commands.Uids)]

    @property
    def is_too_large(self) -> bool:
        """What is held for a context is bounded, however its results lie in the folder."""
        ranges_held = len(self.members) + sum(len(uids.ranges) for uids in self.sets)
        return ranges_held > limits.CONTEXT_RANGES or len(self.order) > limits.SORTED_CONTEXT

    def touch(self, uids: UIDRanges) -> None:
        """These messages must be looked at."""
        self.behind = bounded(merged(self.behind, uids))


class Contexts:
    """Those of one selected folder, by the tags of their commands."""

    __slots__ = ("_by_tag", "_enabled", "language")

    def __init__(self, enabled: Collection[str]) -> None:
        """`enabled` is the session's: what the client has said that it understands."""
        self._by_tag: dict[bytes, Context] = {}
        self._enabled = enabled
        self.language = I_DEFAULT  # the session's

    def __bool__(self) -> bool:
        return bool(self._by_tag)

    def __contains__(self, tag: bytes) -> bool:
        return tag in self._by_tag

    def open(self, context: Context) -> Iterator[bytes]:
        """RFC 5267 4.3.1: what cannot be kept up to date is refused, while the search itself is answered."""
        if len(self._by_tag) >= limits.CONTEXTS:
            yield responses.no_update(context.tag, TOO_MANY, self.language)
            return
        self._by_tag[context.tag] = context
        yield from self._check(context)

    def close(self, tag: bytes) -> None:
        del self._by_tag[tag]

    def close_numbered(self) -> Iterator[bytes]:
        """RFC 9586 3: from now on there are no message numbers."""
        for context in list(self._by_tag.values()):
            if not context.uid:
                yield from self.give_up(context, NO_NUMBERS)

    def give_up(self, context: Context, why: str) -> Iterator[bytes]:
        """RFC 5267 4.3.1 also for one that has been kept up to date until now."""
        self.close(context.tag)
        yield responses.no_update(context.tag, why, self.language)

    def withdraw(self, view: FolderView, gone: UIDRanges) -> Iterator[bytes]:
        """RFC 5267 4.3.4: before the EXPUNGE of these messages, with the numbers that they still have."""
        for context in list(self._by_tag.values()):
            context.behind = without(context.behind, gone)
            yield from self._remove(context, view, common(context.members, gone))
            yield from self._check(context)

    def touch(self, arrived: UIDRanges, changed: UIDRanges, ends: tuple[int, int], own: UIDRanges = ()) -> None:
        """The client has been told that messages came and that flags changed; the last UID was one, and is another.

        Flags matter only where a key asks for them, and the last UID only where one says "*".
        """
        for context in self._by_tag.values():
            context.touch(arrived)
            if context.told:
                context.fresh = bounded(merged(context.fresh, without(arrived, own)))
            if any(isinstance(leaf, _OF_FLAGS) for leaf in commands.leaves(context.key)):
                context.touch(changed)
            if ends[0] != ends[1] and any(commands.STAR in pair for uids in context.sets for pair in uids.ranges):
                context.touch(merged(*(((uid, uid),) for uid in ends if uid)))

    def behind(self) -> list[Context]:
        """Those with messages that must be looked at."""
        return [context for context in self._by_tag.values() if context.behind]

    def come(self, context: Context, looked: UIDRanges, found: UIDRanges) -> UIDRanges:
        """The messages among these that belong here now and have just come."""
        come, context.fresh = common(context.fresh, looked), without(context.fresh, looked)
        return without(common(come, found), context.members)

    def judge(
        self, context: Context, view: FolderView, looked: UIDRanges, found: UIDRanges, whole: Iterable[int] = ()
    ) -> Iterator[bytes]:
        """Of the messages that were looked at, all of them in this view, these match now.

        `whole` is the order of the members with those that are new, where they are sorted.
        """
        before, now = common(context.members, looked), common(looked, found)
        yield from self._remove(context, view, without(before, now))
        yield from self._add(context, view, without(now, before), whole)
        yield from self._check(context)

    def _remove(self, context: Context, view: FolderView, lost: UIDRanges) -> Iterator[bytes]:
        """RFC 5267 4.3.4.  The last ones first: so the positions of the others are those that the client knows."""
        if not lost:
            return
        context.members = without(context.members, lost)
        taken = sorting.runs(context.order, each(lost), responses.RANGES_IN_LINE) if context.keys else []
        if context.keys:
            gone = set(each(lost))
            context.order = array("I", [uid for uid in context.order if uid not in gone])
        yield from self._update(context, view, b"REMOVEFROM", lost, reversed(taken))

    def _add(self, context: Context, view: FolderView, gained: UIDRanges, whole: Iterable[int]) -> Iterator[bytes]:
        """RFC 5267 4.3.3.  The first ones first: each comes to stand where it stays."""
        if not gained:
            return
        context.members = merged(context.members, gained)
        if context.keys:
            context.order = sorting.joined(context.order, each(gained), whole)
        put = sorting.runs(context.order, each(gained), responses.RANGES_IN_LINE) if context.keys else []
        yield from self._update(context, view, b"ADDTO", gained, put)

    def _update(
        self,
        context: Context,
        view: FolderView,
        item: bytes,
        uids: UIDRanges,
        runs: Iterable[tuple[int, Sequence[int]]],
    ) -> Iterator[bytes]:
        """The messages that came to the results or went: in the folder's order, or where they are in the results'."""
        pairs: Iterable[tuple[int, commands.Ranges]]
        if context.keys:
            told = ((first, run if context.uid else view.numbers(run)) for first, run in runs)
            pairs = ((first, sorting.in_order(numbers)) for first, numbers in told)
        else:
            numbers = uids if context.uid else merged(tuple((view.number(a), view.number(b)) for a, b in uids))
            most = responses.RANGES_IN_LINE
            pairs = ((0, numbers[at : at + most]) for at in range(0, len(numbers), most))
        correlator = responses.correlator(context.tag, context.folder, utf8=responses.in_utf8(self._enabled))
        yield from responses.search_update(correlator, uid=context.uid, item=item, pairs=pairs)

    def _check(self, context: Context) -> Iterator[bytes]:
        if context.is_too_large:
            yield from self.give_up(context, TOO_LARGE)
