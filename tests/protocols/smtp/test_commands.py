"""Lines into commands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.smtp import replies
from protocols.smtp.commands import Command, parse
from protocols.smtp.limits import ADDRESS_LINE, COMMAND_LINE
from protocols.smtp.replies import BadCommand


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (b"noop\r\n", Command(b"NOOP", "")),
        (b"Ehlo me \t\r\n", Command(b"EHLO", "me")),
        (b"MAIL FROM:<a@b>  SIZE=1\r\n", Command(b"MAIL", "FROM:<a@b>  SIZE=1")),
        ("RCPT TO:<ä@b>\r\n".encode(), Command(b"RCPT", "TO:<ä@b>")),
        # A letter that Python's tables do not know yet.
        ("RCPT TO:<\U0001fae9@b>\r\n".encode(), Command(b"RCPT", "TO:<\U0001fae9@b>")),
        (b"\r\n", Command(b"", "")),
        (b"QUIT \r\n", Command(b"QUIT", "")),
        (b"NOOP " + b"x" * (COMMAND_LINE - 5) + b"\r\n", Command(b"NOOP", "x" * (COMMAND_LINE - 5))),
    ],
)
def test_a_line_is_a_verb_and_the_rest(line: bytes, command: Command) -> None:
    assert parse(line) == command


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b"NOOP\n", replies.BAD_LINE),
        (b"NOOP", replies.BAD_LINE),
        (b"NOOP \x00\r\n", replies.BAD_LINE),
        (b"NOOP a\tb\r\n", replies.BAD_LINE),
        (b"NOOP a\rb\r\n", replies.BAD_LINE),
        (b"NOOP \xc3\xa4\r\n", replies.BAD_LINE),
        (b"RCPT TO:<\xff@b>\r\n", replies.BAD_LINE),
        (b"RCPT TO:<\x7f@b>\r\n", replies.BAD_LINE),
        ("RCPT TO:<\x85@b>\r\n".encode(), replies.BAD_LINE),
        (b"NOOP " + b"x" * (COMMAND_LINE - 4) + b"\r\n", replies.LINE_TOO_LONG),
        (b"MAIL " + b"x" * (ADDRESS_LINE - 4) + b"\r\n", replies.LINE_TOO_LONG),
        (b"DATA x\r\n", replies.BAD_ARGUMENTS),
    ],
)
def test_what_is_no_line_of_ours_is_refused(line: bytes, reply: bytes) -> None:
    with pytest.raises(BadCommand) as refused:
        parse(line)
    assert refused.value.reply == reply


@given(st.binary())
def test_any_octets_are_a_command_or_refused(octets: bytes) -> None:
    try:
        command = parse(octets + b"\r\n")
    except BadCommand:
        return
    assert not set(command.argument) & set("\r\n\x00")
