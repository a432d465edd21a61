"""IMAP and LMTP clients over blocking sockets, as lean as may be: what they cost is not what is measured."""

import re
import socket
import ssl
import uuid
from dataclasses import dataclass, field


class BenchError(Exception):
    """The server answered wrongly (or not at all): the workload has failed."""


class Unsupported(Exception):
    """The server does not offer what the workload needs."""


class Line:
    """A TCP connection read in large pieces, with the rest of each piece kept for the next read."""

    def __init__(self, addr: tuple[str, int], timeout: float = 180, tls: ssl.SSLContext | None = None):
        self.sock = socket.create_connection(addr, timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.sock = tls.wrap_socket(self.sock, server_hostname=addr[0])
        self.buf = bytearray()

    def more(self) -> None:
        try:
            data = self.sock.recv(1 << 18)
        except TimeoutError as e:
            raise BenchError(f"no answer in time; last received {bytes(self.buf[-200:])!r}") from e
        if not data:
            raise BenchError(f"server closed the connection; last received {bytes(self.buf[-200:])!r}")
        self.buf += data

    def readline(self) -> bytes:
        while (end := self.buf.find(b"\r\n")) < 0:
            self.more()
        line = bytes(self.buf[:end])
        del self.buf[: end + 2]
        return line

    def close(self) -> None:
        self.sock.close()


class Imap(Line):
    """Minimal IMAP client.  cmd() returns everything up to the tagged line and insists on OK."""

    _tags = 0

    def __init__(self, target: "Target", user: str | None = None, select: str | None = None):
        super().__init__(target.imap, tls=target.tls)
        self.target, self.prefix, self.n = target, f"x{uuid.uuid4().hex[:6]}".encode(), 0
        self.greeting = self.readline()
        if not self.greeting.startswith(b"* OK"):
            raise BenchError(f"greeting: {self.greeting!r}")
        if user:
            self.cmd(f"LOGIN {target.login_name(user)} {target.password}")
        if select:
            self.cmd(f"SELECT {select}")

    def send(self, command: str | bytes) -> bytes:
        self.n += 1
        tag = self.prefix + b".%d" % self.n
        self.sock.sendall(tag + b" " + (command.encode() if isinstance(command, str) else command) + b"\r\n")
        return tag

    def wait(self, tag: bytes, what: str | bytes = "") -> bytes:
        mark, scanned = b"\r\n" + tag + b" ", 0
        while True:
            pos = 0 if self.buf.startswith(mark[2:]) else self.buf.find(mark, max(0, scanned - len(mark)))
            start = 0 if pos == 0 and self.buf.startswith(mark[2:]) else pos + 2
            if pos >= 0 and (end := self.buf.find(b"\r\n", start)) >= 0:
                break
            scanned = len(self.buf) if pos < 0 else pos
            self.more()
        untagged, tagged = bytes(self.buf[:start]), bytes(self.buf[start + len(tag) + 1 : end])
        del self.buf[: end + 2]
        if not tagged.upper().startswith(b"OK"):
            raise BenchError(f"{what!r:.200} answered {tagged!r:.300}")
        return untagged

    def cmd(self, command: str | bytes) -> bytes:
        return self.wait(self.send(command), command)

    def append(self, box: str, messages: list[bytes]) -> bytes:
        """One APPEND; several messages make it a MULTIAPPEND.  Non-synchronising literals are used where offered."""
        plus = "LITERAL+" in self.target.capabilities()
        self.n += 1
        tag, line = self.prefix + b".%d" % self.n, f"APPEND {box}".encode()
        out = [tag + b" " + line]
        for m in messages:
            out.append(b' () "01-Feb-2024 10:00:00 +0000" {%d%s}\r\n' % (len(m), b"+" if plus else b""))
            if not plus:
                self.sock.sendall(b"".join(out))
                if not (line := self.readline()).startswith(b"+"):
                    raise BenchError(f"APPEND literal refused: {line!r:.200}")
                out = []
            out.append(m)
        self.sock.sendall(b"".join(out) + b"\r\n")
        return self.wait(tag, "APPEND")

    def count(self, box: str, item: str = "MESSAGES") -> int:
        if not (
            m := re.search(rb"\* STATUS .*\b%s (\d+)" % item.encode(), r := self.cmd(f"STATUS {box} ({item})"), re.I)
        ):
            raise BenchError(f"STATUS {box}: {r!r:.200}")
        return int(m[1])

    def search(self, criteria: str) -> list[int]:
        return [
            int(x)
            for line in re.findall(rb"^\* SEARCH([ \d]*)\r\n", self.cmd(f"SEARCH {criteria}"), re.M | re.I)
            for x in line.split()
        ]

    def quit(self) -> None:
        self.cmd("LOGOUT")
        self.close()


class Lmtp(Line):
    """Minimal LMTP client that keeps one connection for many transactions, pipelining where the server offers it."""

    def __init__(self, addr: tuple[str, int]):
        super().__init__(addr)
        self.reply(220)
        self.sock.sendall(b"LHLO bench.example\r\n")
        self.pipelining = b"PIPELINING" in self.reply(250).upper()

    def reply(self, want: int) -> bytes:
        text = self.readline()
        while text[-1:] and text.splitlines()[-1][3:4] == b"-":
            text += b"\r\n" + self.readline()
        if text[:3] != b"%d" % want:
            raise BenchError(f"LMTP: wanted {want}, got {text!r:.300}")
        return text

    def ask(self, line: str, want: int = 250) -> None:
        """One command and its reply."""
        self.sock.sendall(line.encode() + b"\r\n")
        self.reply(want)

    def deliver(self, recipients: list[str], stuffed: bytes, on_sent=None) -> None:
        """One transaction; returns when every recipient has its own 250.  `stuffed` comes from dot_stuff()."""
        lines = [b"MAIL FROM:<bench@sender.example>", *(b"RCPT TO:<%s>" % r.encode() for r in recipients), b"DATA"]
        if self.pipelining:
            self.sock.sendall(b"\r\n".join(lines) + b"\r\n")
        for line in lines:
            if not self.pipelining:
                self.sock.sendall(line + b"\r\n")
            self.reply(354 if line == b"DATA" else 250)
        self.sock.sendall(stuffed)
        if on_sent:
            on_sent()
        for _ in recipients:
            self.reply(250)


def dot_stuff(message: bytes) -> bytes:
    return (b"." if message.startswith(b".") else b"") + message.replace(b"\r\n.", b"\r\n..") + b".\r\n"


def literals(response: bytes) -> list[bytes]:
    """The contents of all BODY[] literals in a FETCH response, in order."""
    found, pos = [], 0
    while m := re.compile(rb"BODY\[\] \{(\d+)\}\r\n").search(response, pos):
        pos = m.end() + int(m[1])
        found.append(response[m.end() : pos])
    return found


@dataclass
class Target:
    """One server under test."""

    name: str
    imap: tuple[str, int]
    lmtp: tuple[str, int] | None
    pid: int | None
    password: str
    domain: str
    login_domain: bool
    users: list[str]
    caps: set[str] = field(default_factory=set)
    boxes: dict[str, str] = field(default_factory=dict)  # mailboxes that are filled once per run
    tls: ssl.SSLContext | None = None
    base_pss: int = 0  # KiB before the first idle_memory round
    uids: dict[str, list[int]] = field(default_factory=dict)  # UIDs in them: message number i has uids[key][i]

    def login_name(self, user: str) -> str:
        return f"{user}@{self.domain}" if self.login_domain else user

    def capabilities(self) -> set[str]:
        if not self.caps:
            c = Imap(self, self.users[0])
            self.caps = set(c.cmd("CAPABILITY").decode().upper().split())
            c.quit()
        return self.caps

    def user(self, k: int) -> str:
        return self.users[k % len(self.users)]

    def address(self, user: str) -> str:
        return f"{user}@{self.domain}"

    def need(self, capability: str) -> None:
        if capability not in self.capabilities():
            raise Unsupported(f"no {capability}")
