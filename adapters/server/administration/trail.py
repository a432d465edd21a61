"""The record of what administrators did: DATA_DIR/administration.log, one JSON object a line (T-11.3).

It may be moved away at any time: each change opens it anew.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import msgspec

from adapters.server.administration.context import Context, Request, moment
from core.errors import Unavailable

NAME = "administration.log"


class Note(Protocol):
    def __call__(self, name: str, ask: Request[Any], **outcome: object) -> None: ...


@contextmanager
def open_for(context: Context) -> Iterator[Note]:
    """Raises Unavailable where nothing can be recorded: then nothing shall be done either."""
    path = context.house.root / NAME
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as fault:
        raise Unavailable(f"{path} cannot be written, where changes are recorded: {fault.strerror}") from fault

    def note(name: str, ask: Request[Any], **outcome: object) -> None:
        caller = context.caller
        who = {"at": moment(context.house.clock.now()), "who": caller.name, "uid": caller.uid, "via": caller.via}
        line = msgspec.json.encode({**who, "do": name, "with": ask.shown(), **outcome})
        os.write(descriptor, line + b"\n")

    try:
        yield note
    finally:
        os.close(descriptor)
