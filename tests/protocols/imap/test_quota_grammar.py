"""GETQUOTA, GETQUOTAROOT and SETQUOTA as clients write them (RFC 9208 section 7)."""

import pytest

from protocols.imap import limits
from protocols.imap.commands import Command, GetQuota, GetQuotaRoot, SetQuota, Status
from protocols.imap.grammar import BadSyntax, parse


@pytest.mark.parametrize(
    ("text", "command"),
    [
        # RFC 9208 4.1
        (b'G0001 GETQUOTA "!partition/sda4"', GetQuota(b"G0001", "!partition/sda4")),
        (b"G0002 GETQUOTAROOT INBOX", GetQuotaRoot(b"G0002", "INBOX")),
        (b'S0001 SETQUOTA "#user/alice" (STORAGE 510)', SetQuota(b"S0001", "#user/alice", (("STORAGE", 510),))),
        (
            b"S0003 STATUS INBOX (MESSAGES DELETED DELETED-STORAGE)",
            Status(b"S0003", "INBOX", ("MESSAGES", "DELETED", "DELETED-STORAGE")),
        ),
        (b'a getquota ""', GetQuota(b"a", "")),
        (b"a GetQuotaRoot inbox", GetQuotaRoot(b"a", "INBOX")),
        (b"a GETQUOTAROOT Entw&APw-rfe", GetQuotaRoot(b"a", "Entwürfe")),
        (b"a SETQUOTA u1 ()", SetQuota(b"a", "u1", ())),
        (
            b"a SETQUOTA u1 (storage 0 message 9223372036854775807 annotation-storage 7 x.y 1)",
            SetQuota(b"a", "u1", (("STORAGE", 0), ("MESSAGE", (1 << 63) - 1), ("ANNOTATION-STORAGE", 7), ("X.Y", 1))),
        ),
    ],
)
def test_commands_are_read(text: bytes, command: Command) -> None:
    assert parse(text) == command


@pytest.mark.parametrize(("octets", "root"), [(b"caf\xc3\xa9", "café"), (b"\xff\xfe", "\ufffd\ufffd")])
def test_a_root_may_be_any_octets(octets: bytes, root: str) -> None:
    assert parse(b"a GETQUOTA \0", (octets,)) == GetQuota(b"a", root)
    assert parse(b'a GETQUOTA "%s"' % octets) == GetQuota(b"a", root)


@pytest.mark.parametrize(
    "text",
    [
        b"a GETQUOTA",
        b"a GETQUOTA ",
        b"a GETQUOTA  u1",
        b"a GETQUOTA u1 u2",
        b"a GETQUOTA (u1)",
        b"a UID GETQUOTA u1",
        b"a GETQUOTAROOT",
        b"a GETQUOTAROOT INBOX INBOX",
        b"a GETQUOTAROOT *",
        b"a SETQUOTA u1",
        b"a SETQUOTA u1 STORAGE 5",
        b"a SETQUOTA u1 (STORAGE)",
        b"a SETQUOTA u1 (STORAGE )",
        b"a SETQUOTA u1 (STORAGE 5",
        b"a SETQUOTA u1 (STORAGE 5 )",
        b"a SETQUOTA u1 ( STORAGE 5)",
        b"a SETQUOTA u1 (STORAGE -1)",
        b"a SETQUOTA u1 (STORAGE 5K)",
        b"a SETQUOTA u1 (STORAGE 5 6)",
        b"a SETQUOTA u1 (STORAGE 9223372036854775808)",
        b'a SETQUOTA u1 ("STORAGE" 5)',
        b"a SETQUOTA u1 (STORAGE 5 storage 6)",
        b"a SETQUOTA u1 (STORAGE 5) more",
    ],
)
def test_what_is_malformed_is_refused(text: bytes) -> None:
    with pytest.raises(BadSyntax) as refusal:
        parse(text)
    assert refusal.value.tag == b"a"
    assert refusal.value.code is None


def test_names_and_lists_have_limits() -> None:
    def resources(count: int) -> bytes:
        return b" ".join(b"R%d %d" % (number, number) for number in range(count))

    root, name = b"r" * limits.QUOTA_ROOT, b"n" * limits.QUOTA_RESOURCE
    parse(b"a GETQUOTA " + root)
    parse(b"a SETQUOTA %b (%b 1)" % (root, name))
    parse(b"a SETQUOTA x (%b)" % resources(limits.QUOTA_RESOURCES))
    for text in (
        b"a GETQUOTA r" + root,
        b"a SETQUOTA r%b ()" % root,
        b"a SETQUOTA x (n%b 1)" % name,
        b"a SETQUOTA x (%b)" % resources(limits.QUOTA_RESOURCES + 1),
        b"a GETQUOTAROOT " + b"m" * (limits.MAILBOX_NAME + 1),
    ):
        with pytest.raises(BadSyntax) as refusal:
            parse(text)
        assert refusal.value.code == b"LIMIT"
