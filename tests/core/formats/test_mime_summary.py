"""What SEARCH, SORT and THREAD compare."""

from datetime import date

from core.formats.mime import Summary, scan
from core.formats.mime.limits import MAX_FIELD
from tests.core.formats.messages import crlf


def summary(text: str) -> Summary:
    return scan(crlf(text)).summary


def test_a_whole_summary() -> None:
    assert summary("""Date: Mon, 13 May 2024 23:30:00 -0100
From: =?utf-8?q?J=C3=BCrgen?= <jürgen@a.example>
To: "Public, Joe" <joe@b.example>, c@d.example
Cc: Friends: e@f.example;
Bcc: g@h.example
Subject: Re: [list] =?utf-8?q?Gr=C3=BC=C3=9Fe?=
Message-ID: <"one"@a.example>
In-Reply-To: <zero@b.example> (earlier)
References: <minus@b.example>
 <zero@b.example>

Hello
""") == Summary(
        subject="Re: [list] Grüße",
        from_="Jürgen <jürgen@a.example>",
        to='"Public, Joe" <joe@b.example>, c@d.example',
        cc="Friends: e@f.example;",
        bcc="g@h.example",
        from_mailbox="jürgen",
        to_mailbox="joe",
        cc_mailbox="Friends",
        from_display="Jürgen",
        to_display="Public, Joe",
        base_subject="Grüße",
        is_reply=True,
        sent_at=1_715_646_600_000_000,
        sent_day=date(2024, 5, 13).toordinal(),
        message_id="one@a.example",
        in_reply_to="zero@b.example",
        references=("minus@b.example", "zero@b.example"),
        preview="Hello",
        clipped=False,
    )


def test_an_empty_message_has_an_empty_summary() -> None:
    empty = summary("")
    absent = {name: getattr(empty, name) for name in Summary.__struct_fields__}
    assert not any(absent.values())
    assert (empty.sent_at, empty.sent_day) == (None, None)


def test_the_display_value_falls_back_as_rfc_5957_says() -> None:
    assert summary("From: a@b\n\n").from_display == "a@b"
    assert summary('From: "" <a@b>\n\n').from_display == "a@b"
    assert summary("From: Group:;\n\n").from_display == "Group"
    assert summary("From: :;\n\n").from_display == ""


def test_repeated_fields_are_all_searched_but_the_first_subject_counts() -> None:
    both = summary("To: a@b\nTo: c@d\nSubject: one\nSubject: two\n\n")
    assert (both.to, both.subject) == ("a@b, c@d", "one")


def test_a_field_beyond_its_limit_is_clipped_and_says_so() -> None:
    addresses = "somebody@some.example, " * (MAX_FIELD // 23 + 10)
    scanned = scan(f"To: {addresses}\n\nx".encode())
    assert scanned.summary.clipped
    assert len(scanned.summary.to) <= MAX_FIELD
    assert b'"some.example")) NIL' in scanned.envelope
    assert b"MISSING" not in scanned.envelope


def test_what_only_the_envelope_says_is_found_too() -> None:
    """RFC 9051 6.4.4: SEARCH FROM looks in the ENVELOPE, which drops blanks, comments and quotes."""
    found = summary('From: "J. \\"X\\" Roe" <a (the first) . b @ (at home) c.example>\n\n')
    assert found.from_.split("\n") == [
        '"J. \\"X\\" Roe" <a (the first) . b @ (at home) c.example>',
        'J. "X" Roe',
        "a.b@c.example",
    ]


def test_plain_addresses_are_kept_once() -> None:
    found = summary("From: Joe <joe@a.example>, x@b.example\n\n")
    assert found.from_ == "Joe <joe@a.example>, x@b.example"
