"""RFC 5465: a client hears of what it wants without asking."""

import re

import pytest

from core.changes import FolderChange
from core.model import FolderId, MailboxId, ModSeq
from core.rights import Grant, mask
from protocols.imap.work import Read, Work
from tests.support.imap import MESSAGE, Client, TestServer, account, room, second, untagged

READER = Grant(account(2).user, mask("lr"))


def listener(server: TestServer, groups: str, *, user: str = "u1", select: str = "", enable: str = "") -> Client:
    """A client that has said NOTIFY SET, and been told what it is told then."""
    client = server.client(user)
    client.ok(f"ENABLE IMAP4rev2 {enable}".rstrip())
    if select:
        client.ok(f"SELECT {select}")
    client.ok(f"NOTIFY SET {groups}")
    return client


def heard(client: Client) -> list[bytes]:
    return untagged(client.heard() + client.turn())


# ---------------------------------------------------------------------------------------------- the command


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "SET",
        "SET ()",
        "NONE (selected NONE)",
        "SET (selected (MessageNew))",
        "SET (selected (MessageExpunge))",
        "SET (selected (FlagChange))",
        "SET (personal (MessageNew FlagChange))",
        "SET (selected (MailboxName))",
        "SET (selected NONE) (selected-delayed NONE)",
        "SET (personal (MessageNew (uid) MessageExpunge))",
        "SET (mailboxes (MailboxName))",
        "SET (subtree-one a (MailboxName))",
        "SET (everything (MailboxName))",
        "SET (personal MailboxName)",
        "SET (personal (MailboxName)) x",
    ],
)
def test_what_is_no_notify_is_bad(server: TestServer, arguments: str) -> None:
    """RFC 5465 5, 6.1, 8."""
    server.client().bad(f"NOTIFY {arguments}".rstrip())


def test_events_that_are_not_known_are_refused_with_those_that_are(server: TestServer) -> None:
    """RFC 5465 3.1, BADEVENT."""
    client = server.client()
    answer = client.says("NOTIFY SET (personal (MailboxName AnnotationFoo))")
    assert b" NO [BADEVENT (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange " in answer
    assert b"MailboxMetadataChange ServerMetadataChange)]" in answer
    client.says("NOTIFY SET (selected (MessageNew MessageExpunge AnnotationChange))")


def test_too_many_folders_are_refused(server: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("protocols.imap.limits.NOTIFY_FOLDERS", 3)
    client = server.client()
    client.no("NOTIFY SET (personal (MailboxName))", "NOTIFICATIONOVERFLOW")
    client.ok("NOTIFY SET (inboxes (MailboxName))")


def test_status_tells_where_one_begins(server: TestServer) -> None:
    """RFC 5465 3.1: of each folder but the selected one, before the tagged OK."""
    server.deliver(MESSAGE)
    client = server.client(select="Drafts")
    client.ok("ENABLE IMAP4rev2")
    new = client.ok("NOTIFY SET STATUS (personal (MessageNew MessageExpunge)) (selected (MessageNew MessageExpunge))")
    assert b'* STATUS "INBOX" (UIDNEXT 2 MESSAGES 1 UIDVALIDITY 1700000000)\r\n' in new
    assert new.count(b"* STATUS") == 3
    assert b"Drafts" not in new
    flags = client.ok("notify set status (mailboxes INBOX (messagenew messageexpunge flagchange))")
    assert re.search(rb"UNSEEN 1 HIGHESTMODSEQ \d+\)", flags)
    assert b"STATUS" not in client.ok("NOTIFY SET (personal (MailboxName))")


# ---------------------------------------------------------------------------------------------- other folders


def test_one_connection_serves_many_folders(server: TestServer) -> None:
    """What happens in any of fifty folders is told at once, and once however much happens in between."""
    maker = server.client()
    for number in range(50):
        maker.ok(f"CREATE f{number}")
    client = listener(server, "(personal (MessageNew MessageExpunge FlagChange))", select="INBOX")
    for number in (3, 7, 7, 49):
        maker.append(f"f{number}", MESSAGE)
    assert heard(client) == [
        b'* STATUS "f3" (UIDNEXT 2 MESSAGES 1)',
        b'* STATUS "f7" (UIDNEXT 3 MESSAGES 2)',
        b'* STATUS "f49" (UIDNEXT 2 MESSAGES 1)',
    ]
    maker.ok("SELECT f7")
    maker.ok("STORE 1 +FLAGS (\\Seen \\Deleted)")
    assert heard(client) == [b'* STATUS "f7" (UIDVALIDITY 1700000011 UNSEEN 1)']
    maker.ok("EXPUNGE")
    assert heard(client) == [b'* STATUS "f7" (UIDNEXT 3 MESSAGES 1)']


def test_modseqs_are_told_to_who_keeps_them(server: TestServer) -> None:
    """RFC 5465 5.1-5.3."""
    client = listener(server, "(mailboxes (INBOX Sent) (MessageNew MessageExpunge FlagChange))", enable="CONDSTORE")
    server.deliver(MESSAGE)
    assert heard(client) == [b'* STATUS "INBOX" (UIDNEXT 2 MESSAGES 1 HIGHESTMODSEQ 2)']
    server.client(select="INBOX").ok("STORE 1 +FLAGS (\\Flagged)")
    assert heard(client) == [b'* STATUS "INBOX" (UIDVALIDITY 1700000000 UNSEEN 1 HIGHESTMODSEQ 3)']


def test_only_what_was_asked_for_is_told(server: TestServer) -> None:
    client = listener(server, "(mailboxes Sent (MessageNew MessageExpunge)) (inboxes NONE)", select="Drafts")
    server.deliver(MESSAGE)
    server.client().append("Sent", MESSAGE)
    assert heard(client) == [b'* STATUS "Sent" (UIDNEXT 2 MESSAGES 1)']
    server.client(select="Sent").ok("STORE 1 +FLAGS (\\Seen)")
    assert heard(client) == []
    client.ok("NOTIFY NONE")
    server.client().append("Sent", MESSAGE)
    assert heard(client) == []
    assert untagged(client.ok("NOOP")) == []


def test_what_the_client_does_itself_is_not_told(server: TestServer) -> None:
    """RFC 5465 5; what others do meanwhile in the same folder is."""
    server.deliver(MESSAGE)
    groups = "(personal (MessageNew MessageExpunge MailboxName SubscriptionChange MailboxMetadataChange))"
    client = listener(server, f"(selected (MessageNew (uid) MessageExpunge)) {groups}", select="INBOX")
    told = client.ok("COPY 1 Sent") + client.append("Drafts", MESSAGE) + client.ok("CREATE a/b") + client.turn()
    told += client.ok("RENAME a c") + client.ok("SUBSCRIBE c") + client.ok('SETMETADATA c (/private/comment "x")')
    told += client.ok("UID MOVE 1 Trash") + client.append("INBOX", MESSAGE) + client.ok("DELETE c/b") + client.turn()
    assert b"* STATUS" not in told
    assert b"* LIST" not in told
    assert b"* METADATA" not in told
    assert b" FETCH (UID" not in told
    assert b"EXISTS" in told
    server.client().append("Sent", MESSAGE)
    assert heard(client) == [b'* STATUS "Sent" (UIDNEXT 3 MESSAGES 2)']


def test_folders_of_others_are_watched_as_far_as_rights_go(server: TestServer) -> None:
    r"""RFC 5465 3.1, 5, 5.9: \NoAccess for what may be known of but not read; watched again when it may be."""
    server.share("INBOX", Grant(account(2).user, mask("l")))
    server.share("Sent", READER)
    names = '"Other Users/u1/INBOX" "Other Users/u1/Sent" "Other Users/u1/Drafts" nowhere'
    client = server.client("u2")
    answer = client.ok(f"NOTIFY SET STATUS (mailboxes ({names}) (MessageNew MessageExpunge))")
    assert [line for line in untagged(answer) if b"LIST" in line] == [b'* LIST (\\NoAccess) "/" "Other Users/u1/INBOX"']
    assert answer.count(b"* STATUS") == 1
    server.deliver(MESSAGE)
    assert heard(client) == []
    server.share("INBOX", READER)
    server.deliver(MESSAGE)
    assert heard(client) == [b'* STATUS "Other Users/u1/INBOX" (UIDNEXT 3 MESSAGES 2)']
    server.share("INBOX", Grant(account(2).user, mask("l")))
    assert heard(client) == [b'* LIST (\\NoAccess) "/" "Other Users/u1/INBOX"']
    server.deliver(MESSAGE)
    assert heard(client) == []


def test_a_readers_own_marks_are_told_to_his_other_connections(server: TestServer) -> None:
    server.make_public("board", Grant(account(1).user, mask("lrsi")), Grant(account(2).user, mask("lrsi")))
    server.client().append('"Public Folders/board"', MESSAGE)
    group = '(subtree "Public Folders" (MessageNew MessageExpunge FlagChange))'
    one, other = listener(server, group), listener(server, group, user="u2")
    server.client(select='"Public Folders/board"').ok("STORE 1 +FLAGS (\\Seen)")
    assert heard(one) == [b'* STATUS "Public Folders/board" (UIDVALIDITY 1700000000 UNSEEN 0)']
    assert heard(other) == []


# ---------------------------------------------------------------------------------------------- the selected folder


def test_new_messages_are_told_with_what_was_asked_for(server: TestServer) -> None:
    """RFC 5465 5.1-5.3: EXISTS, then the items; flags with the UID, and expunges, at once too."""
    items = "uid flags body.peek[header.fields (subject)]"
    client = listener(server, f"(selected (MessageNew ({items}) MessageExpunge FlagChange))", select="INBOX")
    server.deliver(b"Subject: s\r\n\r\nx")
    assert heard(client) == [
        b"* 1 EXISTS",
        b"* 1 FETCH (UID 1 FLAGS () BODY[HEADER.FIELDS (SUBJECT)] {14}",
    ]
    other = server.client(select="INBOX")
    other.ok("STORE 1 +FLAGS (\\Deleted)")
    assert heard(client) == [b"* 1 FETCH (UID 1 FLAGS (\\Deleted))"]
    other.ok("EXPUNGE")
    assert heard(client) == [b"* 1 EXPUNGE"]


def test_expunges_wait_for_who_counts_messages(server: TestServer) -> None:
    """RFC 5465 6.1.2, SELECTED-DELAYED."""
    server.deliver(MESSAGE)
    server.deliver(MESSAGE)
    client = listener(server, "(selected-delayed (MessageNew (uid) MessageExpunge FlagChange))", select="INBOX")
    other = server.client(select="INBOX")
    other.ok("STORE 1 +FLAGS (\\Deleted)")
    other.ok("EXPUNGE")
    server.deliver(MESSAGE)
    assert heard(client) == [b"* 1 FETCH (UID 1 FLAGS (\\Deleted))", b"* 3 EXISTS", b"* 3 FETCH (UID 3)"]
    assert b"EXPUNGE" not in client.ok("FETCH 2 (UID)")
    assert untagged(client.ok("NOOP")) == [b"* 1 EXPUNGE"]


def test_what_is_not_wanted_of_the_selected_folder_is_not_told(server: TestServer) -> None:
    """RFC 5465 3.1: neither at once nor by a command; NOTIFY SET then tells all that has accumulated."""
    for _ in range(3):
        server.deliver(MESSAGE)
    client = listener(server, "(personal (MailboxName))", select="INBOX", enable="QRESYNC")
    before = client.session.selected.modseq  # type: ignore[union-attr]
    other = server.client(select="INBOX")
    other.ok("STORE 1 +FLAGS (\\Deleted)")
    other.ok("STORE 2 +FLAGS (\\Flagged)")
    other.ok("EXPUNGE")
    server.deliver(MESSAGE)
    assert heard(client) == []
    assert untagged(client.ok("NOOP")) == [b"* OK [HIGHESTMODSEQ %d] Up to here" % before]
    assert b"\\Flagged" in client.ok("UID FETCH 2 (FLAGS)")
    answer = client.ok("NOTIFY SET (selected (MessageNew MessageExpunge FlagChange))")
    assert b"* VANISHED 1\r\n" in answer
    assert b"* 3 EXISTS\r\n" in answer
    assert b"FETCH (UID 2 FLAGS (\\Flagged)" in answer
    assert client.session.selected.modseq > before  # type: ignore[union-attr]


def test_notify_none_is_kept_over_select_and_idle(server: TestServer) -> None:
    """RFC 5465 3.1, 4."""
    client = server.client()
    client.ok("ENABLE IMAP4rev2")
    client.ok("NOTIFY NONE")
    client.ok("SELECT INBOX")
    client.says("IDLE")
    server.deliver(MESSAGE)
    assert client.heard() == b""
    client.send(b"DONE\r\n")
    assert untagged(client.ok("NOOP")) == []
    assert b"[UIDNEXT 2]" in client.ok("SELECT INBOX")


def test_idle_tells_what_notify_asked_for(server: TestServer) -> None:
    """RFC 5465 4: of other folders too, and expunges that waited."""
    server.deliver(MESSAGE)
    groups = "(selected-delayed (MessageNew MessageExpunge)) (mailboxes Sent (MessageNew MessageExpunge))"
    client = listener(server, groups, select="INBOX")
    client.says("IDLE")
    other = server.client(select="INBOX")
    other.ok("STORE 1 +FLAGS (\\Deleted)")
    other.ok("EXPUNGE")
    other.append("Sent", MESSAGE)
    assert heard(client) == [b"* 1 EXPUNGE", b'* STATUS "Sent" (UIDNEXT 2 MESSAGES 1)']
    assert b"OK" in client.send(b"DONE\r\n")


def test_search_results_are_kept_up_to_date_beside_it(server: TestServer) -> None:
    client = listener(server, "(selected (MessageNew (uid) MessageExpunge FlagChange))", select="INBOX")
    client.ok("UID SEARCH RETURN (UPDATE) SUBJECT s")
    server.deliver(b"Subject: s\r\n\r\nx")
    told = heard(client)
    assert told[0] == b"* 1 EXISTS"
    assert any(b"ADDTO (0 1)" in line for line in told)
    assert b"* 1 FETCH (UID 1)" in told


# ---------------------------------------------------------------------------------------------- names


def test_folders_made_renamed_and_deleted_are_told(server: TestServer) -> None:
    r"""RFC 5465 5.4: with the folder right above; of a renamed one OLDNAME, and nothing of those below it."""
    client = listener(server, "(personal (MailboxName))")
    other = server.client()
    other.ok("CREATE a")
    assert heard(client) == [b'* LIST (\\HasNoChildren) "/" "a"']
    other.ok("CREATE a/b")
    assert heard(client) == [b'* LIST (\\HasNoChildren) "/" "a/b"', b'* LIST (\\HasChildren) "/" "a"']
    other.ok("RENAME a c")
    assert heard(client) == [b'* LIST (\\HasChildren) "/" "c" ("OLDNAME" (a))']
    other.ok("DELETE c")
    assert heard(client) == [b'* LIST (\\Noselect \\NonExistent \\HasChildren) "/" "c"']
    other.ok("DELETE c/b")
    assert heard(client) == [
        b'* LIST (\\NonExistent \\HasNoChildren) "/" "c"',
        b'* LIST (\\NonExistent \\HasNoChildren) "/" "c/b"',
    ]


def test_a_renamed_inbox_is_told_by_its_new_name_only(server: TestServer) -> None:
    """RFC 5465 5.4."""
    client = listener(server, "(personal (MailboxName))")
    server.client().ok("RENAME INBOX old")
    assert heard(client) == [b'* LIST (\\HasNoChildren) "/" "old" ("OLDNAME" (INBOX))']


def test_subscriptions_are_told(server: TestServer) -> None:
    r"""RFC 5465 5.5: \Subscribed if and only if it is; also of names that mean no folder."""
    client = listener(server, "(personal (SubscriptionChange))")
    other = server.client()
    other.ok("UNSUBSCRIBE Sent")
    assert heard(client) == [b'* LIST (\\HasNoChildren \\Sent) "/" "Sent"']
    other.ok("SUBSCRIBE nowhere")
    assert heard(client) == [b'* LIST (\\NonExistent \\Subscribed \\HasNoChildren) "/" "nowhere"']
    other.ok("CREATE x")
    assert heard(client) == []


def test_the_list_of_subscribed_folders_is_looked_at_again(server: TestServer) -> None:
    """RFC 5465 6.4."""
    server.client().ok("UNSUBSCRIBE Sent")
    client = listener(server, "(subscribed (MessageNew MessageExpunge))")
    other = server.client()
    other.append("Sent", MESSAGE)
    assert heard(client) == []
    other.ok("SUBSCRIBE Sent")
    other.append("Sent", MESSAGE)
    assert heard(client) == [b'* STATUS "Sent" (UIDNEXT 3 MESSAGES 2)']


def test_rights_given_and_taken_are_folders_made_and_deleted(server: TestServer) -> None:
    """RFC 5465 5.4."""
    client = listener(server, '(subtree "Other Users" (MailboxName))', user="u2")
    server.share("INBOX", READER)
    told = heard(client)
    assert b'* LIST (\\HasNoChildren) "/" "Other Users/u1/INBOX"' in told
    server.share("INBOX", Grant(account(2).user, 0))
    assert b'* LIST (\\NonExistent \\HasNoChildren) "/" "Other Users/u1/INBOX"' in heard(client)


def test_another_folder_of_the_same_name_is_told_by_its_uidvalidity(server: TestServer) -> None:
    """RFC 5465 5.1."""
    client = listener(server, "(mailboxes a (MessageNew MessageExpunge FlagChange))")
    other = server.client()
    other.ok("CREATE a")
    assert heard(client) == []
    other.ok("DELETE a")
    other.ok("CREATE a")
    (line,) = heard(client)
    assert re.fullmatch(rb'\* STATUS "a" \(UIDVALIDITY \d+ UNSEEN 0\)', line)


# ---------------------------------------------------------------------------------------------- annotations, overflow


def test_changes_of_annotations_are_told_by_name(server: TestServer) -> None:
    """RFC 5465 5.6, 5.7; nobody hears of private ones of others."""
    client = listener(server, "(personal (MailboxMetadataChange ServerMetadataChange))")
    other = server.client()
    other.ok('SETMETADATA INBOX (/shared/comment "x" /private/comment "y")')
    assert heard(client) == [b'* METADATA "INBOX" /private/comment /shared/comment']
    other.ok("SETMETADATA INBOX (/shared/comment NIL)")
    other.ok('SETMETADATA "" (/private/comment "z")')
    assert heard(client) == [b'* METADATA "INBOX" /shared/comment', b'* METADATA "" /private/comment']
    server.share("INBOX", Grant(account(2).user, mask("lr")))
    heard(client)
    server.client("u2").ok('SETMETADATA "Other Users/u1/INBOX" (/private/comment "mine")')
    assert heard(client) == []


def test_who_lets_too_much_wait_is_told_so_and_hears_no_more(
    server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 5465 5.8."""
    monkeypatch.setattr("protocols.imap.limits.NOTIFY_PENDING", 2)
    client = listener(server, "(personal (MailboxMetadataChange MessageNew MessageExpunge))")
    other = server.client()
    other.ok('SETMETADATA INBOX (/private/a "x" /private/b "x" /private/c "x")')
    assert heard(client) == [b"* OK [NOTIFICATIONOVERFLOW] Too much has happened; ask again if you want to hear more"]
    other.append("Sent", MESSAGE)
    assert heard(client) == []
    client.ok("NOTIFY SET (personal (MessageNew MessageExpunge))")
    other.append("Sent", MESSAGE)
    assert heard(client) == [b'* STATUS "Sent" (UIDNEXT 3 MESSAGES 2)']


def test_nothing_is_kept_of_a_session_that_has_left(server: TestServer) -> None:
    client = listener(server, "(personal (MessageNew MessageExpunge))")
    client.leave()
    other = listener(server, "(personal (MessageNew MessageExpunge))")
    other.ok("UNAUTHENTICATE")
    assert server.views.following._all == set()
    assert server.views.following._of == {}


def test_what_joins_a_search_result_is_told_with_what_was_asked_for(server: TestServer) -> None:
    """RFC 5465 7: EXISTS, FETCH, ESEARCH; only of messages that come, and not of one's own."""
    server.deliver(b"Subject: other\r\n\r\nx")
    client = server.client()
    client.ok("ENABLE IMAP4rev2")
    client.ok("SELECT INBOX")
    client.ok("UID SEARCH RETURN (UPDATE (uid body.peek[header.fields (subject)])) OR SUBJECT boss FLAGGED")
    client.says("IDLE")
    server.deliver(b"Subject: boss\r\n\r\nx")
    server.deliver(b"Subject: nobody\r\n\r\nx")
    assert heard(client) == [
        b"* 2 EXISTS",
        b"* 3 EXISTS",
        b"* 2 FETCH (UID 2 BODY[HEADER.FIELDS (SUBJECT)] {17}",
        b'* ESEARCH (TAG "a4") UID ADDTO (0 2)',
    ]
    server.client(select="INBOX").ok("STORE 1 +FLAGS (\\Flagged)")
    told = heard(client)
    assert told[-1] == b'* ESEARCH (TAG "a4") UID ADDTO (0 1)'
    assert len(told) == 2
    client.send(b"DONE\r\n")
    told = untagged(client.append("INBOX", b"Subject: boss\r\n\r\nx"))
    assert told == [b"* 4 EXISTS", b'* ESEARCH (TAG "a4") UID ADDTO (0 4)']


def test_what_two_asked_for_is_told_once(server: TestServer) -> None:
    """RFC 5465 5.2."""
    client = listener(server, "(selected (MessageNew (uid) MessageExpunge))", select="INBOX")
    client.ok("UID SEARCH RETURN (UPDATE (flags)) ALL")
    server.deliver(MESSAGE)
    assert [line for line in heard(client) if b"FETCH" in line] == [b"* 1 FETCH (UID 1 FLAGS ())"]


# ---------------------------------------------------------------------------------------------- in the midst of it


@pytest.mark.parametrize("mode", ["selected", "selected-delayed"])
def test_numbers_mean_what_they_meant_while_messages_are_told(server: TestServer, mode: str) -> None:
    """What is read for a FETCH has the numbers of then: an EXPUNGE in IDLE waits until it is told."""
    for _ in range(3):
        server.deliver(MESSAGE)
    client = listener(server, f"({mode} (MessageNew (uid envelope) MessageExpunge))", select="INBOX")
    client.says("IDLE")
    server.deliver(MESSAGE)
    work = client.session.next_work()
    assert isinstance(work, Read)
    other = server.client(select="INBOX")
    other.ok("STORE 1 +FLAGS (\\Deleted)")
    other.ok("EXPUNGE")
    told = untagged(client.finish(work) + client.turn())
    assert [line[:10] for line in told] == [b"* 4 EXISTS", b"* 4 FETCH ", b"* 1 EXPUNG"]


def test_a_second_notify_loses_nothing_of_the_first(server: TestServer) -> None:
    """RFC 5465 3.1: a client that knows where folders are says SET again without STATUS."""
    client = listener(server, "(mailboxes INBOX (MessageNew MessageExpunge MailboxName))")
    server.deliver(MESSAGE)
    groups = "(mailboxes (INBOX Sent new) (MessageNew MessageExpunge MailboxName))"
    told = client.ok(f"NOTIFY SET {groups}") + client.turn()
    assert b'* STATUS "INBOX" (UIDNEXT 2 MESSAGES 1)' in told
    work: Work | None = client.begin(f"NOTIFY SET {groups}")
    assert isinstance(work, Read)
    client.session.finish(client._do(work))
    server.client().ok("CREATE new")
    server.client().append("Sent", MESSAGE)
    work = client.session.next_work()
    told = (client.finish(work) if work is not None else client.heard()) + client.turn()
    assert b'* STATUS "Sent" (UIDNEXT 2 MESSAGES 1)' in told
    assert b'"/" "new"' in told


def test_a_folder_that_is_left_tells_of_what_was_not_told(server: TestServer) -> None:
    groups = "(selected (MessageNew MessageExpunge)) (personal (MessageNew MessageExpunge))"
    client = listener(server, groups, select="INBOX")
    client.session.selected.hear(  # type: ignore[union-attr]
        FolderChange(MailboxId(1), FolderId(1), ModSeq(1), ModSeq(2))
    )
    assert b'* STATUS "INBOX"' in client.ok("UNSELECT") + client.turn()


def test_rights_of_others_are_no_work(server: TestServer) -> None:
    client = listener(server, "(personal (MailboxName))", user="u2")
    server.share("INBOX", Grant(account(3).user, mask("lr")))
    assert not client.session.notifier.has_work  # type: ignore[union-attr]


def test_full_access_that_is_taken_away_ends_what_is_told(server: TestServer) -> None:
    """T-12.7: looked at again when the administration says so."""
    server.owned_by = {"u2": ("u1",)}
    client = listener(server, '(subtree "Other Users" (MessageNew MessageExpunge))', user="u2")
    server.owned_by = {}
    client.session.look_again()
    server.deliver(MESSAGE)
    assert heard(client) == []


def test_what_is_not_told_is_not_promised(server: TestServer) -> None:
    """RFC 7162 3.2: HIGHESTMODSEQ stays below messages that the client does not want to hear of."""
    client = server.client()
    client.ok("ENABLE QRESYNC")
    client.ok("SELECT INBOX")
    before = client.session.selected.modseq  # type: ignore[union-attr]
    client.ok("NOTIFY NONE")
    server.deliver(MESSAGE)
    client.ok("NOOP")
    assert client.session.selected.modseq == before  # type: ignore[union-attr]
    assert b"* 1 EXISTS" in client.ok("NOTIFY SET (selected (MessageNew MessageExpunge))")
    assert client.session.selected.modseq > before  # type: ignore[union-attr]


# ---------------------------------------------------------------------------------------------- large bodies

LARGE = b"Subject: large\r\n\r\n" + b"0123456789" * 60_000
ASKED = "NOTIFY SET (SELECTED (MessageNew (UID BODY.PEEK[]) MessageExpunge FlagChange))"


def amid_a_literal(server: TestServer, *, idle: bool) -> tuple[Client, Client, Work]:
    """A client that is being told of a large message, another, and the work for its next part."""
    client, other = room(server, 1), second(server)
    client.ok(ASKED)
    if idle:
        client.says("IDLE")
    other.append("INBOX", LARGE)
    client.session.tell_idle()
    while (work := client.session.next_work()) is not None and not client.session._is_amid_literal:
        client.session.finish(client._do(work))
    assert work is not None
    client.session.finish(client._do(work))
    work = client.session.next_work()
    assert work is not None
    assert client.session._is_amid_literal
    return client, other, work


@pytest.mark.parametrize("idle", [True, False])
def test_a_literal_is_all_that_is_sent_until_it_ends(server: TestServer, idle: bool) -> None:
    """What comes meanwhile is told behind it: else its text would be taken for responses, and they for its text."""
    client, other, work = amid_a_literal(server, idle=idle)
    other.ok("STORE 1 +FLAGS (\\Flagged)")
    other.append("INBOX", MESSAGE)
    client.session.tell_idle()
    told = client.finish(work)
    rest = told.split(b"BODY[] {%d}\r\n" % len(LARGE))[1]
    assert rest[: len(LARGE)] == LARGE
    assert rest[len(LARGE) :].startswith(b")\r\n")
    assert b"* 3 EXISTS" in rest[len(LARGE) :]
    assert b"\\Flagged" in rest[len(LARGE) :]


def test_a_session_that_ends_amid_a_literal_ends_without_a_word(server: TestServer) -> None:
    client, _, _ = amid_a_literal(server, idle=True)
    assert not client.session.is_resting, "a server that is being stopped lets it come to its end"
    client.heard()
    client.session.bye("gone")
    assert client.session.is_closing
    assert client.heard() == b""
