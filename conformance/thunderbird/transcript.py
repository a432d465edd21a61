"""What Thunderbird and its IMAP servers say to each other, as its log tells."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

LOGGED = "timestamp,sync,IMAP:4"  # for MOZ_LOG
_LINE = re.compile(r"I/IMAP (\w+):[^:]*:(?:S-(.*?)|N?A):(SendData|CreateNewLineFromSocket): (.*)")
_URL = re.compile(r"I/IMAP (\w+):.*:ProcessCurrentURL:imap://([^@/]*)@.*= currentUrl")
_SIDES = {"SendData": "C", "CreateNewLineFromSocket": "S"}


def read(log: Path, user: str) -> list[str]:
    """The lines of this user's connections: the folder that is selected, if any, C or S for who speaks, and what."""
    return list(_lines(log.read_text(errors="replace"), user))


def refusals(said: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Commands of Thunderbird's, and how the server has refused them."""
    for number, line in enumerate(said):
        if found := re.search(r" S: (\d+|\*) (NO|BAD)\b", line):
            command = next((asked for asked in reversed(said[:number]) if f" C: {found[1]} " in asked), "")
            # It may look at a folder under the name that it had before a rename over another connection.
            if not (re.search(r" C: \d+ (select|STATUS) ", command) and "[NONEXISTENT]" in line):
                yield command, line


def _lines(text: str, user: str) -> Iterator[str]:
    # A connection is told by its address in memory, and whose it is by the URL that it last began.
    users: dict[str, str] = {}
    for line in text.split("\n"):
        if found := _URL.search(line):
            users[found[1]] = found[2]
        elif (found := _LINE.search(line)) and users.get(found[1]) == user:
            yield f"{found[2] or '-'} {_SIDES[found[3]]}: {found[4]}".rstrip("\r")
