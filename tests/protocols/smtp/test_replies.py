"""The replies as such."""

import re

import pytest

from core import errors
from core.errors import Busy, OverQuota, Refusal, Unavailable
from protocols.smtp import replies
from protocols.smtp.replies import RefusalReplies, multiline, one_for_all

CONSTANTS = {name: value for name, value in vars(replies).items() if isinstance(value, bytes) and name.isupper()}


@pytest.mark.parametrize("name", CONSTANTS)
def test_every_reply_has_an_enhanced_code_of_its_class(name: str) -> None:
    """RFC 2034 section 4."""
    if name != "START_DATA":
        assert re.fullmatch(rb"([245])\d\d \1\.\d{1,3}\.\d{1,3} [ -~]+\r\n", CONSTANTS[name])
    # RFC 5321 4.5.3.1.5.
    assert len(CONSTANTS[name]) <= 512


def test_a_refusal_is_answered_by_its_nearest_row() -> None:
    class Dismounted(Unavailable): ...

    table = RefusalReplies()
    assert table.at_rcpt(Dismounted("x")) == replies.UNAVAILABLE
    assert table.after_data(Busy("x")) == replies.BUSY
    assert table.after_data(errors.InvalidName("x")) == replies.FAULT


def test_every_refusal_of_the_core_has_a_reply() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Refusal)]
    for table in (RefusalReplies(), RefusalReplies("retry")):
        for kind in kinds:
            for reply in (table.at_rcpt(kind("secret")), table.after_data(kind("secret"))):
                assert b"secret" not in reply
                # A temporary refusal must never bounce mail.
                assert not kind.temporary or replies.is_temporary(reply)


def test_a_full_mailbox_bounces_or_waits_as_was_chosen() -> None:
    """T-7.1."""
    assert RefusalReplies("bounce").at_rcpt(OverQuota("x")).startswith(b"552 5.2.2")
    assert RefusalReplies("retry").after_data(OverQuota("x")).startswith(b"452 4.2.2")


@pytest.mark.parametrize(
    ("answers", "reply"),
    [
        ([replies.DELIVERED], replies.MESSAGE_OK),
        ([replies.MAILBOX_FULL, replies.DELIVERED], replies.MESSAGE_OK),
        ([replies.MAILBOX_FULL, replies.NO_SUCH_RECIPIENT], replies.MAILBOX_FULL),
        ([replies.DELIVERED, replies.MAILBOX_FULL_FOR_NOW], b"451 4.2.2 Mailbox full\r\n"),
        ([replies.MAILBOX_FULL, replies.BUSY], b"451 4.3.1 Too busy now\r\n"),
        ([], replies.NO_VALID_RECIPIENTS),
    ],
)
def test_one_reply_speaks_for_all_recipients(answers: list[bytes], reply: bytes) -> None:
    assert one_for_all(answers) == reply


def test_the_last_line_of_many_has_no_hyphen() -> None:
    assert multiline(250, ["a", "b", "c"]) == b"250-a\r\n250-b\r\n250 c\r\n"
    assert multiline(250, ["a"]) == b"250 a\r\n"
