"""Clients that know how many octets a server has sent them: by that, its log tells when each answer went out."""

import socket
from collections.abc import Iterator
from typing import Self

from conformance.support.imap import Imap
from conformance.support.servers import HOST

TIMEOUT = 30.0


_known: set[int] = set()


def is_new(connection: socket.socket) -> bool:
    """Whether nobody here has used its port: by its port a connection is known in the server's log."""
    port = int(connection.getsockname()[1])
    is_new = port not in _known
    _known.add(port)
    return is_new


class CountingImap(Imap):
    """`heard` octets have come up to the end of the last response."""

    def _connect(self) -> None:
        self._come = 0
        super()._connect()
        while not is_new(self.socket):
            self.close()
            self._come = 0
            super()._connect()

    def _more(self) -> None:
        before = len(self._buffer)
        super()._more()
        self._come += len(self._buffer) - before

    @property
    def heard(self) -> int:
        return self._come - len(self._buffer)

    @property
    def port(self) -> int:
        return int(self.socket.getsockname()[1])


class CountingLmtp:
    """RFC 2033, one command after the other."""

    def __init__(self, port: int) -> None:
        while not is_new(connection := socket.create_connection((HOST, port), timeout=TIMEOUT)):
            connection.close()
        self._socket = connection
        self._lines = self._socket.makefile("rb")
        self.heard = 0
        self.port = int(self._socket.getsockname()[1])
        try:
            self.reply()
            self.says(b"LHLO client.example")
        except OSError:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._lines.close()
        self._socket.close()

    def reply(self) -> int:
        """The code of the next reply."""
        while True:
            line = self._lines.readline()
            if not line.endswith(b"\n"):
                raise ConnectionError("the server has closed the connection")
            self.heard += len(line)
            if line[3:4] != b"-":
                return int(line[:3])

    def says(self, line: bytes) -> int:
        self._socket.sendall(line + b"\r\n")
        return self.reply()

    def deliver(self, sender: str, recipients: list[str], message: bytes) -> Iterator[tuple[str, int, int]]:
        """(recipient, code, octets heard so far) for each; one that is refused at once has its code from RCPT."""
        self.says(b"MAIL FROM:<%s>" % sender.encode())
        taken = []
        for recipient in recipients:
            code = self.says(b"RCPT TO:<%s>" % recipient.encode())
            if code == 250:
                taken.append(recipient)
            else:
                yield recipient, code, self.heard
        if not taken:
            self.says(b"RSET")
            return
        code = self.says(b"DATA")
        if code != 354:
            yield from ((recipient, code, self.heard) for recipient in taken)
            self.says(b"RSET")
            return
        self._socket.sendall(message.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        for recipient in taken:
            yield recipient, self.reply(), self.heard
