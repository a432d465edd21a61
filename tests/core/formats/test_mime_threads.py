"""Base subjects and message ids (RFC 5256)."""

import pytest

from core.formats.mime import base_subject, message_ids
from core.formats.mime.limits import MAX_REFERENCES
from core.formats.mime.threads import references


@pytest.mark.parametrize(
    ("subject", "base", "is_reply"),
    [
        ("", "", False),
        ("Hello", "Hello", False),
        ("  Hello \t world ", "Hello world", False),
        ("Re: Hello", "Hello", True),
        ("re:Hello", "Hello", True),
        ("RE : Hello", "Hello", True),
        ("Fw: Hello", "Hello", True),
        ("Fwd: Re: fW: Hello", "Hello", True),
        ("Re[2]: Hello", "Hello", True),
        ("Re [2] : Hello", "Hello", True),
        ("[list] Hello", "Hello", False),
        ("[list] Re: Hello", "Hello", True),
        ("Re: [list] Hello", "Hello", True),
        ("Re: [list] Re: [other] [x] Hello", "Hello", True),
        ("[list] [other] Hello", "Hello", False),
        ("[list]", "[list]", False),
        ("[a] [b]", "[b]", False),
        ("Re: [list]", "[list]", True),
        ("Re: [a][b]", "[b]", True),
        ("Re:", "", True),
        ("Hello (fwd)", "Hello", True),
        ("Hello (FWD) (fwd) ", "Hello", True),
        ("(fwd)", "", True),
        ("[fwd: Hello]", "Hello", True),
        ("[Fwd: Re: [x] Hello (fwd)]", "Hello", True),
        ("Re: [fwd: [fwd: Hello]]", "Hello", True),
        ("[fwd: Hello", "[fwd: Hello", False),
        ("[fwd:]", "", True),
        ("Rex: Hello", "Rex: Hello", False),
        ("Report: Hello", "Report: Hello", False),
        ("Re Hello", "Re Hello", False),
        ("[x]y] Hello", "y] Hello", False),
        ("Hello [list]", "Hello [list]", False),
    ],
)
def test_the_base_subject_is_what_rfc_5256_leaves(subject: str, base: str, is_reply: bool) -> None:
    assert base_subject(subject) == (base, is_reply)


def test_message_ids_are_normalised() -> None:
    assert message_ids(b'<"01KF8JCEOCBS0045PS"@xxx.yyy.com>') == ("01KF8JCEOCBS0045PS@xxx.yyy.com",)
    assert message_ids(rb'<"a\"b"@c> < d@e >') == ('a"b@c', "d@e")
    assert message_ids(b"<[1]@x>") == ("[1]@x",)


def test_odd_message_ids_are_read_all_the_same() -> None:
    """RFC 5322 A.5, its example; and what answers to such mails repeat."""
    assert message_ids(b"<1234   @   local(blah)  .machine .example>") == ("1234@local.machine.example",)
    assert message_ids(b"<a@b (x)> <c@d@e> <f g@h>") == ("a@b", "c@d@e", "fg@h")


def test_what_has_no_right_side_is_no_message_id() -> None:
    assert message_ids(b"<abc> foo@bar <a@b> junk <@x> <y@> <> <<c@d>") == ("a@b", "c@d")
    assert message_ids(b"no brackets") == ()


def test_an_endless_message_id_is_none() -> None:
    assert message_ids(b"<" + b"a" * 998 + b"@b>") == ()


def test_references_come_from_references_or_else_from_in_reply_to() -> None:
    assert references(b"<a@b> <c@d>", ("e@f",)) == ("a@b", "c@d")
    assert references(b"junk", ("e@f", "g@h")) == ("e@f",)
    assert references(b"", ()) == ()


def test_of_endless_references_the_root_and_the_nearest_are_kept() -> None:
    raw = b"".join(b"<%d@x>" % number for number in range(MAX_REFERENCES * 2))
    kept = references(raw, ())
    assert len(kept) == MAX_REFERENCES
    assert (kept[0], kept[1], kept[-1]) == ("0@x", f"{MAX_REFERENCES + 1}@x", f"{MAX_REFERENCES * 2 - 1}@x")
