"""Passwords that were verified a short time ago, so that the next sign-in with one costs microseconds.

No password is kept, only a digest under a key that lives and dies with the server.  What it was verified for is part of
the digest, so that a changed password is another one at once.
"""

import hashlib
import threading
from collections.abc import Callable
from typing import Final

from core.ports import Clock
from core.recipients import RecipientId

SECONDS: Final = 600.0  # a phone that comes back every few minutes costs one slow hash now and then
ENTRIES: Final = 20_000  # some 200 octets each
KEY_OCTETS: Final = hashlib.blake2b.MAX_KEY_SIZE
_DIGEST_OCTETS: Final = 16


class VerifiedPasswords:
    """Used from the event loop and from the threads that verify."""

    def __init__(
        self,
        clock: Clock,
        key: bytes,
        *,
        seconds: float = SECONDS,
        entries: int = ENTRIES,
        tell: Callable[[bytes], None] = lambda digest: None,
    ) -> None:
        """`key` is a secret; `tell` is called with what is new here, for others with the same key to hear."""
        self._clock = clock
        self._key = key
        self._tell = tell
        self.seconds = seconds
        self._entries = entries
        self._until: dict[bytes, float] = {}
        self._lock = threading.Lock()

    def add(self, recipient_id: RecipientId, version: int, password: bytes) -> None:
        """Remembers what was just verified the slow way."""
        digest = self._digest(recipient_id, version, password)
        self.heard(digest)
        self._tell(digest)

    def heard(self, digest: bytes) -> None:
        """The same was verified by another process with the same key."""
        with self._lock:
            # Anew at the end: the first in order is the first to expire.
            self._until.pop(digest, None)
            while len(self._until) >= self._entries:
                del self._until[next(iter(self._until))]
            self._until[digest] = self._clock.monotonic() + self.seconds

    def has(self, recipient_id: RecipientId, version: int, password: bytes) -> bool:
        """Whether this was verified, and not too long ago."""
        until = self._until.get(self._digest(recipient_id, version, password))
        return until is not None and self._clock.monotonic() < until

    def _digest(self, recipient_id: RecipientId, version: int, password: bytes) -> bytes:
        subject = b"%d %d " % (recipient_id, version)
        return hashlib.blake2b(subject + password, key=self._key, digest_size=_DIGEST_OCTETS).digest()
