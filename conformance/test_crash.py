"""T-1.1: a server that is killed under load has, when it is back, every message that it took, once and unharmed."""

import os
import random
import re
import smtplib
import time
from collections import Counter
from pathlib import Path

import pytest

from conformance.support.crash import Ledger, Load, handed_over
from conformance.support.imap import Answer
from conformance.support.servers import HOST, Penfold, remove, scratch
from conformance.support.storecheck import findings

SOAK = bool(os.environ.get("PENFOLD_SOAK"))
ROUNDS = 200 if SOAK else 20
USERS = ("u1", "u2", "u3")
TOKEN = re.compile(rb"^Subject: (\S+)\r$", re.MULTILINE)


class Seen:
    """What one mailbox held the last time it was looked at."""

    def __init__(self) -> None:
        self.uidvalidity = 0
        self.highest = 0  # UID
        self.tokens: dict[int, str] = {}


def _told(selected: Answer, code: bytes) -> int:
    """The number of a response code to SELECT."""
    found = [re.search(rb"\[%s (\d+)\]" % code, line) for line in selected.untagged]
    (number,) = (int(match[1]) for match in found if match)
    return number


def look(server: Penfold, user: str, ledger: Ledger, seen: Seen) -> Counter[str]:
    """How often each token is there; the bytes of what is new are compared, and the UIDs with what they were."""
    with server.client(user) as client:
        selected = client.ok("SELECT INBOX")
        validity = _told(selected, b"UIDVALIDITY")
        assert validity == (seen.uidvalidity or validity), "UIDVALIDITY has changed"
        seen.uidvalidity = validity
        uidnext = _told(selected, b"UIDNEXT")
        held = sorted(client.fetch("1:*", "(UID)"))
        assert held == sorted(set(held)), "UIDs strictly grow"
        assert not held or uidnext > held[-1], "UIDNEXT is above all UIDs"
        assert set(seen.tokens) <= set(held), (
            f"{user} has lost {[seen.tokens[u] for u in set(seen.tokens) - set(held)][:5]}"
        )
        new = [uid for uid in held if uid not in seen.tokens]
        assert all(uid > seen.highest for uid in new), "a UID is given again"
        for low in range(0, len(new), 50):
            chosen = ",".join(map(str, new[low : low + 50]))
            for uid, values in client.fetch(chosen, "(UID RFC822.SIZE BODY.PEEK[])").items():
                body = bytes(values[b"BODY[]"])  # type: ignore[call-overload]
                found = TOKEN.search(body)
                assert found, f"a message without a token: {body[:200]!r}"
                token = found[1].decode()
                assert body.endswith(ledger.sent[token]), f"{token} is not as it was sent"
                assert int(values[b"RFC822.SIZE"]) == len(body)  # type: ignore[call-overload]
                head = body[: -len(ledger.sent[token])]
                assert not head or head.startswith((b"Return-Path:", b"Delivered-To:", b"Received:")), (
                    f"{head!r} ahead of {token}"
                )
                told = ledger.acknowledged.get(token)
                assert told is None or told == uid, f"{token} was told UID {told} and has {uid}"
                seen.tokens[uid] = token
        seen.highest = max([seen.highest, uidnext - 1])
    return Counter(seen.tokens.values())


@pytest.mark.timeout(7200 if SOAK else 300)
def test_what_was_acknowledged_is_there_exactly_once_however_often_the_server_is_killed(tmp_path: Path) -> None:
    chance = random.Random(1)
    directory = scratch("crash")
    server = Penfold(directory / "penfold", users=3).start()
    ledgers = {user: Ledger() for user in USERS}
    seen = {user: Seen() for user in USERS}
    began = time.monotonic()
    try:
        for number in range(ROUNDS):
            load = Load(server, ledgers, prefix=f"{number}")
            load.start()
            time.sleep(chance.uniform(0.05, 0.6))
            server.kill()
            load.join()
            broken = findings(server.directory) if number % 5 == 4 else []
            assert not broken, broken
            server.start()
            for user in USERS:
                ledger = ledgers[user]
                assert not ledger.refused, f"refused without need: {ledger.refused[:5]}"
                counts = look(server, user, ledger, seen[user])
                lost = ledger.acknowledged.keys() - counts.keys()
                assert not lost, f"round {number}: acknowledged and lost: {sorted(lost)[:10]}"
                twice = [token for token, count in counts.items() if count > 1]
                assert not twice, f"round {number}: there twice: {twice[:10]}"
        # A hub sends again what was not acknowledged: what had been stored all the same is not stored twice.
        with smtplib.LMTP(HOST, server.lmtp, timeout=15) as lmtp:
            lmtp.ehlo()
            for user in USERS:
                for token in sorted(ledgers[user].unknown):
                    if "-lmtp-" in token:
                        assert handed_over(lmtp, user, ledgers[user].sent[token])[0] == 250
                        ledgers[user].acknowledged[token] = None
        for user in USERS:
            counts = look(server, user, ledgers[user], seen[user])
            assert ledgers[user].acknowledged.keys() <= counts.keys()
            assert set(counts.values()) == {1}
        total = sum(len(ledger.acknowledged) for ledger in ledgers.values())
        assert total > ROUNDS * 20, f"only {total} messages: that was no load"
        print(f"{ROUNDS} kills, {total} messages acknowledged, {time.monotonic() - began:.1f} s")
    finally:
        server.stop()
        broken = findings(server.directory)
        remove(directory)
    assert not broken, broken
