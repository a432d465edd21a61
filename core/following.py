"""Who follows which mailboxes as a whole: every change in them, whether or not anybody has a folder open.

Used from one thread, the one that changes are published on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from core.changes import Change, TreeChange
from core.model import MailboxId

Listener = Callable[[Change], None]


class Follower:
    """One listener's interest; it begins with no mailbox."""

    def __init__(self, following: Following, listener: Listener) -> None:
        self._following = following
        self.listener = listener
        self.mailboxes: frozenset[MailboxId] = frozenset()

    def attend(self, mailboxes: Iterable[MailboxId]) -> None:
        """From now on to these mailboxes, in place of those before."""
        self._following._move(self, frozenset(mailboxes))

    def close(self) -> None:
        self._following._leave(self)


def _is_of_rights(change: Change) -> bool:
    return isinstance(change, TreeChange) and change.trustee is not None


class Following:
    """All followers.  Who follows any mailbox also hears of rights that change in any other: they may be his."""

    def __init__(self) -> None:
        self._all: set[Follower] = set()
        self._of: dict[MailboxId, set[Follower]] = {}

    def follow(self, listener: Listener) -> Follower:
        """A new follower; close it when it is done."""
        follower = Follower(self, listener)
        self._all.add(follower)
        return follower

    def _move(self, follower: Follower, mailboxes: frozenset[MailboxId]) -> None:
        for mailbox_id in follower.mailboxes - mailboxes:
            self._of[mailbox_id].discard(follower)
            if not self._of[mailbox_id]:
                del self._of[mailbox_id]
        for mailbox_id in mailboxes:
            self._of.setdefault(mailbox_id, set()).add(follower)
        follower.mailboxes = mailboxes

    def _leave(self, follower: Follower) -> None:
        self._move(follower, frozenset())
        self._all.discard(follower)

    @property
    def mailboxes(self) -> frozenset[MailboxId]:
        """All that anybody follows."""
        return frozenset(self._of)

    def publish(self, changes: Iterable[Change]) -> None:
        """Tells the followers what was committed."""
        if not self._all:
            return
        for change in changes:
            is_for_all = not change.mailbox_id or _is_of_rights(change)
            for follower in tuple(self._all if is_for_all else self._of.get(change.mailbox_id, ())):
                follower.listener(change)
