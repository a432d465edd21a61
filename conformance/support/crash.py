"""Clients that keep a server busy and write down what it has acknowledged, for a test that kills it."""

import smtplib
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from conformance.support.imap import Imap
from conformance.support.servers import HOST, PASSWORD, Penfold

SIZES = (300, 2_000, 20_000, 300_000)  # in the row, in a pack, compressed in several frames


@dataclass
class Ledger:
    """Token -> what was sent; `acknowledged` are those that were answered well."""

    sent: dict[str, bytes] = field(default_factory=dict)
    acknowledged: dict[str, int | None] = field(default_factory=dict)  # with the UID, if it was told
    refused: list[str] = field(default_factory=list)

    @property
    def unknown(self) -> set[str]:
        """Sent, and the server died before it answered."""
        return self.sent.keys() - self.acknowledged.keys()


def text(token: str, number: int) -> bytes:
    """A message that tells its token, of one size or another; the same each time it is asked for."""
    size = SIZES[number % 9 % len(SIZES)]
    line = f"{token} {number} ".ljust(70, "x") + "\r\n"
    return (
        f"From: joe@example.net\r\nTo: u1@example.com\r\nSubject: {token}\r\nDate: Mon, 23 Nov 2026 09:00:00 +0000\r\n"
        f"Message-ID: <{token}@crash.example>\r\n\r\n{line * (size // 72 + 1)}"
    ).encode()


class Load:
    """Threads that deliver and append until the server is gone."""

    def __init__(self, server: Penfold, ledgers: dict[str, Ledger], *, prefix: str) -> None:
        self._server, self._ledgers, self._prefix = server, ledgers, prefix
        self.faults: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._guarded, args=(work, user, ledgers[user]), daemon=True)
            for user, work in (("u1", self.deliver), ("u2", self.append), ("u3", self.deliver), ("u3", self.append))
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive(), "a client hangs although its server is dead"
        if self.faults:
            raise self.faults[0]

    def _guarded(self, work: Callable[[str, Ledger], None], user: str, ledger: Ledger) -> None:
        try:
            work(user, ledger)
        except (OSError, smtplib.SMTPServerDisconnected):
            pass  # that is how it is to end
        except BaseException as fault:  # noqa: BLE001 - told by join()
            self.faults.append(fault)

    def deliver(self, user: str, ledger: Ledger) -> None:
        with smtplib.LMTP(HOST, self._server.lmtp, timeout=15) as lmtp:
            lmtp.ehlo()
            for number in range(100_000):
                token = f"{self._prefix}-lmtp-{user}-{number}"
                octets = ledger.sent.setdefault(token, text(token, number))
                code, _ = handed_over(lmtp, user, octets)
                if code == 250:
                    ledger.acknowledged[token] = None
                else:
                    ledger.refused.append(token)

    def append(self, user: str, ledger: Ledger) -> None:
        with Imap(HOST, self._server.imap) as client:
            client.ok(f"LOGIN {user} {PASSWORD}")
            for number in range(100_000):
                token = f"{self._prefix}-append-{user}-{number}"
                octets = ledger.sent.setdefault(token, text(token, number))
                answer = client.append("INBOX", octets)
                if answer.status == b"OK":
                    ledger.acknowledged[token] = int(answer.tagged.split(b"]")[0].split()[-1])
                else:
                    ledger.refused.append(token)


def handed_over(lmtp: smtplib.LMTP, user: str, octets: bytes) -> tuple[int, bytes]:
    """One message by LMTP; the reply for its only recipient."""
    lmtp.mail("joe@example.net")
    lmtp.rcpt(f"{user}@example.com")
    return lmtp.data(octets)


def refuses(port: int) -> bool:
    """Whether nobody listens."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) != 0
