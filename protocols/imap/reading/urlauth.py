"""URLs by which others may read what their maker may read (RFC 4467): who may use which, and how ours are known."""

import hmac
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from core.recipients import fold_name
from protocols.imap.grammar.urls import Access

MECHANISM: Final = "INTERNAL"

# RFC 4467 2.4.1: the token says by which algorithm it was made, so that there can be another one day.
_HMAC_SHA256: Final = b"\x01"

_PUBLIC: Final = ("authuser", "anonymous")  # the same here, where nobody is anonymous (RFC 4467 10)
_SUBMIT: Final = "submit"


class UrlAccess(Struct, frozen=True):
    """What the settings allow."""

    public: bool = True  # URLs that everybody may use who has an account
    applications: Mapping[str, frozenset[str]] = {}  # who acts for each, by folded aliases (RFC 5593 3.3)

    def has(self, access: Access) -> bool:
        """Whether there is such an access identifier, and anybody who may come by it."""
        name, is_for_somebody = access.application, access.userid is not None
        if name == "user":
            return is_for_somebody
        if name in _PUBLIC:
            return self.public and not is_for_somebody
        # Only the form with a user is registered for submission (RFC 5593 6.3); of others we cannot know.
        return name in self.applications and (is_for_somebody or name != _SUBMIT)

    def lets(self, alias: str, access: Access) -> bool:
        """Whether a user may use URLs of this kind.

        Whom an application acts for is its own concern (RFC 5593 3.3); whom `user+` means, others must say.
        """
        entities = self.applications.get(access.application)
        return self.has(access) and (entities is None or fold_name(alias) in entities)


def token(key: bytes, rump: bytes) -> bytes:
    """RFC 4467 2.5: what shows that the owner of a mailbox access key has authorized a URL."""
    return _HMAC_SHA256 + hmac.digest(key, rump, "sha256")


def is_token(given: bytes, key: bytes, rump: bytes) -> bool:
    """RFC 4467 6."""
    return hmac.compare_digest(given, token(key, rump))


def authorized(key: bytes, rump: bytes) -> bytes:
    """RFC 4467 5: the URL with its token."""
    return b"%s:%s:%s" % (rump, MECHANISM.lower().encode("ascii"), token(key, rump).hex().encode("ascii"))
