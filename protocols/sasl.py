"""SASL (RFC 4422): the server's side of PLAIN, LOGIN and SCRAM as state machines without I/O.

A protocol starts a mechanism with the client's initial response, if there was one, and then does what each step says:

    Challenge     send it, and give the client's response to `step`
    NeedPassword  check the password; the mechanism has done its part
    NeedKeys      look the user's keys for that digest up, and give them to `keys`; an unknown user gets some that
                  nothing matches
    Success       the client is who it says.  A protocol whose outcome carries no data sends `final`, unless it is
                  empty, as one more challenge, and takes an empty response for it (RFC 4422 3.1)
    Failure       the client is not let in

Whatever the client sends, the answer is a step.  Base64, and "*" for giving up, are the protocol's.
"""

import hashlib
import hmac
import re
from abc import ABC, abstractmethod
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple, Protocol

from msgspec import Struct

from core.ports import Entropy
from core.recipients import Digest

NAME_OCTETS: Final = 320  # an address with RFC 5321's longest parts; RFC 4616 section 2 asks for 255 at least
PASSWORD_OCTETS: Final = 1024  # as the directory takes them
MESSAGE_OCTETS: Final = 4096  # any message of a client: two names, a nonce, a binding, with room for extensions
NONCE_OCTETS: Final = 512  # clients send some 24 to 64
SERVER_NONCE_OCTETS: Final = 18  # before base64, which makes 24 characters of them without padding

Reason = Literal["malformed", "out of order", "channel binding", "unsupported extension", "wrong proof"]


class Challenge(Struct, frozen=True):
    data: bytes


class NeedPassword(Struct, frozen=True):
    authcid: str
    authzid: str  # whom the client wants to act for; empty: itself
    password: bytes  # UTF-8, as it came


class NeedKeys(Struct, frozen=True):
    username: str
    authzid: str
    digest: Digest


class Success(Struct, frozen=True):
    username: str
    authzid: str
    final: bytes = b""


class Failure(Struct, frozen=True):
    reason: Reason  # for the log; the client hears the same for each


Step = Challenge | NeedPassword | NeedKeys | Success | Failure


class Keys(Protocol):
    """What SCRAM needs to know of a user (RFC 5802 section 3)."""

    @property
    def salt(self) -> bytes: ...
    @property
    def iterations(self) -> int: ...
    @property
    def stored_key(self) -> bytes: ...
    @property
    def server_key(self) -> bytes: ...


class Mechanism(Protocol):
    def start(self, initial: bytes | None) -> Step:
        """The client has chosen this mechanism; None: without an initial response."""
        ...

    def step(self, response: bytes) -> Step:
        """The client's answer to the last challenge."""
        ...

    def keys(self, keys: Keys) -> Step:
        """The answer to NeedKeys."""
        ...


class _Conversation(ABC):
    """The common part: which method takes the next response, and that nothing comes after the end."""

    def __init__(self) -> None:
        self._next: Callable[[bytes], Step] | None = self._first

    def start(self, initial: bytes | None) -> Step:
        # RFC 4422 3: a client that has to speak first, and has not, is asked with an empty challenge.
        return Challenge(b"") if initial is None else self.step(initial)

    def step(self, response: bytes) -> Step:
        take, self._next = self._next, None
        if take is None:
            return Failure("out of order")
        return take(response) if len(response) <= MESSAGE_OCTETS else Failure("malformed")

    def keys(self, keys: Keys) -> Step:
        return Failure("out of order")

    @abstractmethod
    def _first(self, response: bytes) -> Step: ...


class Plain(_Conversation):
    """RFC 4616: authorization identity, login name and password in one message, with NUL between them."""

    def _first(self, response: bytes) -> Step:
        pieces = response.split(b"\0")
        if len(pieces) != 3:
            return Failure("malformed")
        authzid = _name(pieces[0]) if pieces[0] else ""
        authcid = _name(pieces[1])
        if authzid is None or authcid is None or not _is_password(pieces[2]):
            return Failure("malformed")
        return NeedPassword(authcid, authzid, pieces[2])


class Login(_Conversation):
    """LOGIN: obsolete, never standardised, and all that some devices can do.  Name and password, each asked for."""

    def start(self, initial: bytes | None) -> Step:
        # Clients ignore what the prompts say, except a few that want to read exactly this.
        return Challenge(b"Username:") if initial is None else self.step(initial)

    def _first(self, response: bytes) -> Step:
        if (name := _name(response)) is None:
            return Failure("malformed")
        self._next = lambda password: self._password(name, password)
        return Challenge(b"Password:")

    def _password(self, name: str, password: bytes) -> Step:
        return NeedPassword(name, "", password) if _is_password(password) else Failure("malformed")


def _name(octets: bytes) -> str | None:
    if not 0 < len(octets) <= NAME_OCTETS:
        return None
    try:
        name = octets.decode("utf-8")
    except UnicodeDecodeError:
        return None
    # Control characters are in nobody's name, and would do harm in logs.
    return name if name.isprintable() else None


def _is_password(octets: bytes) -> bool:
    if not 0 < len(octets) <= PASSWORD_OCTETS or b"\0" in octets:
        return False
    try:
        octets.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


# RFC 5802 section 7.  Lengths are bounded by MESSAGE_OCTETS; the quantifiers are possessive.
_SASLNAME = r"(?:[^\0,=]|=2C|=3D)++"
_EXTENSIONS = r"(?:,[A-Za-z]=[^\0,]++)*+"
_CLIENT_FIRST = re.compile(
    rf"(?P<header>(?:p=(?P<binding>[A-Za-z0-9.-]++)|(?P<flag>[ny])),(?:a=(?P<authzid>{_SASLNAME}))?,)"
    rf"(?P<bare>(?P<mandatory>m=[^\0,]++,)?n=(?P<username>{_SASLNAME}),r=(?P<nonce>[!-+\--~]++){_EXTENSIONS})",
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


class Scram(_Conversation):
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
        message = _match(_CLIENT_FIRST, response)
        if message is None or len(message["nonce"]) > NONCE_OCTETS:
            return Failure("malformed")
        if message["mandatory"]:
            return Failure("unsupported extension")  # RFC 5802 5.1, "m"
        bound = self._binding(message["flag"], message["binding"])
        username = _name(_unescape(message["username"]))
        authzid = _name(_unescape(message["authzid"])) if message["authzid"] else ""
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
        message = _match(_CLIENT_FINAL, response)
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


def _match(pattern: re.Pattern[str], octets: bytes) -> re.Match[str] | None:
    try:
        return pattern.fullmatch(octets.decode("utf-8"))
    except UnicodeDecodeError:
        return None


def _unescape(saslname: str) -> bytes:
    return saslname.replace("=2C", ",").replace("=3D", "=").encode()


def _base64(octets: bytes) -> str:
    return b64encode(octets).decode("ascii")


def _unbase64(text: str) -> bytes | None:
    try:
        return b64decode(text, validate=True)
    except ValueError:
        return None


class _Make(Protocol):
    def __call__(self, entropy: Entropy, *, bindings: Mapping[str, bytes] | None = None) -> Mechanism: ...


def _plain(entropy: Entropy, *, bindings: Mapping[str, bytes] | None = None) -> Mechanism:
    return Plain()


def _login(entropy: Entropy, *, bindings: Mapping[str, bytes] | None = None) -> Mechanism:
    return Login()


def _scram(digest: Digest, *, plus: bool = False) -> _Make:
    def make(entropy: Entropy, *, bindings: Mapping[str, bytes] | None = None) -> Mechanism:
        return Scram(entropy, digest, bindings=bindings, plus=plus)

    return make


# The best first, since some clients take the first that they know.
MECHANISMS: Final[Mapping[str, _Make]] = {
    "SCRAM-SHA-256-PLUS": _scram("sha256", plus=True),
    "SCRAM-SHA-256": _scram("sha256"),
    "SCRAM-SHA-1": _scram("sha1"),
    "PLAIN": _plain,
    "LOGIN": _login,
}
_NEEDS_BINDING: Final = frozenset({"SCRAM-SHA-256-PLUS"})
_SHOWS_PASSWORD: Final = frozenset({"PLAIN", "LOGIN"})


def offered(*, passwords: bool, bindings: Mapping[str, bytes] | None = None) -> tuple[str, ...]:
    """The mechanisms for a connection: those that show the password only where it may be sent."""
    without = (frozenset() if passwords else _SHOWS_PASSWORD) | (frozenset() if bindings else _NEEDS_BINDING)
    return tuple(name for name in MECHANISMS if name not in without)
