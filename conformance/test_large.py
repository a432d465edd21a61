"""A message of 200 MB goes through the server in pieces: by LMTP, by APPEND, and back by FETCH."""

import hashlib
import re
import socket
import time
from collections.abc import Iterator
from typing import Self

import pytest

from conformance.support.imap import Imap
from conformance.support.servers import HOST, PASSWORD, Penfold

OCTETS = 200 * 1024 * 1024
MEMORY = 30 * 1024 * 1024  # what the server may need on top, whatever the size
SECONDS = 90.0

HEAD = (
    b"From: joe@example.net\r\nTo: u1@example.com\r\nSubject: large\r\nDate: Mon, 23 Nov 2026 09:00:00 +0000\r\n"
    b"Message-ID: <large@conformance.example>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\n\r\nThe film.\r\n--b\r\nContent-Type: video/mp4\r\nContent-Transfer-Encoding: base64\r\n\r\n"
)
TAIL = b"--b--\r\n"


def pieces() -> Iterator[bytes]:
    """OCTETS of a message with an attachment that does not compress well; never in memory as a whole."""
    yield HEAD
    left = OCTETS - len(HEAD) - len(TAIL)
    number = 0
    while left:
        block = b"".join(hashlib.sha512(b"%d" % (number + i)).hexdigest()[:76].encode() + b"\r\n" for i in range(50))
        block *= 20
        number += 50
        if left < len(block):
            block = block[: left - 2] + b"\r\n" if left > 2 else b"\r\n"[-left:]
        yield block
        left -= len(block)
    yield TAIL


@pytest.fixture(scope="module")
def digest() -> str:
    found = hashlib.sha256()
    count = 0
    for piece in pieces():
        found.update(piece)
        count += len(piece)
    assert count == OCTETS
    return found.hexdigest()


class Watched:
    """What the server's memory grew by at most while something went on."""

    def __init__(self, server: Penfold) -> None:
        self._server = server

    def __enter__(self) -> Self:
        self._server.reset_peak()
        self._before = self._server.memory()[0]
        self._began = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.monotonic() - self._began
        self.grown = self._server.memory()[1] - self._before
        print(f"{self.seconds:.1f} s, {self.grown / 2**20:.1f} MiB more")


def fetched_digest(server: Penfold, user: str, *, behind: int) -> tuple[str, int]:
    """SHA-256 of the last `behind` octets of BODY[] of the only message, and how many there are ahead."""
    with Imap(HOST, server.imap, timeout=SECONDS) as client:
        client.ok(f"LOGIN {user} {PASSWORD}")
        client.ok("SELECT INBOX")
        client.send(b"f FETCH 1 (BODY.PEEK[])\r\n")
        found = re.search(rb"\{(\d+)\}$", client.line())
        assert found, "a literal"
        total = left = int(found[1])
        ahead = total - behind
        client.octets(ahead)
        left -= ahead
        digest = hashlib.sha256()
        while left:
            piece = client.octets(min(left, 1 << 18))
            digest.update(piece)
            left -= len(piece)
        assert client.line() == b")"
        assert client.finish(b"f").status == b"OK"
        return digest.hexdigest(), ahead


def _lmtp(server: Penfold, user: str) -> None:
    with socket.create_connection((HOST, server.lmtp), timeout=SECONDS) as lmtp, lmtp.makefile("rb") as replies:

        def reply() -> bytes:
            while (line := replies.readline())[3:4] == b"-":
                pass
            return line

        assert reply().startswith(b"220")
        commands = (
            b"LHLO hub.example.net",
            b"MAIL FROM:<joe@example.net> SIZE=%d" % OCTETS,
            b"RCPT TO:<%s@example.com>" % user.encode(),
        )
        for command in commands:
            lmtp.sendall(command + b"\r\n")
            answer = reply()
            assert answer.startswith(b"250"), answer
        lmtp.sendall(b"DATA\r\n")
        assert reply().startswith(b"354")
        for piece in pieces():  # no line begins with a dot
            lmtp.sendall(piece)
        lmtp.sendall(b".\r\n")
        answer = reply()
        assert answer.startswith(b"250"), answer
        lmtp.sendall(b"QUIT\r\n")


def _append(server: Penfold, user: str) -> None:
    with Imap(HOST, server.imaps, tls=server.tls(), timeout=SECONDS) as client:
        client.ok(f"LOGIN {user} {PASSWORD}")
        client.send(b"a APPEND INBOX {%d}\r\n" % OCTETS)
        assert client.response().startswith(b"+")
        for piece in pieces():
            client.send(piece)
        client.send(b"\r\n")
        assert client.finish(b"a").status == b"OK"


@pytest.fixture(scope="module")
def warm(penfold: Penfold) -> Penfold:
    """A server that has done all this once on a small scale, so that only the size is measured."""
    with penfold.client("u9") as client:
        client.append("INBOX", b"".join(next(iter(pieces())) for _ in range(1)) + b"x\r\n" * 200_000)
        client.ok("SELECT INBOX")
        client.fetch("1", "(BODY.PEEK[])")
    return penfold


@pytest.mark.timeout(240)
def test_a_large_message_by_lmtp_and_back_needs_little_memory(warm: Penfold, digest: str) -> None:
    with Watched(warm) as delivery:
        _lmtp(warm, "u1")
    assert delivery.grown < MEMORY, f"LMTP: {delivery.grown} octets more"
    with Watched(warm) as fetch:
        found, ahead = fetched_digest(warm, "u1", behind=OCTETS)
    assert found == digest, "what is fetched is not what was delivered"
    assert 0 < ahead < 2000, "the trace headers are ahead of it"
    assert fetch.grown < MEMORY, f"FETCH: {fetch.grown} octets more"


@pytest.mark.timeout(240)
def test_a_large_message_by_append_and_back_needs_little_memory(warm: Penfold, digest: str) -> None:
    """Over TLS on the way in."""
    with Watched(warm) as append:
        _append(warm, "u2")
    assert append.grown < MEMORY, f"APPEND: {append.grown} octets more"
    with Watched(warm) as fetch:
        found, ahead = fetched_digest(warm, "u2", behind=OCTETS)
    assert (found, ahead) == (digest, 0), "what is fetched is not what was appended"
    assert fetch.grown < MEMORY, f"FETCH: {fetch.grown} octets more"


@pytest.mark.timeout(120)
def test_search_and_a_decoded_attachment_of_a_large_message_need_little_memory(warm: Penfold) -> None:
    with warm.client("u2") as client:
        client.socket.settimeout(SECONDS)
        client.ok("SELECT INBOX")
        with Watched(warm) as search:
            assert client.ok("SEARCH BODY film").untagged[-1] == b"* SEARCH 1"
            client.ok("SEARCH TEXT words-that-are-not-in-it")
        assert search.grown < MEMORY, f"SEARCH: {search.grown} octets more"
        with Watched(warm) as binary:
            client.send(b"b FETCH 1 (BINARY.SIZE[2])\r\n")
            assert client.finish(b"b").status == b"OK"
        assert binary.grown < MEMORY, f"BINARY: {binary.grown} octets more"
