"""What a mechanism is: a state machine without I/O that answers each message of the client with a step.

A protocol starts a mechanism with the client's initial response, if there was one, and then does what each step says:

    Challenge     send it, and give the client's response to `step`
    NeedPassword  check the password; the mechanism has done its part
    NeedKeys      look the user's keys for that digest up, and give them to `keys`; an unknown user gets some that
                  nothing matches
    NeedToken     check the token; the mechanism has done its part.  To refuse it, send `refusal` as a challenge, and
                  whatever the client says to that, it has failed (RFC 7628 3.2.3)
    NeedIdentity  see whether the connection's certificate is that user's; the mechanism has done its part
    Success       the client is who it says.  A protocol whose outcome carries no data sends `final`, unless it is
                  empty, as one more challenge, and takes an empty response for it (RFC 4422 3.1)
    Failure       the client is not let in

Whatever the client sends, the answer is a step.  Base64, and "*" for giving up, are the protocol's.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Final, Literal, Protocol

from msgspec import Struct

from core.recipients import Digest

NAME_OCTETS: Final = 320  # an address with RFC 5321's longest parts; RFC 4616 section 2 asks for 255 at least
PASSWORD_OCTETS: Final = 1024  # as the directory takes them
MESSAGE_OCTETS: Final = 4096  # any message of a client: two names, a nonce, a binding, with room for extensions

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


class NeedToken(Struct, frozen=True):
    token: str
    authzid: str  # whom the client wants to act for; empty: whoever the token names
    refusal: bytes  # why it is refused, for the client's software


class NeedIdentity(Struct, frozen=True):
    authzid: str  # empty: whoever the certificate names


Step = Challenge | NeedPassword | NeedKeys | NeedToken | NeedIdentity | Success | Failure


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


class Conversation(ABC):
    """The common part: which method takes the next response, and that nothing comes after the end."""

    longest: ClassVar[int] = MESSAGE_OCTETS

    def __init__(self) -> None:
        self._next: Callable[[bytes], Step] | None = self._first

    def start(self, initial: bytes | None) -> Step:
        # RFC 4422 3: a client that has to speak first, and has not, is asked with an empty challenge.
        return Challenge(b"") if initial is None else self.step(initial)

    def step(self, response: bytes) -> Step:
        take, self._next = self._next, None
        if take is None:
            return Failure("out of order")
        return take(response) if len(response) <= self.longest else Failure("malformed")

    def keys(self, keys: Keys) -> Step:
        return Failure("out of order")

    @abstractmethod
    def _first(self, response: bytes) -> Step: ...


def name_of(octets: bytes) -> str | None:
    """A login name as a message has it; None for what can be nobody's."""
    if not 0 < len(octets) <= NAME_OCTETS:
        return None
    try:
        name = octets.decode("utf-8")
    except UnicodeDecodeError:
        return None
    # Control characters are in nobody's name, and would do harm in logs.
    return name if name.isprintable() else None


SASLNAME: Final = r"(?:[^\0,=]|=2C|=3D)++"  # RFC 5802 section 7


def unescaped(saslname: str) -> str | None:
    """The name that a SASLNAME stands for; None for what can be nobody's."""
    return name_of(saslname.replace("=2C", ",").replace("=3D", "=").encode())


def matched(pattern: re.Pattern[str], message: bytes) -> re.Match[str] | None:
    """The pattern's match of a whole message, if that is UTF-8."""
    try:
        return pattern.fullmatch(message.decode("utf-8"))
    except UnicodeDecodeError:
        return None
