"""EXTERNAL (RFC 4422 A): who the client is has been shown by its certificate already."""

from protocols.sasl.steps import Conversation, Failure, NeedIdentity, Step, name_of


class External(Conversation):
    """The message is whom the client wants to act for, or nothing."""

    def _first(self, response: bytes) -> Step:
        authzid = name_of(response) if response else ""
        return Failure("malformed") if authzid is None else NeedIdentity(authzid)
