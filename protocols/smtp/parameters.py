"""The parameters after a path (RFC 5321 4.1.2, esmtp-param): those of the extensions we announce, and no others."""

import re
from typing import Literal, NamedTuple

from protocols.smtp import replies
from protocols.smtp.replies import BadCommand

Body = Literal["7BIT", "8BITMIME"]

_PARAMETER = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9-]*+)(?:=(?P<value>[!-<>-~\xa0-\U0010ffff]++))?+")
# RFC 1870 section 3: up to 20 digits.
_SIZE = re.compile(r"[0-9]{1,20}")
_BODIES: dict[str, Body] = {"7BIT": "7BIT", "8BITMIME": "8BITMIME"}
_OF_MAIL = frozenset({"SIZE", "BODY", "SMTPUTF8"})


class MailParameters(NamedTuple):
    """What a client says about a message before it sends it."""

    size: int | None = None
    body: Body = "7BIT"
    smtputf8: bool = False


_NONE = MailParameters()


def mail_parameters(text: str) -> MailParameters:
    """Those after MAIL."""
    if not text:
        return _NONE
    given = _parse(text, _OF_MAIL)
    return MailParameters(_size(given), _body(given), _smtputf8(given))


def no_parameters(text: str) -> None:
    """Those after RCPT: DSN is not announced, so there are none."""
    if text:
        _parse(text, frozenset())


def _parse(text: str, known: frozenset[str]) -> dict[str, str | None]:
    given: dict[str, str | None] = {}
    for word in text.split():
        match = _PARAMETER.fullmatch(word)
        if match is None:
            raise BadCommand(replies.BAD_ARGUMENTS)
        name = match["name"].upper()
        # RFC 5321 4.1.1.11: 555 for what is not known.
        if name not in known:
            raise BadCommand(replies.UNKNOWN_PARAMETER)
        # RFC 5321 4.1.2 leaves a parameter given twice open; which of the two was meant we cannot know.
        if name in given:
            raise BadCommand(replies.BAD_ARGUMENTS)
        given[name] = match["value"]
    return given


def _size(given: dict[str, str | None]) -> int | None:
    if "SIZE" not in given:
        return None
    digits = given["SIZE"] or ""
    if not _SIZE.fullmatch(digits):
        raise BadCommand(replies.BAD_ARGUMENTS)
    return int(digits)


def _body(given: dict[str, str | None]) -> Body:
    if "BODY" not in given:
        return "7BIT"
    body = _BODIES.get((given["BODY"] or "").upper())
    # BINARYMIME (RFC 3030 section 3) is not announced: IMAP could not show such a message as it came.
    if body is None:
        raise BadCommand(replies.UNKNOWN_PARAMETER)
    return body


def _smtputf8(given: dict[str, str | None]) -> bool:
    # RFC 6531 3.4: it takes no value.
    if given.get("SMTPUTF8") is not None:
        raise BadCommand(replies.BAD_ARGUMENTS)
    return "SMTPUTF8" in given
