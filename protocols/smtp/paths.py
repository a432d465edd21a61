"""Bytes between the angle brackets into addresses: the paths of RFC 5321 4.1.2, with UTF-8 by RFC 6531 3.3.

Every quantifier over text of the client's is possessive, so a match takes linear time whatever is sent.
"""

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import NamedTuple

from protocols.smtp import limits

_UTF8 = r"\xa0-\U0010ffff"
_ATOM = rf"[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~{_UTF8}-]++"
_DOT_STRING = rf"{_ATOM}(?:\.{_ATOM})*+"
_QUOTED = rf'"(?:[ !#-\[\]-~{_UTF8}]|\\[ -~])*+"'
# Underscores are not letters of RFC 5321, but hosts with one in their name do send mail.
_LABEL = rf"[A-Za-z0-9_{_UTF8}]++(?:-++[A-Za-z0-9_{_UTF8}]++)*+"
_NAME = rf"{_LABEL}(?:\.{_LABEL})*+"
_DOMAIN = rf"{_NAME}|\[[0-9A-Za-z:.]++\]"
_MAILBOX = rf"(?P<local>{_DOT_STRING}|{_QUOTED})@(?P<domain>{_DOMAIN})"
# RFC 5321 4.1.1.3 and appendix C: a source route is taken and ignored.
_ROUTE = rf"(?:@{_NAME}(?:,@{_NAME})*+:)?+"
_REST = r"(?: ++(?P<rest>.*))?"

# Without regard to case only where it is written so: for the range of all letters Python would try each, for 0.2 s.
# The space after the colon is against RFC 5321 3.3, and common enough in scripts and appliances.
_REVERSE = re.compile(rf"(?i:FROM): *+<(?:{_ROUTE}{_MAILBOX})?+>{_REST}")
# RFC 5321 4.1.1.3: the one name that needs no domain.
_FORWARD = re.compile(rf"(?i:TO): *+<(?:{_ROUTE}{_MAILBOX}|(?P<postmaster>(?i:postmaster)))>{_REST}")

_AS_ATOM = re.compile(_DOT_STRING)
_ESCAPED = re.compile(r"\\(.)")
_TO_ESCAPE = re.compile(r'(["\\])')

# What may stand in our Received as the name the client gave itself: nothing that has a meaning there.
HELLO_NAME = re.compile(r"[A-Za-z0-9._:\[\]~!#$%&'*+/=?^`{|}-]{1,255}")


class BadPath(ValueError):
    """Not a path by the grammar."""


class Path(NamedTuple):
    """An address, "" for the null reverse-path, and the parameters after it."""

    address: str
    parameters: str


def reverse_path(argument: str) -> Path:
    """What follows MAIL."""
    return _path(_REVERSE.fullmatch(argument), "")


def forward_path(argument: str) -> Path:
    """What follows RCPT."""
    match = _FORWARD.fullmatch(argument)
    return _path(match, match["postmaster"] if match else "")


def _path(match: re.Match[str] | None, otherwise: str) -> Path:
    if match is None:
        raise BadPath
    local, domain, rest = match["local"], match["domain"], match["rest"] or ""
    if local is None:
        return Path(otherwise, rest)
    if local[0] == '"':
        local = _without_needless_quotes(local)
    if domain[0] == "[":
        _check_literal(domain)
    if _octets(local) > limits.LOCAL_PART or _octets(domain) > limits.DOMAIN:
        raise BadPath
    return Path(f"{local}@{domain}", rest)


def _octets(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _without_needless_quotes(local: str) -> str:
    # RFC 5321 4.1.2: a quoted local part means what it would mean bare, so "joe"@x and joe@x are one address.
    text = _ESCAPED.sub(r"\1", local[1:-1])
    return text if _AS_ATOM.fullmatch(text) else '"' + _TO_ESCAPE.sub(r"\\\1", text) + '"'


def _check_literal(domain: str) -> None:
    # RFC 5321 4.1.3; no tag but IPv6 was ever registered.
    literal = domain[1:-1]
    try:
        if literal[:5].upper() == "IPV6:":
            IPv6Address(literal[5:])
        else:
            IPv4Address(literal)
    except AddressValueError:
        raise BadPath from None
