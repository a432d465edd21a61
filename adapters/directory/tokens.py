"""Bearer tokens: JWTs (RFC 7519) that a configured issuer has signed for us, as OAUTHBEARER and XOAUTH2 bring them."""

from pathlib import Path
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from msgspec import DecodeError, json

from core.errors import Unavailable
from core.ports import Clock

# With public keys alone: whoever can check a token must not be able to make one.
ALGORITHMS: Final = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519",
]  # fmt: skip
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
            claims = jwt.decode(token, keys, algorithms=ALGORITHMS).claims
            registry.validate(claims)
        except (JoseError, ValueError, TypeError):
            return None
        name = claims.get(self._claim)
        return name if isinstance(name, str) and name and self._is_in_scope(claims) else None

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
                self._known = (version, KeySet.import_key_set(json.decode(self._path.read_bytes())))
        except (OSError, DecodeError, JoseError, ValueError, TypeError, KeyError, AttributeError) as fault:
            raise Unavailable("The token issuer's keys cannot be read") from fault
        return self._known[1]
