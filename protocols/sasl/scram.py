"""SCRAM: the client proves that it knows the password, the server that it knows its keys (RFC 5802, RFC 7677)."""

import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Final, NamedTuple

from core.ports import Entropy
from core.recipients import Digest
from protocols.sasl.steps import (
    SASLNAME,
    Challenge,
    Conversation,
    Failure,
    Keys,
    NeedKeys,
    Step,
    Success,
    matched,
    unescaped,
)

NONCE_OCTETS: Final = 512  # clients send some 24 to 64
SERVER_NONCE_OCTETS: Final = 18  # before base64, which makes 24 characters of them without padding

# RFC 5802 section 7.  Lengths are bounded by MESSAGE_OCTETS; the quantifiers are possessive.
_EXTENSIONS = r"(?:,[A-Za-z]=[^\0,]++)*+"
_CLIENT_FIRST = re.compile(
    rf"(?P<header>(?:p=(?P<binding>[A-Za-z0-9.-]++)|(?P<flag>[ny])),(?:a=(?P<authzid>{SASLNAME}))?,)"
    rf"(?P<bare>(?P<mandatory>m=[^\0,]++,)?n=(?P<username>{SASLNAME}),r=(?P<nonce>[!-+\--~]++){_EXTENSIONS})",
    re.DOTALL,
)
_CLIENT_FINAL = re.compile(
    r"(?P<unproven>c=(?P<binding>[A-Za-z0-9+/=]++),r=(?P<nonce>[!-+\--~]++)(?:(?!,p=),[A-Za-z]=[^\0,]++)*+)"
    r",p=(?P<proof>[A-Za-z0-9+/=]++)",
    re.DOTALL,
)


class _First(NamedTuple):
    """What is kept of the client's first message until its last."""

    username: str
    authzid: str
    nonce: str
    bare: str
    binding: bytes  # the channel binding that the client must repeat: gs2-header and data


class Scram(Conversation):
    """RFC 5802, with SHA-1 as it says or with SHA-256 (RFC 7677).

    `bindings` has the channel bindings of this connection by their names: none without TLS.  With `plus` the client
    must use one of them.
    """

    def __init__(
        self, entropy: Entropy, digest: Digest, *, bindings: Mapping[str, bytes] | None = None, plus: bool = False
    ) -> None:
        super().__init__()
        self._digest: Digest = digest
        self._entropy = entropy
        self._bindings = bindings or {}
        self._plus = plus
        self._waiting: _First | None = None

    def _first(self, response: bytes) -> Step:
        message = matched(_CLIENT_FIRST, response)
        if message is None or len(message["nonce"]) > NONCE_OCTETS:
            return Failure("malformed")
        if message["mandatory"]:
            return Failure("unsupported extension")  # RFC 5802 5.1, "m"
        bound = self._binding(message["flag"], message["binding"])
        username = unescaped(message["username"])
        authzid = unescaped(message["authzid"]) if message["authzid"] else ""
        if bound is None:
            return Failure("channel binding")
        if username is None or authzid is None:
            return Failure("malformed")
        binding = message["header"].encode() + bound
        self._waiting = _First(username, authzid, message["nonce"], message["bare"], binding)
        return NeedKeys(username, authzid, self._digest)

    def _binding(self, flag: str | None, name: str | None) -> bytes | None:
        """The binding data that the client must repeat; None: it may not do what it wants (RFC 5802 section 6)."""
        if name is not None:
            return self._bindings.get(name) if self._plus else None
        # "y" says that we have offered no -PLUS.  If we have, somebody between us took it out of the list.
        if self._plus or (flag == "y" and self._bindings):
            return None
        return b""

    def keys(self, keys: Keys) -> Step:
        first, self._waiting = self._waiting, None
        if first is None:
            return Failure("out of order")
        nonce = first.nonce + _base64(self._entropy.token(SERVER_NONCE_OCTETS))
        message = f"r={nonce},s={_base64(keys.salt)},i={keys.iterations}"
        self._next = lambda response: self._final(first, keys, nonce, message, response)
        return Challenge(message.encode())

    def _final(self, first: _First, keys: Keys, nonce: str, server_first: str, response: bytes) -> Step:
        message = matched(_CLIENT_FINAL, response)
        if message is None:
            return Failure("malformed")
        proof, binding = _unbase64(message["proof"]), _unbase64(message["binding"])
        if binding != first.binding:
            return Failure("channel binding")
        if proof is None or len(proof) != hashlib.new(self._digest).digest_size or message["nonce"] != nonce:
            return Failure("malformed")
        authenticated = f"{first.bare},{server_first},{message['unproven']}".encode()
        if not _proves(self._digest, proof, keys.stored_key, authenticated):
            return Failure("wrong proof")
        verifier = _base64(hmac.digest(keys.server_key, authenticated, self._digest))
        return Success(first.username, first.authzid, f"v={verifier}".encode())


def _proves(digest: Digest, proof: bytes, stored_key: bytes, authenticated: bytes) -> bool:
    """RFC 5802 section 3: the proof is the client's key, hidden by a signature that we can make too."""
    signature = hmac.digest(stored_key, authenticated, digest)
    client_key = bytes(a ^ b for a, b in zip(proof, signature, strict=True))
    return hmac.compare_digest(hashlib.new(digest, client_key).digest(), stored_key)


def _base64(octets: bytes) -> str:
    return b64encode(octets).decode("ascii")


def _unbase64(text: str) -> bytes | None:
    try:
        return b64decode(text, validate=True)
    except ValueError:
        return None
