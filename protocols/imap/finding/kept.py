"""What was found out of folders, kept in memory for who asks again: columns, orders, threads.

It is never wrong, for it says which messages it is about; it may only be less than is needed, or not be there.
"""

from typing import Any

from core.model import FolderId, MailboxId
from protocols.imap import limits

Key = tuple[MailboxId, FolderId, Any]


class Kept:
    """Values that nobody changes; who was not asked for longest goes first.  Used from one thread."""

    def __init__(self, most: int = limits.KEPT_OCTETS) -> None:
        self.octets = 0  # of all
        self._most = most
        self._values: dict[Key, tuple[Any, int]] = {}

    def get(self, key: Key) -> Any:
        """What is kept under a key, or None."""
        if (known := self._values.pop(key, None)) is None:
            return None
        self._values[key] = known  # the last to go now
        return known[0]

    def put(self, key: Key, value: Any, octets: int) -> None:
        """Keeps a value in place of the one before it, if there is room for it at all."""
        self._drop(key)
        if octets > self._most:
            return
        self._values[key] = (value, octets)
        self.octets += octets
        while self.octets > self._most:
            self._drop(next(iter(self._values)))

    def _drop(self, key: Key) -> None:
        if (known := self._values.pop(key, None)) is not None:
            self.octets -= known[1]
