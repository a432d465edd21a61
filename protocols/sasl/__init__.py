"""SASL (RFC 4422), the server's side: every mechanism by its name, and which of them a connection is offered."""

from collections.abc import Collection, Mapping
from typing import Final, Protocol

from core.ports import Entropy
from core.recipients import Digest
from protocols.sasl.bearer import OAuthBearer, XOAuth2
from protocols.sasl.external import External
from protocols.sasl.plain import Login, Plain
from protocols.sasl.scram import Scram
from protocols.sasl.steps import Conversation, Mechanism


class _Make(Protocol):
    def __call__(self, entropy: Entropy, *, bindings: Mapping[str, bytes] | None = None) -> Mechanism: ...


def _scram(digest: Digest, *, plus: bool = False) -> _Make:
    def make(entropy: Entropy, *, bindings: Mapping[str, bytes] | None = None) -> Mechanism:
        return Scram(entropy, digest, bindings=bindings, plus=plus)

    return make


def _simple(kind: type[Conversation]) -> _Make:
    def make(entropy: Entropy, *, bindings: Mapping[str, bytes] | None = None) -> Mechanism:
        return kind()

    return make


# The best first, since some clients take the first that they know.
MECHANISMS: Final[Mapping[str, _Make]] = {
    "EXTERNAL": _simple(External),
    "SCRAM-SHA-256-PLUS": _scram("sha256", plus=True),
    "SCRAM-SHA-256": _scram("sha256"),
    "SCRAM-SHA-1": _scram("sha1"),
    "OAUTHBEARER": _simple(OAuthBearer),
    "XOAUTH2": _simple(XOAuth2),
    "PLAIN": _simple(Plain),
    "LOGIN": _simple(Login),
}
_NEEDS_CERTIFICATE: Final = frozenset({"EXTERNAL"})
_NEEDS_BINDING: Final = frozenset({"SCRAM-SHA-256-PLUS"})
_SHOWS_TOKEN: Final = frozenset({"OAUTHBEARER", "XOAUTH2"})
_SHOWS_PASSWORD: Final = frozenset({"PLAIN", "LOGIN"})


def offered(
    *,
    passwords: bool,
    bindings: Mapping[str, bytes] | None = None,
    tokens: bool = False,
    certificate: Collection[str] = (),
) -> tuple[str, ...]:
    """The mechanisms for a connection: those that show a password or a token only where that may be sent.

    `tokens`: there is an issuer whose tokens we take.  `certificate`: the names in the one that the client has shown.
    """
    without: set[str] = set()
    without |= set() if passwords else _SHOWS_PASSWORD
    without |= set() if passwords and tokens else _SHOWS_TOKEN
    without |= set() if bindings else _NEEDS_BINDING
    without |= set() if certificate else _NEEDS_CERTIFICATE
    return tuple(name for name in MECHANISMS if name not in without)
