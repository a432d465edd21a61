"""Where a command has a password from: never from its command line, which everybody on the machine can read."""

import secrets
import sys
from typing import Final, NamedTuple

import typer

from adapters.server.cli.failures import Misused

# Without those that are taken for others; 20 of these 31 are some 99 bits.
_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS, _GROUP = 4, 5


class Password(NamedTuple):
    text: str
    is_made_up: bool


def chosen(*, stdin: bool, generate: bool) -> Password:
    """Asks for it if nothing else was said.  Raises Misused."""
    if stdin and generate:
        raise Misused("either --password-stdin or --generate")
    if generate:
        return Password(made_up(), True)
    if stdin:
        return Password(_read(), False)
    if not sys.stdin.isatty():
        raise Misused("nobody can be asked for the password here: say --password-stdin or --generate")
    return Password(typer.prompt("Password", hide_input=True, confirmation_prompt=True), False)


def _read() -> str:
    line = sys.stdin.buffer.readline().removesuffix(b"\n").removesuffix(b"\r")
    if not line:
        raise Misused("the first line of the input is empty: a password was expected there")
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise Misused("the password is not UTF-8") from None


def made_up() -> str:
    """A password that can be read aloud and typed."""
    groups = ("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP)) for _ in range(_GROUPS))
    return "-".join(groups)
