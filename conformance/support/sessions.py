"""What another session does in a mailbox, and finds there, while a client has it open."""

import re
import smtplib

from conformance.support.servers import HOST, Penfold

SECONDS = 30.0


def deliver(port: int, recipient: str, *messages: bytes) -> None:
    with smtplib.LMTP(HOST, port, timeout=SECONDS) as lmtp:
        for octets in messages:
            lmtp.sendmail("joe@example.net", [recipient], octets)


def at_server(penfold: Penfold, user: str, folder: str = "INBOX") -> dict[str, set[str]]:
    """What another session finds: subjects, and their flags."""
    with penfold.client(user) as client:
        client.ok(f'EXAMINE "{folder}"')
        return {
            bytes(values[b"ENVELOPE"][1]).decode(): {bytes(flag).decode() for flag in values[b"FLAGS"]} - {r"\Recent"}  # type: ignore[index, attr-defined]
            for values in client.fetch("1:*", "(ENVELOPE FLAGS)").values()
        }


def store(penfold: Penfold, user: str, subject: str, what: str) -> None:
    """STORE by another session."""
    with penfold.client(user) as client:
        client.ok("SELECT INBOX")
        number = client.ok(f'SEARCH SUBJECT "{subject}"').untagged[-1].split()[-1].decode()
        client.ok(f"STORE {number} {what}")


def folders_at_server(penfold: Penfold, user: str) -> dict[str, bool]:
    """Names as they go over the wire, and whether they are subscribed."""
    with penfold.client(user) as client:
        listed = client.ok('LIST "" "*" RETURN (SUBSCRIBED)').untagged
    found = [re.fullmatch(rb'\* LIST \((.*)\) "/" "?(.*?)"?', line) for line in listed]
    return {
        match[2].decode(): rb"\Subscribed" in match[1] for match in found if match and rb"\NonExistent" not in match[1]
    }
