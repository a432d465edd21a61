"""A plain IMAP client over a socket: shows what a server sent, to the octet, and reads it by RFC 9051 section 9."""

import re
import select
import socket
import ssl
from collections.abc import Iterator
from typing import Self

TIMEOUT = 8.0


class Text(bytes):
    """A string: quoted, literal or literal8, which mean the same."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "s" + super().__repr__()[1:]


# An atom is bytes, a string is Text, NIL is None, a list is a list.
Value = "bytes | Text | None | list[Value]"


class Answer:
    """What came for one command."""

    def __init__(self, untagged: list[bytes], tagged: bytes) -> None:
        self.untagged = untagged
        self.tagged = tagged  # without the tag

    @property
    def status(self) -> bytes:
        return self.tagged.split(b" ", 1)[0].upper()

    @property
    def code(self) -> bytes:
        """The name of the response code, if there is one."""
        found = re.match(rb"\w+ \[([^ \]]+)", self.tagged)
        return found[1].upper() if found else b""

    def __repr__(self) -> str:
        return f"<{self.untagged!r} {self.tagged!r}>"


class Imap:
    def __init__(self, host: str, port: int, *, tls: ssl.SSLContext | None = None, timeout: float = TIMEOUT) -> None:
        self._place = host, port, tls, timeout
        self._repeat: dict[str, str | bytes] = {}  # what brings a new connection where this one is
        self._count = 0
        self._connect()

    def _connect(self) -> None:
        host, port, tls, timeout = self._place
        self.socket = socket.create_connection((host, port), timeout=timeout)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname=host)
        self._buffer = bytearray()
        try:
            self.greeting = self.response()
        except OSError:
            self.close()
            raise

    def reconnect(self) -> None:
        """Begins again, signed in and with the folder selected, after a server has hung up or fallen silent."""
        self.close()
        self._connect()
        for command in tuple(self._repeat.values()):
            self.ok(command)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def send(self, octets: bytes) -> None:
        self.socket.sendall(octets)

    def _more(self) -> None:
        octets = self.socket.recv(1 << 18)
        if not octets:
            raise ConnectionError(f"the server has closed the connection; unread: {bytes(self._buffer[:200])!r}")
        self._buffer += octets

    def line(self) -> bytes:
        """One line without its end."""
        start = 0
        while (end := self._buffer.find(b"\n", start)) < 0:
            start = len(self._buffer)
            self._more()
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        return line.removesuffix(b"\n").removesuffix(b"\r")

    def octets(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._more()
        found = bytes(self._buffer[:count])
        del self._buffer[:count]
        return found

    def response(self) -> bytes:
        """One response with its literals in place."""
        pieces = [self.line()]
        while found := re.search(rb"\{(\d+)\}$", pieces[-1]):
            pieces += (b"\r\n", self.octets(int(found[1])), self.line())
        return b"".join(pieces)

    def hear(self, seconds: float) -> bytes | None:
        """One response that comes without asking, if one does in this time."""
        if b"\n" not in self._buffer and not select.select([self.socket], [], [], max(0.0, seconds))[0]:
            return None
        return self.response()

    def command(self, command: str | bytes, *literals: bytes) -> Answer:
        """Sends a command; each `{}` in it becomes a synchronizing literal, `~{}` a literal8."""
        answer = self._command(command, *literals)
        verb = command.split()[0].decode() if isinstance(command, bytes) else (command.split() or [""])[0]
        if answer.status == b"OK" and verb in ("LOGIN", "SELECT"):
            self._repeat[verb] = command
        return answer

    def _command(self, command: str | bytes, *literals: bytes) -> Answer:
        self._count += 1
        tag = b"c%d" % self._count
        text = command.encode() if isinstance(command, str) else command
        pieces = text.split(b"{}")
        assert len(pieces) == len(literals) + 1, "one literal for each {}"
        untagged: list[bytes] = []
        out = tag + b" " + pieces[0]
        for literal, rest in zip(literals, pieces[1:], strict=True):
            self.send(out + b"{%d}\r\n" % len(literal))
            while not (said := self.response()).startswith(b"+"):
                if said.startswith(tag + b" "):
                    return Answer(untagged, said[len(tag) + 1 :])
                untagged.append(said)
            out = literal + rest
        self.send(out + b"\r\n")
        return self.finish(tag, untagged)

    def finish(self, tag: bytes, untagged: list[bytes] | None = None) -> Answer:
        """What comes up to the tagged response."""
        found = [] if untagged is None else untagged
        while not (said := self.response()).startswith(tag + b" "):
            found.append(said)
        return Answer(found, said[len(tag) + 1 :])

    def ok(self, command: str | bytes, *literals: bytes) -> Answer:
        answer = self.command(command, *literals)
        assert answer.status == b"OK", f"{command!r} was answered {answer.tagged!r}"
        return answer

    def append(self, folder: str, message: bytes, flags: str = "", date: str = "") -> Answer:
        """APPEND, as a literal8 where the message has a NUL."""
        options = "".join(f"{option} " for option in (flags and f"({flags})", date and f'"{date}"') if option)
        return self.command(f"APPEND {folder} {options}{'~' if 0 in message else ''}{{}}", message)

    def fetch(self, messages: str, items: str, *, uid: bool = True) -> dict[int, dict[bytes, object]]:
        """(UID or number) -> item -> value."""
        answer = self.ok(f"{'UID ' if uid else ''}FETCH {messages} {items}")
        found: dict[int, dict[bytes, object]] = {}
        for number, values in fetched(answer.untagged):
            # What others have changed comes along, as responses of its own.
            found.setdefault(number, {}).update(values)
        return {int(values[b"UID"]): values for values in found.values()} if uid else found  # type: ignore[call-overload]


def fetched(untagged: list[bytes]) -> Iterator[tuple[int, dict[bytes, object]]]:
    """The FETCH responses among these."""
    for line in untagged:
        found = re.match(rb"\* (\d+) FETCH ", line, re.IGNORECASE)
        if found:
            values = parse(line[found.end() :])
            pairs = values[0]
            assert isinstance(pairs, list), f"a malformed FETCH response: {line[:500]!r}"
            assert (len(values), len(pairs) % 2) == (1, 0), f"a malformed FETCH response: {line[:500]!r}"
            yield int(found[1]), {bytes(pairs[i]).upper(): pairs[i + 1] for i in range(0, len(pairs), 2)}


_ATOM = re.compile(rb"(?:[^\s()\[\]{}\"]|\[[^\]]*\])+")
_LITERAL = re.compile(rb"~?\{(\d+)\+?\}\r\n")


def parse(octets: bytes) -> list:  # type: ignore[type-arg]
    """The values in part of a response; anything that is no such value is an error."""
    values, end = _values(octets, 0)
    if end != len(octets):
        raise ValueError(f"cannot read {octets[end : end + 80]!r}")
    return values


def _values(octets: bytes, at: int) -> tuple[list, int]:  # type: ignore[type-arg]
    found: list[object] = []
    while at < len(octets):
        mark = octets[at : at + 1]
        if mark == b" ":
            at += 1
        elif mark == b"(":
            inner, at = _values(octets, at + 1)
            if octets[at : at + 1] != b")":
                raise ValueError(f"an unclosed list: {octets[:200]!r}")
            found.append(inner)
            at += 1
        elif mark == b")":
            break
        elif mark == b'"':
            text, at = _quoted(octets, at + 1)
            found.append(text)
        elif literal := _LITERAL.match(octets, at):
            at = literal.end() + int(literal[1])
            found.append(Text(octets[literal.end() : at]))
        elif atom := _ATOM.match(octets, at):
            found.append(None if atom[0].upper() == b"NIL" else atom[0])
            at = atom.end()
        else:
            raise ValueError(f"cannot read {octets[at : at + 80]!r}")
    return found, at


def _quoted(octets: bytes, at: int) -> tuple[Text, int]:
    found = bytearray()
    while octets[at : at + 1] != b'"':
        if at >= len(octets) or octets[at : at + 1] in b"\r\n":
            raise ValueError(f"a quoted string without an end: {octets[:200]!r}")
        if octets[at : at + 1] == b"\\":
            at += 1
            if octets[at : at + 1] not in (b"\\", b'"'):
                raise ValueError(f"a quoted {octets[at : at + 1]!r}: {octets[:200]!r}")
        found += octets[at : at + 1]
        at += 1
    return Text(bytes(found)), at + 1
