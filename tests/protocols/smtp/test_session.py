"""What may be said when, without any socket."""

import pytest

from core.errors import Busy, NoSuchRecipient, OverQuota
from protocols.smtp import replies
from protocols.smtp.envelope import Tls, with_protocol
from protocols.smtp.intake import Intake
from protocols.smtp.limits import Limits
from protocols.smtp.replies import BadCommand, RefusalReplies
from protocols.smtp.session import LMTP, SMTP, Chunk, Dialect, Rules, Session, extensions, parse_chunk
from tests.protocols.smtp.talk import Kept


def session(dialect: Dialect = SMTP, *, trusted: bool = True, limits: Limits | None = None) -> Session[str]:
    new: Session[str] = Session(
        Rules(dialect, "mail.example.org", limits or Limits(), RefusalReplies()), "192.0.2.1", trusted=trusted
    )
    new.hello("me", extended=True)
    return new


def route(address: str, size: int | None) -> str:
    if address.startswith("nobody"):
        raise NoSuchRecipient(address)
    return address.upper()


def refused(mistake: pytest.ExceptionInfo[BadCommand]) -> bytes:
    return mistake.value.reply


def test_a_transaction_becomes_an_envelope() -> None:
    talk = session()
    talk.secured(Tls("TLSv1.3", "some cipher"))
    talk.hello("again", extended=True)
    assert talk.mail("FROM:<a@b.example> SIZE=5") == replies.SENDER_OK
    assert talk.rcpt("TO:<nobody@example.org>", route) == replies.NO_SUCH_RECIPIENT
    assert talk.rcpt("TO:<anna@example.org>", route) == replies.RECIPIENT_OK
    talk.data()
    envelope = talk.end()
    assert envelope.recipients[0].target == "ANNA@EXAMPLE.ORG"
    assert envelope.client.helo == "again"
    assert envelope.protocol == "ESMTPS"
    assert talk.transaction is None
    with pytest.raises(BadCommand) as mistake:
        talk.end()
    assert refused(mistake) == replies.NEED_MAIL


def test_tls_forgets_who_spoke_before() -> None:
    talk = session()
    talk.mail("FROM:<>")
    talk.secured(Tls("TLSv1.3", "some cipher"))
    with pytest.raises(BadCommand) as mistake:
        talk.mail("FROM:<>")
    assert refused(mistake) == replies.SAY_HELLO


def test_strangers_may_not_send() -> None:
    with pytest.raises(BadCommand) as mistake:
        session(trusted=False).mail("FROM:<>")
    assert refused(mistake) == replies.UNTRUSTED


@pytest.mark.parametrize(
    ("dialect", "named", "reply"),
    [
        (SMTP, False, replies.NEED_RCPT),
        (SMTP, True, replies.NO_VALID_RECIPIENTS),
        (LMTP, False, replies.NEED_RCPT),
        (LMTP, True, replies.NEED_RCPT),
    ],
)
def test_data_needs_somebody(dialect: Dialect, named: bool, reply: bytes) -> None:
    talk = session(dialect)
    talk.mail("FROM:<>")
    if named:
        talk.rcpt("TO:<nobody@example.org>", route)
    with pytest.raises(BadCommand) as mistake:
        talk.data()
    assert refused(mistake) == reply
    intake = talk.bdat(Kept)
    assert (intake.failure, intake.spool) == (reply, None)


def test_a_chunk_after_a_refused_one_is_refused_even_if_it_would_be_taken_now() -> None:
    talk = session()
    talk.mail("FROM:<>")
    talk.bdat(Kept)
    with pytest.raises(BadCommand) as mistake:
        talk.rcpt("TO:<anna@example.org>", route)
    assert refused(mistake) == replies.LATE_RECIPIENT
    assert talk.bdat(Kept).failure == replies.NEED_RCPT


def test_no_room_for_a_message_is_the_messages_failure() -> None:
    def no_room() -> Kept:
        raise Busy("x")

    assert session().new_intake(no_room).failure == replies.BUSY


def test_rset_lets_go_of_the_chunks() -> None:
    talk = session()
    talk.mail("FROM:<>")
    talk.rcpt("TO:<anna@example.org>", route)
    spool = Kept()
    talk.bdat(lambda: spool)
    talk.reset()
    talk.reset()
    assert spool.discarded
    assert talk.transaction is None


@pytest.mark.parametrize(
    ("argument", "chunk"),
    [
        ("0", Chunk(0, False)),
        ("12 LAST", Chunk(12, True)),
        ("12  last", Chunk(12, True)),
        ("9" * 20, Chunk(10**20 - 1, False)),
    ],
)
def test_a_chunk_is_announced(argument: str, chunk: Chunk) -> None:
    assert parse_chunk(argument) == chunk


@pytest.mark.parametrize("argument", ["", "x", "-1", "1 FIRST", "1LAST", "LAST", "9" * 21, "1 LAST 2", "\u0661"])
def test_what_announces_no_chunk_is_refused(argument: str) -> None:
    with pytest.raises(BadCommand) as mistake:
        parse_chunk(argument)
    assert refused(mistake) == replies.BAD_ARGUMENTS


def test_the_extensions_are_those_we_have() -> None:
    assert extensions(7, starttls=True)[-1] == "STARTTLS"
    announced = {line.split()[0] for line in extensions(7, starttls=False)}
    assert announced == {"PIPELINING", "SIZE", "8BITMIME", "SMTPUTF8", "CHUNKING", "ENHANCEDSTATUSCODES"}


@pytest.mark.parametrize(
    ("name", "extended", "tls", "smtputf8", "word"),
    [
        ("SMTP", False, False, False, "SMTP"),
        ("SMTP", True, False, False, "ESMTP"),
        ("SMTP", True, True, False, "ESMTPS"),
        ("SMTP", True, False, True, "UTF8SMTP"),
        ("SMTP", True, True, True, "UTF8SMTPS"),
        ("LMTP", True, False, False, "LMTP"),
        ("LMTP", True, True, False, "LMTPS"),
        ("LMTP", True, True, True, "UTF8LMTPS"),
    ],
)
def test_received_says_how_it_came(name: str, extended: bool, tls: bool, smtputf8: bool, word: str) -> None:
    assert with_protocol(name, extended=extended, tls=tls, smtputf8=smtputf8) == word


def test_an_intake_keeps_nothing_after_its_first_failure() -> None:
    spool = Kept()
    intake = Intake(spool, limit=4)
    intake.take(intake.chunks.feed(b"ab"), intake.chunks)
    intake.take(intake.chunks.feed(b"cde"), intake.chunks)
    assert intake.failure == replies.TOO_LARGE
    assert spool.discarded
    intake.take(intake.chunks.feed(b"\n"), intake.chunks)
    assert intake.failure == replies.TOO_LARGE
    intake.end_of_chunks()
    assert spool.chunks == [b"ab"]
    assert not intake.overruns(6)
    assert intake.overruns(7)


@pytest.mark.parametrize("argument", ["FROM:", "FROM:<\xe4@b.example>", "FROM:<> X=1"])
def test_a_bad_sender_is_a_mistake_and_its_recipients_are_not(argument: str) -> None:
    talk = session()
    with pytest.raises(BadCommand) as mistake:
        talk.mail(argument)
    assert mistake.value.counts
    with pytest.raises(BadCommand) as consequence:
        talk.rcpt("TO:<anna@example.org>", route)
    assert refused(consequence) == replies.NEED_MAIL
    assert not consequence.value.counts
    talk.reset()
    with pytest.raises(BadCommand) as mistake:
        talk.data()
    assert mistake.value.counts


@pytest.mark.parametrize(
    ("argument", "reply"),
    [
        ("TO:<>", replies.BAD_RECIPIENT),
        ("TO:<\xe4@b.example>", replies.NON_ASCII_RECIPIENT),
        ("TO:<a@b.example> X=1", replies.UNKNOWN_PARAMETER),
    ],
)
def test_a_bad_recipient_is_refused_before_the_store_is_asked(argument: str, reply: bytes) -> None:
    def never(address: str, size: int | None) -> str:
        raise AssertionError(address)

    talk = session()
    talk.mail("FROM:<>")
    with pytest.raises(BadCommand) as mistake:
        talk.rcpt(argument, never)
    assert refused(mistake) == reply


def test_hello_comes_first_transactions_do_not_nest_and_limits_hold() -> None:
    """T-7.9."""
    talk = session(limits=Limits(message_size=10, recipients=1))
    assert talk.mail("FROM:<> SIZE=11") == replies.TOO_LARGE
    talk.mail("FROM:<> SIZE=10")
    with pytest.raises(BadCommand) as mistake:
        talk.mail("FROM:<>")
    assert refused(mistake) == replies.NESTED_MAIL
    assert talk.rcpt("TO:<anna@example.org>", route) == replies.RECIPIENT_OK
    assert talk.rcpt("TO:<bernd@example.org>", route) == replies.TOO_MANY_RECIPIENTS
    with pytest.raises(BadCommand) as mistake:
        talk.hello("two words", extended=True)
    assert refused(mistake) == replies.BAD_ARGUMENTS


def test_data_after_a_chunk_fails_both() -> None:
    talk = session()
    talk.mail("FROM:<>")
    talk.rcpt("TO:<anna@example.org>", route)
    spool = Kept()
    intake = talk.bdat(lambda: spool)
    with pytest.raises(BadCommand) as mistake:
        talk.data()
    assert refused(mistake) == intake.failure == replies.MIXED_DATA
    assert spool.discarded


@pytest.mark.parametrize(
    ("dialect", "answer"),
    [
        (SMTP, replies.MESSAGE_OK),
        (LMTP, replies.DELIVERED + replies.MAILBOX_FULL),
    ],
)
def test_lmtp_answers_for_each_and_smtp_for_all(dialect: Dialect, answer: bytes) -> None:
    """T-7.1."""
    talk = session(dialect)
    assert talk.answer(talk.outcomes([None, OverQuota("x")])) == answer


def test_a_bare_cr_at_the_very_end_of_the_chunks_is_seen() -> None:
    spool = Kept()
    intake = Intake(spool, limit=10)
    intake.take(intake.chunks.feed(b"a\r"), intake.chunks)
    assert intake.failure is None
    intake.end_of_chunks()
    assert intake.failure == replies.BARE_LINE_END
    assert spool.discarded
