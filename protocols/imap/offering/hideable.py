"""Which capabilities can be kept from clients, and why others cannot."""

from typing import Final

from protocols.imap.dispatch import AFTER_LOGIN, ALWAYS

# What sessions announce beside the tables of dispatch.py, once somebody has signed in.
_MADE: Final = ("APPENDLIMIT", "COMPRESS=DEFLATE", "QUOTASET", "UNAUTHENTICATE", "URLAUTH")

_SEEN: Final = "clients see it in the greeting, before anything is known of them, and use it from then on"
_SIGNING_IN: Final = "it says how to sign in, which has settings of its own"
UNHIDEABLE: Final[dict[str, str]] = {
    "IMAP4REV1": "clients take a server without it for none",
    "LITERAL+": _SEEN,
    "SASL-IR": _SEEN,
    "ID": "without it nobody knows which client it is",
    "ENABLE": "other capabilities are turned on by it; hide those",
    "STARTTLS": _SIGNING_IN,
    "LOGINDISABLED": _SIGNING_IN,
    "AUTH": _SIGNING_IN,
}

HIDEABLE: Final = frozenset(
    each
    for name in (*ALWAYS, *AFTER_LOGIN, *_MADE)
    if name.upper() not in UNHIDEABLE
    for each in (name.upper(), name.upper().partition("=")[0])
)
