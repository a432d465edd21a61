"""A client of Marionette, the remote control in Mozilla's programs: JSON over TCP, each message behind its length.

The protocol: https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html
"""

import json
import socket
from typing import Any, Self

HOST = "127.0.0.1"


class MarionetteError(Exception):
    """Marionette or a script that it ran says no."""


class Marionette:
    def __init__(self, port: int, *, seconds: float) -> None:
        """The time limit is for the greeting, and for each command that has none of its own."""
        self._seconds = seconds
        self._count = 0
        self._socket = socket.create_connection((HOST, port), timeout=seconds)
        self._stream = self._socket.makefile("rb")
        self.greeting = self._message()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._stream.close()
        self._socket.close()

    def command(self, name: str, *, seconds: float | None = None, **parameters: object) -> Any:
        """What the command results in."""
        self._count += 1
        self._socket.settimeout(self._seconds if seconds is None else seconds)
        octets = json.dumps([0, self._count, name, parameters]).encode()
        self._socket.sendall(b"%d:%s" % (len(octets), octets))
        # One command at a time, so that the next message is its answer.
        kind, number, error, result = self._message()
        assert (kind, number) == (1, self._count), f"an answer to {name} was awaited, not {(kind, number)}"
        if error:
            raise MarionetteError(f"{name}: {error['error']}: {error['message']}\n{error['stacktrace']}")
        return result

    def _message(self) -> Any:
        length = bytearray()
        while (octet := self._stream.read(1)) != b":":
            if not octet:
                raise ConnectionError("the program has closed Marionette's connection")
            length += octet
        return json.loads(self._stream.read(int(length)))
