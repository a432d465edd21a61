"""Voice mail by IMAP: a telephone exchange records, plays and deletes; lamps show what is new; full is full."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conformance.support.imap import Imap
from conformance.support.processes import HOST, succeed
from conformance.support.servers import PASSWORD, Penfold
from conformance.support.voicemail import VoiceMail

AUDIO = bytes(range(256)) * 400
MASTER = "u9"


@contextmanager
def exchange(penfold: Penfold, user: str, *, master: str = "", extension: str = "4324") -> Iterator[VoiceMail]:
    with Imap(HOST, penfold.imap) as client:
        yield VoiceMail(client, user=user, password=PASSWORD, master=master, extension=extension)


def administer(penfold: Penfold, *words: str) -> None:
    succeed(Path(sys.executable).parent / "penfold", "mailbox", *words, "--dir", penfold.directory)


@pytest.mark.parametrize(("user", "master"), [("u1", ""), ("u2", MASTER)], ids=["by password", "by a master user"])
def test_an_exchange_records_lists_plays_and_deletes(penfold: Penfold, user: str, master: str) -> None:
    """T-9.1."""
    administer(penfold, "set", user, "--quota", "10MB")
    if master:
        administer(penfold, "permission", "add", master, "--impersonation")
    with exchange(penfold, user, master=master) as voice, exchange(penfold, user, master=master) as phone:
        assert not phone.poll()
        assert not voice.is_full
        assert voice.record(AUDIO).status == b"OK"
        assert voice.record(AUDIO[:5_000], urgent=True).status == b"OK"
        assert (voice.new(), voice.urgent(), voice.old()) == ([1], [2], [])
        assert phone.poll(), "a second phone is told of it"

        assert voice.play(1) == AUDIO
        assert (voice.new(), voice.urgent(), voice.old()) == ([], [2], [1])
        assert voice.play(2) == AUDIO[:5_000]
        assert not phone.poll(), "all of it was heard elsewhere"

        voice.save(2, "Friends")
        voice.save(1, "Friends")
        assert (voice.new(), voice.urgent(), voice.old()) == ([], [], [])
        assert not phone.poll()
        phone.open("Friends")
        assert phone.old() == [1, 2]
        assert phone.play(2) == AUDIO
        phone.delete(1)
        assert phone.old() == [1]
        phone.open("Work")
        assert phone.old() == []


def test_extensions_that_share_a_mailbox_have_lamps_of_their_own(penfold: Penfold) -> None:
    """T-9.1."""
    with exchange(penfold, "u3") as voice, exchange(penfold, "u3", extension="5001") as other:
        assert voice.record(AUDIO).status == b"OK"
        assert (voice.poll(), other.poll()) == (True, False)
        assert other.record(AUDIO, urgent=True).status == b"OK"
        assert (voice.new(), voice.urgent()) == ([1], [])
        assert (other.new(), other.urgent()) == ([], [2])
        voice.delete(1)
        assert (voice.poll(), other.poll()) == (False, True)
        assert other.play(1) == AUDIO


def test_what_is_read_elsewhere_puts_out_the_lamp_with_the_next_poll(penfold: Penfold) -> None:
    """T-9.1: a mail program marks it, and marks it back."""
    with exchange(penfold, "u4") as voice, penfold.client("u4") as reader:
        assert voice.record(AUDIO).status == b"OK"
        assert voice.poll()
        reader.ok("SELECT INBOX")
        assert b"UNSEEN 1" in reader.ok("STATUS INBOX (MESSAGES UNSEEN)").untagged[0]
        reader.ok("STORE 1 +FLAGS (\\Seen)")
        assert not voice.poll()
        reader.ok("STORE 1 -FLAGS (\\Seen)")
        assert voice.poll()
        reader.ok("STORE 1 +FLAGS (\\Deleted)")
        assert not voice.poll()
        reader.ok("EXPUNGE")
        assert not voice.poll()
        assert voice.record(AUDIO, urgent=True).status == b"OK"
        assert voice.poll()


def test_a_full_mailbox_is_known_before_the_beep(penfold: Penfold) -> None:
    """T-9.2: the exchange sees it by GETQUOTAROOT; who records all the same leaves nothing behind."""
    administer(penfold, "set", "u5", "--quota", "300KB")
    with exchange(penfold, "u5") as voice:
        assert not voice.is_full
        assert voice.record(AUDIO).status == b"OK"
        assert not voice.is_full
        administer(penfold, "set", "u5", "--quota", "100KB")
        assert voice.is_full
        refused = voice.record(AUDIO)
        assert (refused.status, refused.code) == (b"NO", b"OVERQUOTA")
        assert voice.new() == [1]
        voice.delete(1)
        assert not voice.is_full
