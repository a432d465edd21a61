"""Bearer tokens: JWTs (RFC 7519) that a configured issuer has signed for us, as OAUTHBEARER and XOAUTH2 bring them."""

from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import Key, KeySet, import_key
from msgspec import MsgspecError, Struct, json

from core.errors import Unavailable
from core.ports import Clock

# With public keys alone: whoever can check a token must not be able to make one.
ALGORITHMS: Final = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519",
]  # fmt: skip
TYPES: Final = frozenset({"jwt", "at+jwt", "application/at+jwt"})  # RFC 9068 2.1; not a token that signs somebody out
LEEWAY: Final = 60  # seconds by which two clocks may differ
MICROSECONDS: Final = 1_000_000


class BearerTokens:
    """Says whom a token is about.  For threads: checking a signature takes some 0.1 ms, reading new keys more."""

    def __init__(self, *, issuer: str, audience: str, keys: Path, claim: str, scope: str, clock: Clock) -> None:
        """`keys` is a JWK Set (RFC 7517 5), read again whenever the file changes.  An empty scope asks for none."""
        self._issuer = issuer
        self._audience = audience
        self._path = keys
        self._claim = claim
        self._scope = scope
        self._clock = clock
        self._known: tuple[tuple[int, int], KeySet] | None = None  # the file's time and size, and what was in it

    def login(self, token: str) -> str | None:
        """The login name that a token proves; None for one that proves nothing here.  Raises Unavailable."""
        keys = self._keys()
        registry = jwt.JWTClaimsRegistry(
            now=self._clock.now() // MICROSECONDS,
            leeway=LEEWAY,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": self._audience},
            exp={"essential": True},
        )
        try:
            decoded = jwt.decode(token, keys, algorithms=ALGORITHMS)
            registry.validate(decoded.claims)
        except (JoseError, ValueError, TypeError):
            return None
        claims, kind = decoded.claims, decoded.header.get("typ", "JWT")
        name = claims.get(self._claim)
        # What is not printable is in nobody's name, and would do harm in logs.
        is_name = isinstance(name, str) and name != "" and name.isprintable()
        is_for_us = isinstance(kind, str) and kind.lower() in TYPES and self._is_in_scope(claims)
        return name if is_name and is_for_us and self._is_verified(claims) else None

    def _is_verified(self, claims: dict[str, Any]) -> bool:
        """OpenID Connect Core 5.1: some issuers let users write any address there, and say so."""
        return self._claim != "email" or claims.get("email_verified", True) in (True, "true")

    def _is_in_scope(self, claims: dict[str, Any]) -> bool:
        """RFC 9068 2.2.3: `scope` parts them by blanks; some issuers call it `scp`, or write a list."""
        given = claims.get("scope", claims.get("scp", ""))
        scopes = given.split() if isinstance(given, str) else given
        return not self._scope or (isinstance(scopes, list) and self._scope in scopes)

    def _keys(self) -> KeySet:
        try:
            status = self._path.stat()
            version = (status.st_mtime_ns, status.st_size)
            if self._known is None or self._known[0] != version:
                self._known = (version, _key_set(json.decode(self._path.read_bytes(), type=_KeySet).keys))
        except (OSError, MsgspecError, ValueError) as fault:
            raise Unavailable("The token issuer's keys cannot be read") from fault
        return self._known[1]


class _KeySet(Struct):
    keys: list[dict[str, Any]]


def _key_set(written: list[dict[str, Any]]) -> KeySet:
    """RFC 7517 5: a key of a kind that we do not know is passed over.  Raises ValueError when there is no other."""
    known: list[Key] = []
    for key in written:
        with suppress(JoseError, ValueError, TypeError, KeyError):
            known.append(import_key(key))
    if not known:
        raise ValueError("There is no key of a kind that we know")
    return KeySet(known)
