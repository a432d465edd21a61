"""The control channel as both its ends know it, and the end at which the `penfold` command is.

One JSON object a line.  Requests are {"id": 1, "do": "mailbox.show", "with": {"alias": "ada"}}; answers have the same
id and one of "ok" (the result), "refused" (what kind of no, with a "text" for people), or "progress", of which there
may be many before one of the others.  A line that was no request is refused with the id null.
"""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Raw, Struct, field

from adapters.server.administration.context import Progress, Request
from adapters.server.administration.verbs import NAMES, VERBS
from adapters.server.sockets import reachable, socket_path
from core.errors import Refusal, Unavailable

T = TypeVar("T")

REQUEST_OCTETS: Final = 64 * 1024  # the longest line of a request
_PIECE: Final = 64 * 1024


class Asked(Struct, frozen=True):
    id: int
    do: str
    with_: Raw = field(name="with", default=Raw(b"{}"))


NOTHING: Final = Raw(b"")


class Answer(Struct, frozen=True, omit_defaults=True):
    id: int | None
    ok: Raw = NOTHING
    progress: Progress | None = None
    refused: str | None = None  # the refusal's type
    text: str = ""
    temporary: bool = False  # a later try may work


class Refused(Refusal):
    """The server's no."""

    def __init__(self, kind: str, text: str, *, temporary: bool) -> None:
        super().__init__(text)
        self.kind = kind
        self.temporary = temporary


class ConnectionBroken(Unavailable):
    """The server ended the connection before it had answered."""


class ControlClient:
    """A connection to a running server; one request at a time."""

    def __init__(self, root: Path) -> None:
        """Raises FileNotFoundError or ConnectionRefusedError when no server is there, PermissionError."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with reachable(socket_path(root)) as path:
                self._socket.connect(path)
        except OSError:
            self._socket.close()
            raise
        self._received = bytearray()
        self._number = 0

    def ask(self, request: Request[T], progress: Callable[[Progress], None] = lambda progress: None) -> T:
        """Raises Refused, ConnectionBroken."""
        name = NAMES[type(request)]
        self._number += 1
        self._send(msgspec.json.encode({"id": self._number, "do": name, "with": request}) + b"\n")
        while True:
            answer = msgspec.json.decode(self._line(), type=Answer)
            if answer.progress is not None:
                progress(answer.progress)
            elif answer.refused is not None:
                raise Refused(answer.refused, answer.text, temporary=answer.temporary)
            elif answer.ok != NOTHING:
                result: Any = msgspec.json.decode(answer.ok, type=VERBS[name].result)
                return result  # type: ignore[no-any-return]

    def _send(self, line: bytes) -> None:
        try:
            self._socket.sendall(line)
        except OSError as broken:
            raise ConnectionBroken("The server ended the connection") from broken

    def _line(self) -> bytes:
        while (end := self._received.find(b"\n")) < 0:
            try:
                piece = self._socket.recv(_PIECE)
            except OSError as broken:
                raise ConnectionBroken("The server broke the connection") from broken
            if not piece:
                raise ConnectionBroken("The server ended the connection before it had answered")
            self._received += piece
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return line

    def close(self) -> None:
        self._socket.close()
