"""PLAIN and LOGIN: the password itself."""

from protocols.sasl.steps import PASSWORD_OCTETS, Challenge, Conversation, Failure, NeedPassword, Step, name_of


class Plain(Conversation):
    """RFC 4616: authorization identity, login name and password in one message, with NUL between them."""

    def _first(self, response: bytes) -> Step:
        pieces = response.split(b"\0")
        if len(pieces) != 3:
            return Failure("malformed")
        authzid = name_of(pieces[0]) if pieces[0] else ""
        authcid = name_of(pieces[1])
        if authzid is None or authcid is None or not _is_password(pieces[2]):
            return Failure("malformed")
        return NeedPassword(authcid, authzid, pieces[2])


class Login(Conversation):
    """LOGIN: obsolete, never standardised, and all that some devices can do.  Name and password, each asked for."""

    def start(self, initial: bytes | None) -> Step:
        # Clients ignore what the prompts say, except a few that want to read exactly this.
        return Challenge(b"Username:") if initial is None else self.step(initial)

    def _first(self, response: bytes) -> Step:
        if (name := name_of(response)) is None:
            return Failure("malformed")
        self._next = lambda password: self._password(name, password)
        return Challenge(b"Password:")

    def _password(self, name: str, password: bytes) -> Step:
        return NeedPassword(name, "", password) if _is_password(password) else Failure("malformed")


def _is_password(octets: bytes) -> bool:
    if not 0 < len(octets) <= PASSWORD_OCTETS or b"\0" in octets:
        return False
    try:
        octets.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
