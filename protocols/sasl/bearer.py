"""OAUTHBEARER (RFC 7628) and XOAUTH2, Google's older form of it: a token that an issuer has given the client."""

import re
from abc import abstractmethod
from typing import Final

from protocols.sasl.steps import Challenge, Conversation, Failure, NeedToken, Step, name_of

TOKEN_OCTETS: Final = 8192  # of the whole message; a token that names many groups has some thousand

_PAIR: Final = re.compile(r"([A-Za-z]+)=([\t\n\r -~]*)")
_BEARER: Final = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)  # RFC 6750 2.1


class _Bearer(Conversation):
    """What both have in common: a refusal is explained, and the client has the word once more before it fails."""

    longest = TOKEN_OCTETS
    refusal: bytes

    def _first(self, response: bytes) -> Step:
        try:
            text = response.decode("utf-8")
        except UnicodeDecodeError:
            return Failure("malformed")
        return self._token(text)

    @abstractmethod
    def _token(self, text: str) -> Step: ...

    def refuse(self) -> Step:
        # RFC 7628 3.2.3: whatever the client says to that, it has failed.
        self._next = lambda response: Failure("wrong token")
        return Challenge(self.refusal)


class OAuthBearer(_Bearer):
    """RFC 7628 3.1: gs2-header kvsep *kvpair kvsep."""

    refusal = b'{"status":"invalid_token"}'

    def _token(self, text: str) -> Step:
        header, *pairs = text.split("\1")
        flag, _, rest = header.partition(",")
        authzid, _, more = rest.partition(",")
        if flag not in ("n", "y") or more or not header.endswith(",") or pairs[-2:] != ["", ""]:
            return Failure("malformed")
        name = _authzid(authzid)
        return Failure("malformed") if name is None else _needed(pairs[:-2], name)


class XOAuth2(_Bearer):
    """Google's: "user=" user ^A "auth=Bearer " token ^A ^A."""

    refusal = b'{"status":"401","schemes":"bearer"}'

    def _token(self, text: str) -> Step:
        first, *pairs = text.split("\1")
        name = name_of(first.removeprefix("user=").encode())
        if not first.startswith("user=") or name is None or pairs[-2:] != ["", ""]:
            return Failure("malformed")
        return _needed(pairs[:-2], name)


def _authzid(text: str) -> str | None:
    """The a= of a gs2-header (RFC 5801 4); None where it is none."""
    if not text:
        return ""
    if not text.startswith("a=") or re.search("=(?!2C|3D)", text[2:]):
        return None
    return name_of(text[2:].replace("=2C", ",").replace("=3D", "=").encode())


def _needed(pairs: list[str], authzid: str) -> Step:
    """RFC 7628 3.1: keys that we do not know are passed over; host and port say where the client meant to be."""
    found = [_PAIR.fullmatch(pair) for pair in pairs]
    values = {match[1].lower(): match[2] for match in found if match is not None}
    token = _BEARER.fullmatch(values.get("auth", ""))
    return Failure("malformed") if None in found or token is None else NeedToken(token[1], authzid)
