"""OAUTHBEARER (RFC 7628) and XOAUTH2, Google's older form of it: a token that an issuer has given the client."""

import re
from typing import ClassVar, Final

from protocols.sasl.steps import SASLNAME, Conversation, Failure, NeedToken, Step, matched, unescaped

TOKEN_OCTETS: Final = 8192  # of the whole message; a token that names many groups has some thousand

_PAIRS: Final = r"\x01(?P<pairs>(?:[A-Za-z]++=[\t\n\r -~]*+\x01)*+)\x01"  # RFC 7628 3.1: *kvpair kvsep
_AUTH: Final = re.compile(r"(?:\A|\x01)auth=bearer +([A-Za-z0-9._~+/-]+=*)\x01", re.IGNORECASE)  # RFC 6750 2.1


class _Bearer(Conversation):
    """What both have in common.  Keys that we do not know are passed over; `host` says where the client meant to be."""

    longest = TOKEN_OCTETS
    form: ClassVar[re.Pattern[str]]
    refusal: ClassVar[bytes]

    def _first(self, response: bytes) -> Step:
        message = matched(self.form, response)
        token = None if message is None else _AUTH.search(message["pairs"])
        if message is None or token is None:
            return Failure("malformed")
        authzid = unescaped(message["name"]) if message["name"] else ""
        return Failure("malformed") if authzid is None else NeedToken(token[1], authzid, self.refusal)


class OAuthBearer(_Bearer):
    """RFC 7628 3.1: gs2-header kvsep *kvpair kvsep."""

    form = re.compile(rf"[ny],(?:a=(?P<name>{SASLNAME}))?,{_PAIRS}")
    refusal = b'{"status":"invalid_token"}'


class XOAuth2(_Bearer):
    """Google's: "user=" user ^A "auth=Bearer " token ^A ^A."""

    form = re.compile(rf"user=(?P<name>[^\x01]++){_PAIRS}")
    refusal = b'{"status":"401","schemes":"bearer"}'
