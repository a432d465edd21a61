"""What SORT and THREAD compare: what is read for it, and how columns grow (RFC 5256)."""

from array import array
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model import FolderId, MailboxId, ranges
from protocols.imap.finding import columns as module
from protocols.imap.finding.columns import MAIL, NOTHING, Column, columns, joined, near, read
from tests.support.imap import TestServer
from tests.support.rows import row

PLACE = (MailboxId(1), FolderId(1))
TEXTS = ["CC", "DISPLAYFROM", "DISPLAYTO", "FROM", "SUBJECT", "TO"]


def inbox(server: TestServer) -> tuple[MailboxId, FolderId]:
    with server.database.read() as tx:
        (folder,) = [folder for folder in tx.folders(MailboxId(1)) if folder.name == "INBOX"]
    return folder.mailbox_id, folder.folder_id


# --- what is read ---


def test_columns_come_from_the_store(server: TestServer) -> None:
    client = server.client()
    client.append("INBOX", b"Subject: Re: two\r\nFrom: a@b\r\n\r\n12345", '"07-Feb-1994 23:52:25 -0800"')
    client.append("INBOX", b"Subject: gone\r\n\r\n")
    client.append("INBOX", b"Subject: one\r\nDate: 1 Jan 2001 00:00:00 +0000\r\n\r\n", '"08-Feb-1994 07:52:26 +0000"')
    client.ok("SELECT INBOX")
    client.ok("STORE 2 +FLAGS (\\Deleted)")
    client.ok("EXPUNGE")
    place = inbox(server)
    with server.database.read() as tx:
        of = read(tx, place, ["SIZE", "ARRIVAL", "DATE", "SUBJECT", MAIL], [1, 2, 3, 4])
        assert {name: list(column.uids) for name, column in of.items()} == {name: [1, 3] for name in of}
        assert list(of["SIZE"].values) == [36, 49]
        assert list(of["ARRIVAL"].values) == [760693945, 760693946]
        assert list(of["DATE"].values) == [760693945, 978307200]
        assert list(of["SUBJECT"].values) == ["TWO", "ONE"]
        assert [(mail.sent, mail.subject, mail.is_reply) for mail in of[MAIL].values] == [
            (760693945, "TWO", True),
            (978307200, "ONE", False),
        ]
        assert list(read(tx, place, ["SUBJECT"], [3])["SUBJECT"].uids) == [3]
        assert read(tx, place, ["SIZE"], [])["SIZE"].uids == array("I")


class OnlyDates:
    """A store that is asked for nothing else."""

    def dates(self, mailbox_id: MailboxId, folder_id: FolderId, low: int, high: int) -> Iterator[tuple[Any, ...]]:
        sent = {3: 9_000_000}
        return ((uid, 100 - uid, uid * 2_500_000, sent.get(uid)) for uid in range(low, high + 1))


def test_numbers_and_dates_need_no_summaries() -> None:
    of = read(OnlyDates(), PLACE, ["ARRIVAL", "DATE", "SIZE"], [2, 3, 50])  # type: ignore[arg-type]
    assert {name: list(column.values) for name, column in of.items()} == {
        "ARRIVAL": [5, 7, 125],  # what no client can see parts no messages: INTERNALDATE is told in seconds
        "DATE": [5, 9, 125],
        "SIZE": [98, 97, 50],
    }


@pytest.mark.parametrize("name", TEXTS)
def test_each_text_is_that_of_its_field_and_folded(name: str) -> None:
    header = "From: F <from@a>\nTo: T <to@a>\nCc: C <cc@a>\nSubject: Re: s"
    expected = {"CC": "CC", "DISPLAYFROM": "F", "DISPLAYTO": "T", "FROM": "FROM", "SUBJECT": "S", "TO": "TO"}
    assert columns([name], [row(1, header)])[name].values == [expected[name]]
    together = columns(TEXTS, [row(1, header)])
    assert together[name].values == [expected[name]]


@given(st.sets(st.integers(1, 500)).map(sorted))
def test_few_ranges_hold_all_that_is_asked_for(uids: list[int]) -> None:
    found = near(uids)
    assert {uid for low, high in found for uid in range(low, high + 1)} >= set(uids)
    assert all(low in uids and high in uids for low, high in found)
    assert all(after[0] - before[1] > module.NEAR for before, after in pairwise(found))
    assert len(found) <= len(ranges(uids))


# --- what is kept ---


def column(uids: Sequence[int], name: str = "SUBJECT") -> Column:
    return columns([name], [row(uid, f"Subject: {uid}\nMessage-ID: <{uid}@x>", size=uid) for uid in uids])[name]


UIDS = st.sets(st.integers(1, 200), max_size=40).map(sorted)


@given(here=UIDS, asked=UIDS)
def test_a_column_knows_what_it_has_and_what_it_lacks(here: list[int], asked: list[int]) -> None:
    of = column(here)
    assert of.lacking(asked) == sorted(set(asked) - set(here))
    both = sorted(set(asked) & set(here))
    assert list(of.of(both)) == [str(uid) for uid in both]
    assert [of.value(uid) for uid in both] == [str(uid) for uid in both]


@given(parts=st.lists(UIDS, max_size=4), name=st.sampled_from(["SUBJECT", "SIZE", MAIL]))
def test_columns_join_to_one_of_all_their_messages(parts: list[list[int]], name: str) -> None:
    every = sorted(set().union(*parts))
    of = joined([NOTHING, *[column(uids, name) for uids in parts]], list, 1000)
    assert list(of.uids) == every
    assert list(of.values) == list(column(every, name).values)
    assert of.octets >= 0


def test_what_has_gone_goes_when_there_is_much_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder through which much mail passes does not grow in memory."""
    monkeypatch.setattr(module, "SPARE_MESSAGES", 3)
    alive = [1, 8, 9, 10]
    of = joined([column(range(1, 9)), column([9])], lambda: alive, len(alive))
    assert list(of.uids) == list(range(1, 10))
    of = joined([column(range(1, 12)), column([12])], lambda: alive, len(alive))
    assert list(of.uids) == alive
    assert list(of.values) == ["1", "8", "9", "10"]
    assert of.octets < column(range(1, 13)).octets


def test_a_text_that_many_messages_have_is_kept_once() -> None:
    same = columns(["FROM"], [row(uid, "From: a-rather-long-address@x") for uid in range(1, 101)])["FROM"]
    assert len({id(value) for value in same.values}) == 1
    assert same.octets < column(range(1, 101)).octets
