"""ENVELOPE, as a client gets it."""

from typing import Any

import pytest

from core.formats.mime import scan
from tests.core.formats.imap_reader import check_envelope, read
from tests.core.formats.messages import crlf

RFC_3501 = crlf("""Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)
From: Terry Gray <gray@cac.washington.edu>
Subject: IMAP4rev1 WG mtg summary and minutes
To: imap@cac.washington.edu
cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>
Message-Id: <B27397-0100000@cac.washington.edu>
MIME-Version: 1.0
Content-Type: TEXT/PLAIN; CHARSET=US-ASCII

""")


def test_the_example_of_rfc_3501() -> None:
    assert scan(RFC_3501).envelope == (
        b'("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" "IMAP4rev1 WG mtg summary and minutes"'
        b' (("Terry Gray" NIL "gray" "cac.washington.edu"))'
        b' (("Terry Gray" NIL "gray" "cac.washington.edu"))'
        b' (("Terry Gray" NIL "gray" "cac.washington.edu"))'
        b' ((NIL NIL "imap" "cac.washington.edu"))'
        b' ((NIL NIL "minutes" "CNRI.Reston.VA.US")("John Klensin" NIL "KLENSIN" "MIT.EDU"))'
        b' NIL NIL "<B27397-0100000@cac.washington.edu>")'
    )


def test_without_any_header_all_members_are_nil() -> None:
    assert scan(b"").envelope == b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"


def test_fields_that_are_present_but_empty_are_empty_strings_or_no_addresses() -> None:
    empty = b"Date:\nSubject: \nFrom:\nSender:\nReply-To: \nTo:\nCc:\nBcc:\nIn-Reply-To:\nMessage-ID:\n\n"
    assert scan(empty).envelope == b'("" "" NIL NIL NIL NIL NIL NIL "" "")'


def test_sender_and_reply_to_are_their_own_when_given() -> None:
    envelope = scan(b"From: a@b\nSender: c@d\nReply-To: e@f, g@h\n\n").envelope
    assert b'((NIL NIL "a" "b")) ((NIL NIL "c" "d")) ((NIL NIL "e" "f")(NIL NIL "g" "h"))' in envelope


def test_groups_are_marked_as_imap_marks_them() -> None:
    envelope = scan(b"To: The Group: a@b, Joe <c@d>;\nCc: undisclosed-recipients:;\n\n").envelope
    assert b'((NIL NIL "The Group" NIL)(NIL NIL "a" "b")("Joe" NIL "c" "d")(NIL NIL NIL NIL))' in envelope
    assert b'((NIL NIL "undisclosed-recipients" NIL)(NIL NIL NIL NIL))' in envelope


def test_a_source_route_is_the_at_domain_list() -> None:
    assert b'(("Joe" "@x,@y" "a" "b"))' in scan(b"To: Joe <@x,@y:a@b>\n\n").envelope


def test_repeated_address_fields_are_one_list() -> None:
    assert b'((NIL NIL "a" "b")(NIL NIL "c" "d"))' in scan(b"To: a@b\nTo: c@d\n\n").envelope


def test_quotes_and_backslashes_are_escaped() -> None:
    envelope = scan(rb'Subject: say "hi" \o/' + b"\n\n").envelope
    assert rb'"say \"hi\" \\o/"' in envelope
    check_envelope(read(envelope))


def test_a_folded_subject_is_one_line() -> None:
    assert b' "one two\tthree" ' in scan(b"Subject: one\r\n two\r\n\tthree\r\n\r\n").envelope


def test_encoded_words_stay_as_they_are() -> None:
    scanned = scan(b"Subject: =?utf-8?q?=C3=BC?=\nFrom: =?utf-8?q?=C3=BC?= <a@b>\n\n")
    assert b'"=?utf-8?q?=C3=BC?="' in scanned.envelope
    assert scanned.envelope_utf8 is None


def test_raw_utf8_is_encoded_for_old_clients_and_kept_for_new_ones() -> None:
    scanned = scan("Subject: Grüße an alle\nFrom: Jürgen Müller <jürgen@bücher.example>\n\n".encode())
    assert scanned.envelope.isascii()
    assert b'"=?utf-8?B?R3LDvMOfZQ==?= an alle"' in scanned.envelope
    assert scanned.envelope_utf8 is not None
    assert '"Grüße an alle" (("Jürgen Müller" NIL "jürgen" "bücher.example"))'.encode() in scanned.envelope_utf8


def test_other_8_bit_octets_are_a_literal_for_both() -> None:
    scanned = scan(b"Subject: Gr\xfc\xdfe\n\n")
    assert scanned.envelope == b"(NIL {5}\r\nGr\xfc\xdfe NIL NIL NIL NIL NIL NIL NIL NIL)"
    assert scanned.envelope_utf8 is None


def test_control_characters_make_a_literal_and_nul_is_left_out() -> None:
    assert b" {3}\r\na\rb " in scan(b"Subject: a\r\0b\n\n").envelope


@pytest.mark.parametrize("field", ["Date", "Subject", "From", "To", "Message-ID"])
def test_any_octet_in_any_field_gives_an_envelope_that_can_be_read(field: str) -> None:
    for octet in range(256):
        scanned = scan(field.encode() + b": a" + bytes([octet]) + b"b <c@d>\n\n")
        value: Any = read(scanned.envelope)
        check_envelope(value)
