"""The parameters of MAIL and RCPT."""

import pytest

from protocols.smtp import replies
from protocols.smtp.parameters import MailParameters, mail_parameters, no_parameters
from protocols.smtp.replies import BadCommand


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", MailParameters()),
        ("SIZE=0", MailParameters(size=0)),
        ("size=99999999999999999999", MailParameters(size=99999999999999999999)),
        ("BODY=7BIT", MailParameters()),
        ("body=8bitmime SMTPUTF8  SIZE=7", MailParameters(7, "8BITMIME", smtputf8=True)),
    ],
)
def test_what_we_announce_is_understood(text: str, expected: MailParameters) -> None:
    assert mail_parameters(text) == expected


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("SIZE", replies.BAD_ARGUMENTS),
        ("SIZE=", replies.BAD_ARGUMENTS),
        ("SIZE=-1", replies.BAD_ARGUMENTS),
        ("SIZE=123456789012345678901", replies.BAD_ARGUMENTS),
        ("SIZE=1 SIZE=1", replies.BAD_ARGUMENTS),
        ("SMTPUTF8=1", replies.BAD_ARGUMENTS),
        ("=1", replies.BAD_ARGUMENTS),
        ("-X=1", replies.BAD_ARGUMENTS),
        ("SIZE==1", replies.BAD_ARGUMENTS),
        ("BODY", replies.UNKNOWN_PARAMETER),
        ("BODY=BINARYMIME", replies.UNKNOWN_PARAMETER),
        ("RET=FULL", replies.UNKNOWN_PARAMETER),
        ("AUTH=<>", replies.UNKNOWN_PARAMETER),
    ],
)
def test_anything_else_has_its_refusal(text: str, reply: bytes) -> None:
    with pytest.raises(BadCommand) as refused:
        mail_parameters(text)
    assert refused.value.reply == reply


def test_recipients_have_no_parameters() -> None:
    no_parameters("")
    with pytest.raises(BadCommand) as refused:
        no_parameters("ORCPT=rfc822;a@b.example")
    assert refused.value.reply == replies.UNKNOWN_PARAMETER
