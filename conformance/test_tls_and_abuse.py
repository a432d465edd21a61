"""TLS as it should be, and strangers who behave badly: the others do not notice them."""

import contextlib
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.support.imap import Imap
from conformance.support.mail import message
from conformance.support.processes import run
from conformance.support.servers import HOST, Penfold

HALF_OPEN = 500
ADDRESSES = [f"127.0.1.{number}" for number in range(1, 11)]  # of the attackers: one address has a limit of its own
PATIENCE = 3.0  # seconds that an ordinary session may take meanwhile


def connect(port: int, source: str = HOST, timeout: float = 10) -> socket.socket:
    return socket.create_connection((HOST, port), timeout=timeout, source_address=(source, 0))


@contextlib.contextmanager
def crowd(port: int, count: int, first: bytes = b"") -> Iterator[list[socket.socket]]:
    """Connections from several addresses, which say `first` and no more."""
    with contextlib.ExitStack() as stack:
        found = []
        for number in range(count):
            found.append(stack.enter_context(connect(port, ADDRESSES[number % len(ADDRESSES)])))
            found[-1].sendall(first)
        yield found


def client_hello() -> bytes:
    """The first flight of a handshake."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def works(server: Penfold) -> None:
    """An ordinary client reads and an ordinary hub delivers, in ordinary time."""
    began = time.monotonic()
    with server.client("u1", tls=True) as client:
        client.ok("SELECT INBOX")
        client.ok("FETCH 1:* FLAGS") if b"* 0 EXISTS" not in client.ok("NOOP").untagged else None
    with smtplib.LMTP(HOST, server.lmtp, timeout=10) as lmtp:
        lmtp.sendmail("joe@example.net", ["u1@example.com"], message("meanwhile"))
    with smtplib.SMTP(HOST, server.smtp, local_hostname="hub.example.net", timeout=10) as smtp:
        smtp.starttls(context=server.tls())
        smtp.sendmail("joe@example.net", ["u1@example.com"], message("meanwhile"))
    took = time.monotonic() - began
    assert took < PATIENCE, f"it took {took:.1f} s"


@pytest.fixture(scope="module", autouse=True)
def some_mail(penfold: Penfold) -> None:
    with penfold.client("u1") as client:
        client.append("INBOX", message("there", body="x" * 200_000))
    works(penfold)


# ---------------------------------------------------------------------------------------------- TLS


@pytest.mark.parametrize(
    "half", [b"", client_hello()[:-20], client_hello()], ids=["silent", "half a hello", "no answer"]
)
def test_half_open_handshakes_do_not_stop_service(penfold: Penfold, half: bytes) -> None:
    """T-10.7, with 500 at a time."""
    before = penfold.memory()[0]
    with crowd(penfold.imaps, HALF_OPEN, half):
        works(penfold)
        assert penfold.memory()[0] - before < HALF_OPEN * 100 * 1024, "100 KiB for each are more than enough"
    works(penfold)


def test_half_done_starttls_does_not_stop_service(penfold: Penfold) -> None:
    """T-10.7, for IMAP and SMTP."""
    with crowd(penfold.imap, 100, b"a STARTTLS\r\n"), crowd(penfold.smtp, 40, b"EHLO x\r\nSTARTTLS\r\n"):
        works(penfold)
    works(penfold)


@pytest.mark.parametrize("service", ["imap", "smtp", "lmtp"])
def test_a_server_that_is_to_end_does_not_wait_for_handshakes(directory: Path, service: str) -> None:
    server = Penfold(directory / f"ending-{service}", users=1).start()
    with connect(getattr(server, service)) as half:
        half.recv(1000)
        half.sendall(b"a STARTTLS\r\n" if service == "imap" else b"%s x\r\n" % HELLO[service])
        half.recv(4000)
        if service != "imap":
            half.sendall(b"STARTTLS\r\n")
            half.recv(4000)
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 5, "nothing was running"


HELLO = {"smtp": b"EHLO", "lmtp": b"LHLO"}


def test_old_protocols_and_weak_ciphers_are_not_spoken(penfold: Penfold) -> None:
    for option in ("-tls1", "-tls1_1"):
        done = run("openssl", "s_client", "-connect", f"{HOST}:{penfold.imaps}", option, "-cipher", "ALL@SECLEVEL=0")
        assert "Cipher is (NONE)" in done.output or "no protocols available" in done.output, done.output
    for option in ("-tls1_2", "-tls1_3"):
        done = run(
            "openssl", "s_client", "-connect", f"{HOST}:{penfold.imaps}", option, "-CAfile", str(penfold.certificate)
        )
        assert "Verify return code: 0 (ok)" in done.output, done.output
    done = run("openssl", "s_client", "-connect", f"{HOST}:{penfold.imaps}", "-tls1_2", "-cipher", "AES128-SHA")
    assert "Cipher is (NONE)" in done.output, done.output


def test_plain_text_on_the_tls_port_and_tls_on_the_plain_one_end_soon(penfold: Penfold) -> None:
    with connect(penfold.imaps) as wrong:
        wrong.sendall(b"a LOGIN u1 pass\r\n")
        said = b""
        with contextlib.suppress(ConnectionError):
            while piece := wrong.recv(1000):
                said += piece
        assert b"OK" not in said
    with connect(penfold.imap) as wrong:
        wrong.sendall(client_hello() + b"\r\n" * 60)
        with contextlib.suppress(ConnectionError):
            while piece := wrong.recv(1000):
                assert b" OK " not in piece.removeprefix(b"* OK ")
    works(penfold)


@pytest.mark.parametrize(
    "injected", [b"b NOOP\r\n", b"b LOGIN u1 pass\r\nc SELECT INBOX\r\n", b"b APPEND INBOX {5+}\r\nhello\r\n"]
)
def test_what_is_sent_behind_imap_starttls_is_forgotten(penfold: Penfold, injected: bytes) -> None:
    """CVE-2011-0411.  In one packet with STARTTLS, in the clear; nothing of it may be answered within TLS."""
    with connect(penfold.imap) as plain:
        greeting = plain.recv(1000)
        assert greeting.startswith(b"* OK")
        plain.sendall(b"a STARTTLS\r\n" + injected)
        said = b""
        while b"\r\n" not in said:
            said += plain.recv(1)
        assert said.startswith(b"a OK"), said
        with contextlib.ExitStack() as stack:
            try:
                tls = stack.enter_context(penfold.tls().wrap_socket(plain, server_hostname=HOST))
            except (ssl.SSLError, ConnectionError):
                return  # hung up on: as good
            tls.sendall(b"z CAPABILITY\r\n")
            heard = b""
            while b"z " not in heard:
                heard += tls.recv(4000)
            assert b"b " not in heard.split(b"z ")[0].split(b"* CAPABILITY")[0], heard
            assert b"STARTTLS" not in heard
            tls.sendall(b"y SELECT INBOX\r\n")
            while b"y " not in heard:
                heard += tls.recv(4000)
            assert b"y BAD" in heard or b"y NO" in heard, "the injected LOGIN was carried out"


def test_what_is_sent_behind_smtp_starttls_is_forgotten(penfold: Penfold) -> None:
    """CVE-2011-0411, where it was found."""
    with connect(penfold.smtp) as plain:
        assert plain.recv(1000).startswith(b"220")
        plain.sendall(b"EHLO x\r\n")
        time.sleep(0.2)
        plain.recv(4000)
        plain.sendall(b"STARTTLS\r\nMAIL FROM:<evil@example.net>\r\nRCPT TO:<u1@example.com>\r\n")
        said = b""
        while b"\r\n" not in said:
            said += plain.recv(1)
        with contextlib.ExitStack() as stack:
            if not said.startswith(b"220"):
                return  # refused: as good
            try:
                tls = stack.enter_context(penfold.tls().wrap_socket(plain, server_hostname=HOST))
            except (ssl.SSLError, ConnectionError):
                return
            tls.sendall(b"NOOP\r\n")
            assert tls.recv(4000).startswith(b"250 2.0.0"), "the first answer within TLS is that of NOOP"
            tls.sendall(b"DATA\r\n")
            assert tls.recv(4000).startswith(b"503"), "the injected MAIL was carried out"


# ---------------------------------------------------------------------------------------------- the slow and the loud


def test_clients_that_read_nothing_do_not_stop_service(penfold: Penfold) -> None:
    """Twenty sessions ask for 200 KB a thousand times over and take none of it: nobody else waits, nothing piles up."""
    before = penfold.memory()[0]
    with contextlib.ExitStack() as stack:
        for number in range(20):
            lazy = stack.enter_context(connect(penfold.imap, ADDRESSES[number % 10]))
            lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            lazy.sendall(b"a LOGIN u1 pass\r\nb SELECT INBOX\r\n" + b"c FETCH 1 BODY.PEEK[]\r\n" * 1000)
        time.sleep(1)
        works(penfold)
        assert penfold.memory()[0] - before < 40 << 20, "answers that nobody takes are not made"
    works(penfold)


def test_clients_that_write_an_octet_at_a_time_do_not_stop_service(penfold: Penfold) -> None:
    stop = threading.Event()

    def dribble(port: int, words: bytes, source: str) -> None:
        with contextlib.suppress(OSError), connect(port, source) as slow:
            for position in range(len(words)):
                slow.sendall(words[position : position + 1])
                if stop.wait(0.01):
                    return

    words = b"a LOGIN u1 {4}\r\n" + b"x" * 4000
    threads = [
        threading.Thread(target=dribble, args=(port, words, ADDRESSES[number % 10]))
        for number in range(20)
        for port in (penfold.imap, penfold.smtp, penfold.lmtp)
    ]
    for thread in threads:
        thread.start()
    try:
        works(penfold)
        works(penfold)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("service", ["imap", "smtp", "lmtp"])
def test_a_line_without_an_end_is_cut_off_and_not_kept(penfold: Penfold, service: str) -> None:
    """T-10.7: over the limit, BAD or 500, and then the connection ends; memory does not grow."""
    before = penfold.memory()[0]
    with connect(getattr(penfold, service)) as endless:
        endless.settimeout(0.05)
        sent, ended = 0, False
        until = time.monotonic() + 10
        while sent < 64 << 20 and not ended and time.monotonic() < until:
            try:
                endless.sendall(b"x" * 65536)
                sent += 65536
            except TimeoutError:
                ended = True  # it no longer reads
            except ConnectionError:
                ended = True
            with contextlib.suppress(TimeoutError):
                try:
                    while piece := endless.recv(65536):
                        assert piece
                    ended = True
                except ConnectionError:
                    ended = True
    assert ended, f"{sent} octets without a line end were taken"
    assert penfold.memory()[0] - before < 8 << 20
    works(penfold)


def test_a_literal_that_is_too_large_is_refused_before_it_is_sent(penfold: Penfold) -> None:
    """T-10.7: APPENDLIMIT bounds literals, and strangers have a far smaller bound."""
    with Imap(HOST, penfold.imap) as stranger:
        stranger.send(b"a LOGIN {1000000}\r\n")
        assert stranger.response().startswith(b"a BAD")
        stranger.send(b"b APPEND INBOX {100000000}\r\n")
        assert not stranger.response().startswith(b"+")
    with penfold.client("u1") as client:
        client.send(b"a APPEND INBOX {9000000000}\r\n")
        assert client.response().startswith(b"a NO [")
        client.ok("NOOP")
        client.send(b"b SEARCH SUBJECT {100000000}\r\n")
        assert client.response().startswith(b"b BAD")
        client.ok("NOOP")


def test_one_address_cannot_take_all_connections(penfold: Penfold) -> None:
    """What one address has too much is closed, and every other is served."""
    with contextlib.ExitStack() as stack:
        greeted = 0
        for _ in range(260):
            greedy = stack.enter_context(connect(penfold.imap, ADDRESSES[0]))
            with contextlib.suppress(ConnectionError):
                greeted += greedy.recv(1000).startswith(b"* OK")
        assert 100 <= greeted < 260, f"{greeted} were taken"
        works(penfold)


def test_guessing_passwords_becomes_slow(penfold: Penfold) -> None:
    """D.12: each failure makes the next answer later, and a few end the connection; others sign in as ever."""
    began = time.monotonic()
    failures = 0
    with contextlib.suppress(ConnectionError, TimeoutError), contextlib.closing(_from(penfold, ADDRESSES[9])) as client:
        for _ in range(6):
            answer = client.command("LOGIN u2 wrong")
            assert answer.status == b"NO"
            failures += 1
            if time.monotonic() - began > 6:
                break
    assert failures < 6, "six guesses on one connection"
    with penfold.client("u2") as client:
        client.ok("NOOP")


def _from(server: Penfold, source: str) -> Imap:
    client = Imap(HOST, server.imap)
    client.socket.close()
    client.socket = connect(server.imap, source)
    client.response()
    return client
