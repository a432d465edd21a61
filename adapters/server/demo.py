"""`penfold demo`: a server with users and mail to try clients on, made in one go."""

from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

from adapters.server.config import Auth, Connections, Endpoint, Imap, Lmtp, Log, Metrics, Server, Settings, Size, Smtp
from adapters.server.installation import FIRST_DATABASE, Installation
from core.commands import Append, Filing, Flags
from core.model import SEEN
from core.recipients import Quota

DOMAIN = "example.com"
LOOPBACK = ip_address("127.0.0.1")
LARGEST = 256 << 20  # a demo takes what one throws at it,
MOST = 5_000  # and as many connections as anybody makes


def settings(directory: Path, port_base: int) -> Settings:
    """Everything on 127.0.0.1, at the usual ports above the base; passwords are taken without TLS."""

    def at(port: int) -> tuple[Endpoint, ...]:
        return (Endpoint(f"{LOOPBACK}:{port_base + port}"),)

    return Settings(
        server=Server(data_dir=directory),
        imap=Imap(listen=at(143), listen_tls=at(993), max_message_size=Size(LARGEST)),
        smtp=Smtp(listen=at(25), max_message_size=Size(LARGEST)),
        lmtp=Lmtp(listen=at(24)),
        auth=Auth(plaintext_logins=True),
        connections=Connections(per_user=MOST),
        log=Log(format="console", level="warning"),
        metrics=Metrics(listen=()),
    )


def directions(port_base: int, users: int, password: str) -> str:
    """How to point a client at the demo; no line is wider than a terminal."""
    return f"""\
Penfold demo on {LOOPBACK}
  Users  u1 to u{users}, addresses u1@{DOMAIN} ..., password {password}
  IMAP   port {port_base + 143} (STARTTLS or plain), port {port_base + 993} (TLS)
  SMTP   port {port_base + 25}, LMTP port {port_base + 24}: for mail to these users
The certificate is self-signed: tell a client that asks to trust it."""


def prepare(chosen: Settings, *, users: int, password: str, sample: bool) -> None:
    """Makes what is not there yet: the domain, the users, sample mail for those that are new; one password for all."""
    house = Installation(chosen, create=True)
    try:
        if not house.organization.databases():
            house.add_database(FIRST_DATABASE)
            database = house.organization.databases()[0]
            house.organization.set_database_quota(database.database_id, Quota())
            house.organization.add_domain(DOMAIN)
        _make_users(house, [f"u{number}" for number in range(1, users + 1)], password, sample=sample)
    finally:
        house.close()


def _make_users(house: Installation, aliases: Sequence[str], password: str, *, sample: bool) -> None:
    everybody = {recipient.alias: recipient for recipient in house.recipients()}
    known = [everybody[alias] for alias in aliases if alias in everybody]
    if known and house.directory.verify(known[0].alias, password.encode()):
        known = []  # the password is that of last time
    if not known and everybody.keys() >= set(aliases):
        return
    # One hash for all: they share one password, and a demo of 1,000 users should not take half a minute.
    credential = house.passwords.make(password.encode())
    for recipient in known:
        house.organization.set_credential(recipient.recipient_id, credential, at=house.clock.now())
    for alias in aliases:
        if alias not in everybody:
            house.add_mailbox(alias, credential, name=f"User {alias[1:]}")
            if sample:
                _fill(house, alias)


def _fill(house: Installation, alias: str) -> None:
    """A few messages that show what clients make of text, HTML, attachments and other scripts."""
    recipient = house.recipient(alias)
    database = house.databases[recipient.database_id]
    for number, text in enumerate(SAMPLES):
        spool = house.spool(recipient.database_id, LARGEST)
        try:
            spool.write(text.format(to=recipient.primary_address, alias=alias).replace("\n", "\r\n").encode())
            now = house.clock.now()
            filing = Filing(spool.finish(), Flags(SEEN if number == 0 else 0), now, 0)
            database.write(Append(recipient.mailbox_id, "INBOX", (filing,), now))
            spool.keep()
        finally:
            spool.discard()


SAMPLES = (
    """\
From: Penfold <postmaster@example.com>
To: {to}
Subject: Welcome to Penfold
Date: Mon, 23 Nov 2026 09:00:00 +0000
Message-ID: <welcome.{alias}@example.com>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8

Good morning,

this mailbox is yours.  Everything in it is kept byte for byte as it came.
""",
    """\
From: =?utf-8?q?Zo=C3=AB_M=C3=BCller?= <zoe@example.net>
To: {to}
Subject: =?utf-8?b?R3LDvMOfZSBhdXMgS8O2bG4=?=
Date: Mon, 23 Nov 2026 10:30:00 +0100
Message-ID: <gruesse.{alias}@example.net>
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary="between"

--between
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

Viele Grüße, und \u4f60\u597d!
--between
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: 8bit

<p>Viele <b>Grüße</b>, und \u4f60\u597d!</p>
--between--
""",
    """\
From: Ada Byron <ada@example.org>
To: {to}
Cc: Charles <charles@example.org>
Subject: Notes, with an attachment
Date: Mon, 23 Nov 2026 11:45:00 +0000
Message-ID: <notes.{alias}@example.org>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="parts"

--parts
Content-Type: text/plain; charset=us-ascii

The table is attached.
--parts
Content-Type: text/csv; name="table.csv"
Content-Disposition: attachment; filename="table.csv"
Content-Transfer-Encoding: base64

bixuX2ZhY3RvcmlhbAoxLDEKMiwyCjMsNgo0LDI0Cg==
--parts--
""",
)
