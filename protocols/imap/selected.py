"""The selected state: which messages the client knows of, and how it is told what became of them.

The client's numbering is that of `view`, and only what is written here changes it.  What others change is kept in
`_news` until a moment when the client may be told.  While EXPUNGE must be held back (RFC 9051 7.5.1) the rest is told,
and the messages that are gone stay in this view, as ghosts, until they may be announced.
"""

from collections.abc import Collection, Iterator
from functools import lru_cache

from msgspec.structs import replace

from core.changes import Change, FolderChange, TreeChange
from core.flags import Permitted, permitted
from core.limits import KEYWORDS_PER_FOLDER
from core.model import (
    MAX_UID,
    Entry,
    FolderId,
    ModSeq,
    UIDRanges,
    common,
    merged,
    ranges,
    within,
    without,
)
from core.rights import NOTHING, OWNER
from core.view import FolderView
from core.watching import Watch
from protocols.imap.finding.contexts import Contexts, bounded
from protocols.imap.naming.homes import Home
from protocols.imap.notifying import AS_EVER
from protocols.imap.saying import responses
from protocols.imap.saying.languages import I_DEFAULT, Language

NO_FLAG = permitted(NOTHING)
NEWS_ENTRIES = 4_096  # kept for a client that stays silent; beyond it is cheaper to compare views


class Selected:
    """One session's view of one folder."""

    __slots__ = (
        "_announced",
        "_enabled",
        "_ghosts",
        "_held_since",
        "_is_behind",
        "_muted",
        "_news",
        "_owes_modseq",
        "_room",
        "contexts",
        "folder_id",
        "fresh",
        "has_new_key",
        "home",
        "is_doubtful",
        "is_gone",
        "language",
        "own",
        "path",
        "read_only",
        "recent_from",
        "rights",
        "saved",
        "shows_recent",
        "uidvalidity",
        "view",
        "wants",
        "watch",
    )

    def __init__(
        self,
        path: str,
        home: Home,
        folder_id: FolderId,
        watch: Watch,
        view: FolderView,
        *,
        read_only: bool,
        enabled: Collection[str] = frozenset(),
    ) -> None:
        """`enabled` is the session's, and may grow: what the client has said that it understands."""
        self.path = path
        self.home = home
        self.folder_id = folder_id
        self.watch = watch
        self.view = view
        self.read_only = read_only
        self.rights = OWNER
        self.uidvalidity = 0
        self.wants = AS_EVER
        self.fresh: UIDRanges = ()  # messages that have come, of which the client wants to be told more
        self.own: UIDRanges = ()  # messages that it has put here itself, and not yet been told of
        self.recent_from = 0  # messages from this UID on are \Recent here
        self.shows_recent = True
        self.saved: UIDRanges = ()  # the result of SEARCH RETURN (SAVE)
        self.contexts = Contexts(enabled)
        self.language = I_DEFAULT
        self.is_gone = False
        self.is_doubtful = False  # the reader's rights may have changed
        self.has_new_key = False  # for URLs, which the client has not been told (RFC 4467 RESETKEY)
        self._announced = len(view)  # what the last EXISTS said, less what EXPUNGE took away
        self._enabled = enabled
        self._ghosts: UIDRanges = ()
        self._held_since: int | None = None  # the MODSEQ before the first change of which not all has been told
        # Without the views that came with them: a client that stays silent would keep every one alive.
        self._news: list[FolderChange] = []
        self._room = NEWS_ENTRIES
        self._is_behind = False  # there was too much to keep: the news is how the newest view differs from ours
        self._muted: UIDRanges = ()  # messages whose flags have changed, which the client does not want to hear
        self._owes_modseq = False  # messages have gone, or are held back

    def hear(self, change: Change) -> None:
        """Something was committed; the client hears of it when `tell` is next called."""
        if isinstance(change, TreeChange):
            self.is_doubtful = True
            return
        if not isinstance(change, FolderChange):
            self.is_gone = True
            return
        self._room -= 1 + len(change.arrived) + len(change.changed) + len(change.expunged)
        self._is_behind = self._is_behind or self._room < 0
        if self._is_behind:
            self._news.clear()
        else:
            self._news.append(change)

    @property
    def may(self) -> Permitted:
        """The flags that the client may change."""
        return permitted(self.rights)

    @property
    def has_news(self) -> bool:
        owes_count = self.wants.counts and len(self.view) != self._announced
        held = self._news or self._is_behind or self._ghosts or self._muted
        return bool(held or self.is_gone or self.has_new_key or owes_count)

    def _pending(self) -> list[FolderChange]:
        """What the client has not been told."""
        if not self._is_behind:
            return self._news
        newest = self.watch.view
        return [] if newest is None else [self.view.difference(newest, *self.watch.folder.key)]

    def lost(self, uids: UIDRanges) -> bool:
        """Whether some of these messages are gone, though the client has not been told."""
        gone = merged(self._ghosts, *(change.expunged for change in self._pending()))
        return bool(self.view.clip(common(merged(uids), gone)))

    @property
    def modseq(self) -> int:
        """Up to which MODSEQ the client has been told everything (RFC 7162 3.2: HIGHESTMODSEQ)."""
        return self.view.modseq if self._held_since is None else min(self._held_since, self.view.modseq)

    @property
    def _holds(self) -> bool:
        """Whether the client has not been told of all that is in its view."""
        return bool(self._ghosts or self._muted) or len(self.view) != self._announced

    @property
    def newest(self) -> FolderView:
        """What the folder has come to, told or not."""
        return self.watch.view or self.view

    @property
    def uid_only(self) -> bool:
        """RFC 9586: no message numbers, either way."""
        return "UIDONLY" in self._enabled

    def is_ghost(self, uid: int) -> bool:
        """Whether a message of this view is gone."""
        return within(uid, self._ghosts)

    def alive(self, uids: UIDRanges) -> UIDRanges:
        """The messages of this view in some ranges, without those that are gone already."""
        return without(ranges(entry.uid for _, entry in self.view.numbered(uids)), self._ghosts)

    def is_recent(self, uid: int) -> bool:
        return self.shows_recent and uid >= self.recent_from

    def flags(self, entry: Entry) -> bytes:
        """The parenthesized list of a message's flags."""
        return flag_octets(entry, self.view.keywords, recent=self.is_recent(entry.uid))

    def speak(self, language: Language) -> None:
        """What is said for people is in this language from now on."""
        self.language = self.contexts.language = language

    def flags_known(self) -> Iterator[bytes]:
        """FLAGS and PERMANENTFLAGS, as SELECT tells them and whenever a keyword is new (RFC 9051 7.1, 7.3.5)."""
        known = self.view.keywords
        yield responses.flags(known)
        may = NO_FLAG if self.read_only else self.may
        more = bool(may.keywords) and len(known) < KEYWORDS_PER_FOLDER
        permanent = responses.permanent_flags(known if may.keywords else (), system=may.system, more=more)
        yield responses.untagged(b"OK", "Flags that stay", permanent, self.language)

    def tell(self, *, expunge: bool, uid: bool = False, quiet: int = 0) -> Iterator[bytes]:
        """The untagged responses that bring the client up to date, EXPUNGE among them only if it is allowed now.

        With `uid`, FETCH responses carry the UID.  Flag changes made at MODSEQ `quiet` are not told.
        """
        # RFC 7162 3.2.4; RFC 5465 5.1.
        uid = uid or "QRESYNC" in self._enabled or self.wants.at_once
        expunge = expunge and self.wants.counts
        had_ghosts = bool(self._ghosts)
        news, last_uid = self._pending(), self.view.last_uid
        if self.contexts:  # at once for all that is gone, also where its EXPUNGE must wait (RFC 5267 A.3)
            yield from self.contexts.withdraw(self.view, merged(*(change.expunged for change in news)))
        if self.has_new_key:
            self.has_new_key = False
            yield responses.url_mechanisms(self.language)
        if expunge and self._ghosts:
            yield from self._bury()
        self.is_gone = self.is_gone or (self._is_behind and not news)  # the newest view is lost too
        self._news, self._room, self._is_behind = [], NEWS_ENTRIES, False
        for change in news:
            if change.modseq <= self.view.modseq:
                continue  # the view was loaded after it
            if change.since != self.view.modseq:
                self.is_gone = True  # something was missed: better to end than to number messages wrongly
                return
            if change.expunged and expunge:
                yield from self._expunged(change.expunged)
            elif change.expunged:
                self._hold(change)
                self._ghosts = merged(self._ghosts, change.expunged)
                change = replace(change, expunged=())
            if change.arrived and not self.wants.counts:
                self._hold(change)
            self._advance(change)
            if change.keywords is not None:
                yield from self.flags_known()
            # By message: when views are compared, what others did is in the same change.
            changed = tuple(entry for entry in change.changed if entry.modseq != quiet)
            if changed and not self.wants.flags:
                self._hold(change)
                self._muted = bounded(merged(self._muted, ranges(entry.uid for entry in changed)))
            elif changed:
                yield from self._exists()
                yield from self._fetched(changed, uid=uid)
        yield from self._exists()
        yield from self._unmuted(uid=uid)
        if not self._holds:
            self._held_since = None
        self._share()
        self._owes_modseq |= bool(self._ghosts or had_ghosts or any(change.expunged for change in news))
        if self.contexts:
            arrived = ranges(sorted({entry.uid for change in news for entry in change.arrived}))
            flagged = ranges(sorted({entry.uid for change in news for entry in change.changed}))
            self.contexts.touch(arrived, flagged, (last_uid, self.view.last_uid), self.own)
        if self.wants.items:
            arrived = ranges(sorted({entry.uid for change in news for entry in change.arrived}))
            self.fresh = bounded(merged(self.fresh, without(arrived, self.own)))
        self.own = ()

    def _hold(self, change: FolderChange) -> None:
        """The client is not told of all of this."""
        # Not by `_holds`: messages that came before, in the same breath, are announced in a moment.
        self._held_since = change.since if self._held_since is None else self._held_since

    def _unmuted(self, *, uid: bool) -> Iterator[bytes]:
        """RFC 5465 3.1: what has accumulated while the client did not want to hear of flags."""
        if not self.wants.flags or not self._muted:
            return
        muted, self._muted = self._muted, ()
        yield from self._fetched(tuple(entry for _, entry in self.view.numbered(muted)), uid=uid)

    def settled(self) -> Iterator[bytes]:
        """HIGHESTMODSEQ behind all that a command has told, where its MODSEQs are not enough to know it by.

        RFC 7162 3.2: lower than what is held back, lest that be lost with the connection; and up again after it.
        """
        if self._owes_modseq and "QRESYNC" in self._enabled:
            yield responses.highest_modseq(self.modseq, self.language)
        self._owes_modseq = False

    def _advance(self, change: FolderChange) -> None:
        """The view after a change: the one that others hold already, if it is the same."""
        newest = self.watch.view
        is_shared = not self._ghosts and newest is not None and newest.modseq == change.modseq
        self.view = newest if is_shared and newest is not None else self.view.apply(change)

    def _share(self) -> None:
        newest = self.watch.view
        if not self._ghosts and newest is not None and newest.modseq == self.view.modseq:
            self.view = newest

    def _bury(self) -> Iterator[bytes]:
        ghosts, self._ghosts = self._ghosts, ()
        yield from self._expunged(ghosts)
        place, at = (self.watch.folder.key[0], self.folder_id), ModSeq(self.view.modseq)
        self.view = self.view.apply(FolderChange(*place, at, at, expunged=ghosts))

    def _expunged(self, gone: UIDRanges) -> Iterator[bytes]:
        """EXPUNGE for each, numbered as the client must read them one after the other; or VANISHED for all."""
        if self.uid_only or "QRESYNC" in self._enabled:
            # RFC 7162 3.2.10.2: only what the client has been told of.
            told = [entry.uid for number, entry in self.view.numbered(gone) if number <= self._announced]
            self._announced -= len(told)
            yield from responses.vanished(ranges(told))
            return
        for before, (number, _) in enumerate(self.view.numbered(gone)):
            if number - before <= self._announced:
                yield responses.expunge(number - before)
                self._announced -= 1

    def _exists(self) -> Iterator[bytes]:
        if len(self.view) != self._announced and self.wants.counts:
            self._announced = len(self.view)
            yield responses.exists(self._announced)
            if self.shows_recent:
                yield responses.recent(self.recent_count())

    def recent_count(self) -> int:
        r"""How many messages of the view are \Recent to this session."""
        first = self.view.clip(((self.recent_from, MAX_UID),)) if self.shows_recent else ()
        return len(self.view) - self.view.number(first[0][0]) + 1 if first else 0

    def _fetched(self, changed: tuple[Entry, ...], *, uid: bool) -> Iterator[bytes]:
        for entry in changed:
            number = self.view.number(entry.uid)
            if number:
                yield self.flags_line(number, entry, uid=uid)

    def flags_line(self, number: int, entry: Entry, *, uid: bool) -> bytes:
        """An untagged FETCH with a message's flags, and its MODSEQ for who understands that (RFC 7162 3.2.4)."""
        return self._line(number, entry, b"FLAGS " + self.flags(entry), uid=uid)

    def modseq_line(self, number: int, entry: Entry, *, uid: bool) -> bytes:
        """An untagged FETCH with a message's MODSEQ alone, as a silent STORE owes it (RFC 7162 3.1.3)."""
        return self._line(number, entry, b"", uid=uid)

    def _line(self, number: int, entry: Entry, item: bytes, *, uid: bool) -> bytes:
        modseq = b"MODSEQ (%d)" % entry.modseq if "CONDSTORE" in self._enabled else b""
        items = b" ".join(filter(None, (item, modseq)))
        if self.uid_only:
            return b"* %d UIDFETCH (%b)\r\n" % (entry.uid, items)
        if uid or "CONDSTORE" in self._enabled:  # RFC 7162 3.2.4: of any server that has QRESYNC
            return b"* %d FETCH (UID %d %b)\r\n" % (number, entry.uid, items)
        return b"* %d FETCH (%b)\r\n" % (number, items)


def flag_octets(entry: Entry, keywords: tuple[str, ...], *, recent: bool) -> bytes:
    """The parenthesized list of a message's flags; `keywords` are the folder's, by bit."""
    return _flag_octets(entry.flags, entry.keywords, keywords if entry.keywords else (), recent)


@lru_cache(4096)
def _flag_octets(flags: int, mask: int, keywords: tuple[str, ...], recent: bool) -> bytes:
    names = tuple(name for bit, name in enumerate(keywords) if mask >> bit & 1)
    return responses.flag_list(flags, names, recent=recent)
