"""T-1.10: an INBOX of 20,000 messages and an archive of 100,000, as a client comes to them for the first time.

The bounds are what docs/imap.md promises, some ten times what a quiet machine takes: they find what grows with the
square of a folder.  What the steps take is printed, and compared with Dovecot by `make bench`.
"""

import re
import time
from collections.abc import Callable, Iterator

import pytest

from conformance.support.imap import Imap
from conformance.support.mail import message
from conformance.support.processes import becomes
from conformance.support.servers import Penfold
from conformance.thunderbird.mail import ImapAccount

USER = "u1"
INBOX, ARCHIVE = 20_000, 100_000
DIFFERENT = 1_000  # messages; the others are copies of them
MULTIAPPEND = 100
COPY = 10_000  # messages by one command

# Seconds, of a server that has just been started.
BOUNDS = {
    "SELECT": 2.0,
    "SELECT again": 0.1,
    "SEARCH SUBJECT": 5.0,
    "SORT": 10.0,
    "THREAD": 10.0,
    "FETCH FLAGS": 5.0,
}
FIRST_OPEN_SECONDS = 120.0  # Thunderbird: 20,000 headers, which it files one by one


@pytest.fixture(scope="module")
def filled(penfold: Penfold) -> Penfold:
    """The server, started anew once the folders are full."""
    with penfold.client(USER) as client:
        client.socket.settimeout(60)
        for start in range(0, DIFFERENT, MULTIAPPEND):
            mails = [message(f"big {number}") for number in range(start, start + MULTIAPPEND)]
            literals = b" ".join(b"{%d+}\r\n%b" % (len(mail), mail) for mail in mails)
            assert client.command(b"APPEND INBOX " + literals).status == b"OK"
        client.ok("SELECT INBOX")
        multiply(client, "INBOX", DIFFERENT, INBOX - 1)
        assert client.append("INBOX", message("the newest")).status == b"OK"
        for _ in range(ARCHIVE // INBOX):
            for start in range(1, INBOX, COPY):
                client.ok(f"COPY {start}:{start + COPY - 1} Archive")
    penfold.stop()
    penfold.start()
    return penfold


def multiply(client: Imap, folder: str, count: int, wanted: int) -> None:
    while count < wanted:
        more = min(count, wanted - count, COPY)
        client.ok(f"COPY 1:{more} {folder}")
        count += more


@pytest.fixture
def client(filled: Penfold) -> Iterator[Imap]:
    with filled.client(USER) as client:
        client.socket.settimeout(60)
        yield client


@pytest.mark.parametrize(("folder", "count"), [("INBOX", INBOX), ("Archive", ARCHIVE)])
def test_a_big_folder_is_opened_searched_and_sorted_in_bounded_time(client: Imap, folder: str, count: int) -> None:
    """T-1.10."""
    steps: tuple[tuple[str, str, Callable[[list[bytes]], bool]], ...] = (
        ("SELECT", f"SELECT {folder}", lambda lines: b"* %d EXISTS" % count in lines),
        ("SELECT again", f"SELECT {folder}", lambda lines: b"* %d EXISTS" % count in lines),
        ("SEARCH SUBJECT", 'SEARCH SUBJECT "big 77"', lambda lines: len(lines[-1].split()) == 2 + 11 * count // 1000),
        ("SORT", "UID SORT (SUBJECT REVERSE DATE) UTF-8 ALL", lambda lines: len(lines[-1].split()) == 2 + count),
        ("THREAD", "THREAD REFERENCES UTF-8 ALL", lambda lines: numbers_in(lines[-1]) == count),
        ("FETCH FLAGS", "FETCH 1:* (FLAGS)", lambda lines: len(lines) == count),
    )
    took = {}
    for name, command, is_right in steps:
        begun = time.monotonic()
        answer = client.ok(command)
        took[name] = time.monotonic() - begun
        assert is_right(answer.untagged), (name, answer.untagged[-1][:200])
    print(f"T-1.10: {folder}: " + ", ".join(f"{name} {1000 * seconds:.0f} ms" for name, seconds in took.items()))
    assert {name: seconds for name, seconds in took.items() if seconds > BOUNDS[name]} == {}


def numbers_in(thread: bytes) -> int:
    return len(re.findall(rb"\d+", thread))


def test_thunderbird_opens_a_big_inbox_for_the_first_time(
    filled: Penfold, add_account: Callable[[str], ImapAccount]
) -> None:
    """T-1.10: it knows all messages, and shows the one that is asked for."""
    account = add_account(USER)
    account.keep_nothing()
    begun = time.monotonic()
    account.open("INBOX")
    becomes(lambda: account.counts("INBOX")[0], INBOX, seconds=FIRST_OPEN_SECONDS)
    seconds = time.monotonic() - begun
    print(f"T-1.10: Thunderbird knows an INBOX of {INBOX} messages after {seconds:.1f} s")
    assert account.read("INBOX", "the newest").subject == "the newest"
