"""What is kept of folders: how much, and who goes."""

from core.model import FolderId, MailboxId
from protocols.imap.finding.kept import Kept, Key


def key(what: str) -> Key:
    return MailboxId(1), FolderId(1), what


def test_who_was_not_asked_for_longest_goes_first() -> None:
    kept = Kept(100)
    for what in "abc":
        kept.put(key(what), what, 30)
    assert kept.get(key("a")) == "a"
    kept.put(key("d"), "d", 30)
    assert [kept.get(key(what)) for what in "abcd"] == ["a", None, "c", "d"]
    assert kept.octets == 90


def test_a_value_takes_the_place_of_the_one_before_it() -> None:
    kept = Kept(100)
    kept.put(key("a"), 1, 80)
    kept.put(key("a"), 2, 90)
    assert kept.get(key("a")) == 2
    assert kept.octets == 90
    assert kept.get((MailboxId(1), FolderId(2), "a")) is None
    assert kept.get((MailboxId(2), FolderId(1), "a")) is None


def test_what_is_too_large_is_not_kept_and_drives_nothing_out() -> None:
    kept = Kept(100)
    kept.put(key("a"), 1, 60)
    kept.put(key("b"), 1, 20)
    kept.put(key("b"), 2, 101)
    assert [kept.get(key(what)) for what in "ab"] == [1, None]
    assert kept.octets == 60
